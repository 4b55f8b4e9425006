"""The interpolation rail: frames along a path, scrubbed and played in the browser. Knows nothing of decoders."""

from __future__ import annotations

import hashlib
import math
from base64 import b64encode

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from demo import colours
from demo.components import bundle, sealed, style
from demo.components.held import held

MOST_FRAMES = 241
MOST_DOTS = 2000
_element = st.components.v2.component("player", js=bundle("player"), css=style("player"), isolate_styles=True)


def player(
    frames: NDArray[np.uint8],
    *,
    t: float,
    log_p_z: ArrayLike,
    labels: tuple[str, str],
    key: str,
    path: ArrayLike | None = None,
    background: ArrayLike | None = None,
) -> float:
    """Shows `frames` [n, 784], 0 (paper) to 255 (ink), at equal steps of t from 0 to 1; returns the t that is shown.

    `log_p_z` [n] in nats is drawn along the path and `labels` name its ends. `path` [n, 2] adds a map of the latent
    plane, `background` [m, 3] (z1, z2, class) its faint dots (evenly thinned to 2,000). `t` counts where it or the
    frames are new; otherwise the visitor's hand does, heard when it lets go or pauses. The answer is always the t of
    a frame. Raises ValueError for shapes or values that do not fit.
    """
    if frames.dtype != np.uint8 or frames.ndim != 2 or frames.shape[1] != 784:
        raise ValueError(f"frames must be uint8 [n, 784], not {frames.dtype} {list(frames.shape)}")
    n = len(frames)
    if not 2 <= n <= MOST_FRAMES:
        raise ValueError(f"a film has 2 to {MOST_FRAMES} frames, not {n}")
    density = _finite("log_p_z", log_p_z, (n,))
    route = None if path is None else _finite("path", path, (n, 2))
    dots = None if background is None else _finite("background", background, (len(np.asarray(background)), 3))
    if dots is not None:
        dots = dots[:: max(1, math.ceil(len(dots) / MOST_DOTS))]

    def on_a_frame(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"t must be between 0 and 1, not {value!r}")
        return round(value * (n - 1)) / (n - 1)

    pixels = np.ascontiguousarray(frames).tobytes()
    place = held(key, on_a_frame(float(t)), hashlib.blake2b(pixels, digest_size=8).hexdigest(), on_a_frame)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": place.base,
                "frames": b64encode(pixels).decode("ascii"),
                "log_p_z": density.round(4).tolist(),
                "labels": [str(label) for label in labels],
                "path": None if route is None else route.round(4).tolist(),
                "background": None if dots is None else b64encode(dots.astype("<f4").tobytes()).decode("ascii"),
                "prior": [colours.LIGHT["prior"], colours.DARK["prior"]],
            }
        ),
        on_held_change=lambda: None,
    )
    return place.value


def _finite(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, {list(shape)}, not {list(array.shape)}")
    return array
