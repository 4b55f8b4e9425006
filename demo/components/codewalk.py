"""The walk without a plane: between two codes, along principal directions, or one coordinate at a time.

Packs what the browser needs, mounts the element and validates the place that it sends back. Knows nothing of how codes,
directions or x were found, nor of the page around it.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from demo import colours
from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.raster import MNIST, Shape, packed, sized
from demo.walks import ALONG, MODES, MOST_DIRECTIONS, REACH, Amounts, Directions, Place

_element = st.components.v2.component("codewalk", js=bundle("codewalk"), css=style("codewalk"), isolate_styles=True)


class End(NamedTuple):
    """One code of the walk, [d], and its name in the visitor's words."""

    z: NDArray[np.float64]
    name: str


def codewalk(
    model_id: str,
    mode: str,
    route: str,
    a: End,
    b: End,
    x: NDArray[np.uint8],
    *,
    shape: Shape = MNIST,
    x_name: str,
    directions: Directions | None,
    kl: ArrayLike,
    inactive: ArrayLike,
    place: Place,
    key: str,
) -> Place:
    """Shows the digit at `place` of a walk that starts from the code `a`; returns the place that is shown.

    `b` is the other end where the mode is "between". x [rows · columns] of 0 and 1, of the shape (rows, columns),
    is pinned: log p(x|z) is of it. `directions` belong to `a`, None where the mode needs none. `kl` [d] in nats sorts
    the coordinates, `inactive` [d] marks those without use. `place` counts where it is new, otherwise the visitor's
    hand does, heard when it lets go or pauses. The decoder comes from `weights`, before or after. Raises ValueError for
    what does not fit.
    """
    d = len(a.z)
    if mode not in MODES or (mode == "directions") != (directions is not None):
        raise ValueError(f"no walk of the mode {mode!r} with{'out' * (directions is None)} directions")
    divergence, idle = np.asarray(kl, np.float64), np.asarray(inactive, bool)
    if len(b.z) != d or divergence.shape != (d,) or idle.shape != (d,):
        raise ValueError(f"codes of {d} and {len(b.z)} coordinates, KL {divergence.shape}, inactive {idle.shape}")
    rows, columns = sized(shape)
    bits = packed(x, rows * columns)
    limits = (MOST_DIRECTIONS if directions is None else len(directions.values), d)
    walk = {
        "model": model_id,
        "mode": mode,
        "route": route,
        "a": np.asarray(a.z, np.float64).tolist(),
        "b": np.asarray(b.z, np.float64).tolist(),
        "names": [a.name, b.name],
        "shape": [rows, columns],
        "x": bits,
        "x_name": x_name,
        "values": [] if directions is None else directions.values.tolist(),
        "vectors": [] if directions is None else directions.vectors.tolist(),
        "kl": divergence.tolist(),
        "inactive": idle.tolist(),
    }
    subject = hashlib.blake2b(repr(walk).encode(), digest_size=8).hexdigest()

    def within(value: object) -> Place:
        found = placed(value)
        if any(number > limit for part, limit in zip(found[1:], limits, strict=True) for number, _ in part):
            raise ValueError(f"at most {limits[0]} directions and {limits[1]} coordinates")
        return found

    here = held(key, placed(_sent(place)), subject, within)
    _element(
        key=key,
        data=sealed(
            {
                **walk,
                "slot": key,
                "walk": subject,
                "number": here.number,
                "base": _sent(here.base),
                "colours": {name: [colours.LIGHT[name], colours.DARK[name]] for name in colours.LIGHT},
            }
        ),
        on_held_change=lambda: None,
    )
    return here.value


def placed(value: object) -> Place:
    """[t, [[direction, amount], …], [[coordinate, value], …]] as a browser sends it; ValueError for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError(f"a place has three parts, not {str(value)[:80]!r}")
    t, along, moved = value
    if not _is_number(t, 1) or t < 0:
        raise ValueError(f"t must be between 0 and 1, not {str(t)[:80]!r}")
    return Place(round(float(t), 3), _amounts(along, ALONG), _amounts(moved, REACH))


def _amounts(value: object, reach: float) -> Amounts:
    if not isinstance(value, list | tuple) or len(value) > 4096:
        raise ValueError("amounts are a list")
    found = {}
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"an amount is a pair, not {str(pair)[:80]!r}")
        number, amount = pair
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 4096 or number in found:
            raise ValueError(f"no number of a direction or coordinate: {str(number)[:80]!r}")
        if not _is_number(amount, reach):
            raise ValueError(f"an amount lies within ±{reach:g}, not {str(amount)[:80]!r}")
        found[number] = round(float(amount), 2)
    return tuple(sorted(found.items()))


def _is_number(value: object, reach: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= reach < math.inf


def _sent(place: Place) -> list[object]:
    return [place.t, [list(pair) for pair in place.along], [list(pair) for pair in place.moved]]
