"""The interpolation rail: a walk past some latents, decoded, scrubbed and played in the browser, its ends set there.

Knows nothing of decoders, nor of where a latent comes from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from demo import colours
from demo.components import bundle, sealed, style
from demo.components.held import held, session
from demo.components.raster import MNIST, Shape, sized
from demo.components.weights import shelve
from demo.paths import ROUTES

MOST_STOPS, MOST_FRAMES = 8, 240
DIGITS, PREFIX = tuple("0123456789"), "a test digit"
OTHERS = ("prior", "drawing")
MOST_NUMBER = 9999
Choice = tuple[str, int]  # a kind of end, and which of that kind
_element = st.components.v2.component("player", js=bundle("player"), css=style("player"), isolate_styles=True)


def player(
    model_id: str,
    stops: ArrayLike,
    *,
    shape: Shape = MNIST,
    classes: tuple[Sequence[str], str] = (DIGITS, PREFIX),
    route: str,
    frames: int,
    closed: bool,
    ends: tuple[Choice, Choice],
    tray: tuple[str, bytes],
    drawing: ArrayLike | None,
    t: float,
    on_ends: Callable[[Mapping[str, Choice]], object],
    key: str,
) -> float:
    """Shows the way past `stops` [m, d] by a route of demo.paths, as much of t for each leg; returns the t shown.

    `shape`: rows and columns of a picture. `classes`: those of the tray, and what one of their images is called.
    `frames`: points a leg on which log p(z) is drawn. `ends`: what the first and the last stop are (the last but one
    of a `closed` tour). `tray`: `tables.pack_tray`'s id and file, what may be put there; `drawing` [d] is offered too.
    The visitor's choice reaches `on_ends` before the next run, by "a" or "b". `t` counts where it or the way is new,
    otherwise the visitor's hand does, heard when it lets go or pauses; the answer is in thousandths. The decoder comes
    from `weights`, before or after. Raises ValueError for what does not fit.
    """
    way = _finite("stops", stops, 2)
    if not 2 <= len(way) <= MOST_STOPS or not 1 <= frames <= MOST_FRAMES:
        raise ValueError(f"a way has 2 to {MOST_STOPS} stops and 1 to {MOST_FRAMES} frames a leg")
    if route not in ROUTES:
        raise ValueError(f"route must be one of {', '.join(ROUTES)}, not {route!r}")
    names, prefix = classes
    own = None if drawing is None else _finite("drawing", drawing, 1)
    if own is not None and own.shape != way.shape[1:]:
        raise ValueError(f"the drawing's latent has the shape {own.shape}, the stops {way.shape}")
    shelve(f"{key}-tray", tray[1])
    about = json.dumps([model_id, route, way.tolist()]).encode()
    place = held(key, _share(t), hashlib.blake2b(about, digest_size=8).hexdigest(), _share)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": place.base,
                "heard": _number(key),
                "session": session(),
                "model": model_id,
                "shape": sized(shape),
                "classes": list(names),
                "prefix": prefix,
                "stops": way.tolist(),
                "route": route,
                "frames": frames,
                "closed": closed,
                "ends": {"a": list(ends[0]), "b": list(ends[1])},
                "tray": tray[0],
                "drawing": None if own is None else own.tolist(),
                "prior": [colours.LIGHT["prior"], colours.DARK["prior"]],
            }
        ),
        on_held_change=lambda: None,
        on_chosen_change=lambda: _hear(key, on_ends, (*names, *OTHERS)),
    )
    return place.value


def chosen(value: object, kinds: Sequence[str] = (*DIGITS, *OTHERS)) -> dict[str, Choice]:
    """The ends that a browser sends, by "a" and "b", each of one of the kinds; ValueError for anything else."""
    if not isinstance(value, Mapping) or not value or not set(value) <= {"a", "b"}:
        raise ValueError("ends are a, b or both")
    found = {}
    for end, choice in value.items():
        if not isinstance(choice, list | tuple) or len(choice) != 2:
            raise ValueError("an end is a kind and a number")
        kind, number = choice
        if not isinstance(kind, str) or kind not in kinds:
            raise ValueError(f"an end is one of {', '.join(kinds)}")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_NUMBER:
            raise ValueError(f"the number of an end is 0 to {MOST_NUMBER}")
        found[end] = (kind, number)
    return found


def _share(value: object) -> float:
    """A t in thousandths, as links carry it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"t must be between 0 and 1, not {str(value)[:40]!r}")
    return round(float(value), 3)


def _message(key: str) -> Mapping[str, object]:
    """What the browser said last of the ends; empty where that is nothing of ours."""
    state = st.session_state.get(key)
    message = state.get("chosen") if isinstance(state, Mapping) else None
    if not isinstance(message, Mapping) or set(message) != {"number", "ends"}:
        return {}
    number = message["number"]
    return message if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**53 else {}


def _number(key: str) -> int:
    """The number of that message, so that the browser knows an answer to an older choice."""
    number = _message(key).get("number", 0)
    assert isinstance(number, int)
    return number


def _hear(key: str, on_ends: Callable[[Mapping[str, Choice]], object], kinds: Sequence[str]) -> None:
    try:
        ends = chosen(_message(key).get("ends"), kinds)
    except ValueError:
        return
    on_ends(ends)


def _finite(name: str, values: ArrayLike, axes: int) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.ndim != axes or not array.size or not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers along {axes} axes, not {list(array.shape)}")
    return array
