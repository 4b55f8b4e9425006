"""A plane of digits that unfolds as its model is trained, scrubbed in the browser. Knows nothing of runs or files."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from demo import colours
from demo.components import bundle, sealed, style
from demo.components.held import held

MOST_BYTES = 2_000_000
MOST_MOMENTS = 100
MOST_NODES = 25
COLOURS = ("evidence", "q", "posterior")
_element = st.components.v2.component("unfolding", js=bundle("unfolding"), css=style("unfolding"), isolate_styles=True)


def unfolding(
    sheet: bytes,
    *,
    columns: int,
    nodes: int,
    half_width: float,
    step: ArrayLike,
    seen: ArrayLike,
    log_p_x: ArrayLike,
    elbo: ArrayLike,
    picked: int,
    key: str,
) -> int:
    """Shows the planes of `sheet` one at a time beside the curve of log p(x) and ELBO; returns which is shown.

    `sheet` is a grey PNG, ink white, of a plane at each moment, `columns` in a row, each of `nodes` × `nodes` digits of
    28 × 28 pixels over [−half_width, half_width]²; `step` and `seen` [m] (training steps and digits up to then) rise,
    `log_p_x` and `elbo` [m] are means in nats. `picked` counts where it or the sheet is new; otherwise the visitor's
    hand does, heard when it lets go or pauses. Raises ValueError for what does not fit.
    """
    if not sheet.startswith(b"\x89PNG") or len(sheet) > MOST_BYTES:
        raise ValueError(f"sheet must be a PNG of at most {MOST_BYTES:,} bytes")
    if not 1 <= nodes <= MOST_NODES:
        raise ValueError(f"a plane has 1 to {MOST_NODES} digits a side, not {nodes}")
    steps = np.asarray(step)
    m = len(steps)
    if not 2 <= m <= MOST_MOMENTS:
        raise ValueError(f"there must be 2 to {MOST_MOMENTS} moments, not {m}")
    counts = [_rising(name, values, m) for name, values in (("step", steps), ("seen", seen))]
    curves = [_finite(name, values, m) for name, values in (("log_p_x", log_p_x), ("elbo", elbo))]

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < m:
            raise ValueError(f"no index of {m} moments: {value!r}")
        return value

    place = held(key, read(int(picked)), hashlib.blake2b(sheet, digest_size=8).hexdigest(), read)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": place.base,
                "sheet": b64encode(sheet).decode("ascii"),
                "columns": int(columns),
                "nodes": int(nodes),
                "half_width": float(half_width),
                "step": counts[0],
                "seen": counts[1],
                "log_p_x": curves[0],
                "elbo": curves[1],
                "colours": [[theme[name] for name in COLOURS] for theme in (colours.LIGHT, colours.DARK)],
            }
        ),
        on_held_change=lambda: None,
    )
    return place.value


def _rising(name: str, values: ArrayLike, m: int) -> list[int]:
    array = np.asarray(values)
    if array.shape != (m,) or array.dtype.kind not in "iu" or array[0] < 0 or not (np.diff(array) > 0).all():
        raise ValueError(f"{name} must be {m} whole numbers that rise from 0 or more")
    return [int(value) for value in array]


def _finite(name: str, values: ArrayLike, m: int) -> list[float]:
    array: NDArray[np.float64] = np.asarray(values, np.float64)
    if array.shape != (m,) or not np.isfinite(array).all():
        raise ValueError(f"{name} must be {m} finite numbers")
    return [round(float(value), 3) for value in array]
