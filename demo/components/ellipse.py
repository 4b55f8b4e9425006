"""The contest with the encoder: the visitor drags q over the posterior's stain; bound and score follow in the browser.

Packs what the browser needs, mounts the element and validates the q that it sends back. Knows nothing of how the
posterior, log p(x) or a bound are computed, nor of the page around it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import colours
from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.raster import MNIST, Shape, packed, sized
from demo.components.tables import HUNDREDTH, pack
from demo.components.weights import shelve

Q = tuple[float, float, float, float]  # means and standard deviations along z₁ and z₂

REACH, LEAST, MOST = 12.0, 1e-4, 8.0  # of a mean's amount, of a standard deviation; js/ellipseshape.js has the same
_DEPTH = 300.0  # nats below the peak: a needle is seen by what lies between nodes far below it
_element = st.components.v2.component("ellipse", js=bundle("ellipse"), css=style("ellipse"), isolate_styles=True)


class Ground(NamedTuple):
    """What q is fitted to: log p(z|x) on even nodes of a square, axes [n] each, values [n, n] (row = z₂)."""

    axis1: NDArray[np.float64]
    axis2: NDArray[np.float64]
    log_posterior: NDArray[np.float64]


class Rival(NamedTuple):
    """A q that is shown as an outline, and its bound in nats."""

    q: Q
    elbo: float


class Exact(NamedTuple):
    """The two parts of the bound of the visitor's q, and the highest bound that the visitor had so far, if any."""

    reconstruction: float
    kl: float
    record: float | None


def ellipse(
    model_id: str,
    x: NDArray[np.uint8],
    ground: Ground,
    *,
    shape: Shape = MNIST,
    log_p_x: float,
    encoder: Rival,
    best: Rival,
    revealed: bool,
    given: Q | None,
    exact: Callable[[Q | None], Exact],
    key: str,
) -> Q | None:
    """Shows q over the posterior of x [rows · columns] of 0 and 1; returns the visitor's q, None for the encoder's.

    `given` counts where it is new, otherwise the visitor's hand does, heard when it lets go. `exact` is asked for the
    figures of the q that is returned; the browser previews all others itself. `best` is outlined once `revealed`. The
    decoder comes from `weights`, before or after. Raises ValueError for what does not fit.
    """
    rows, columns = sized(shape)
    bits = packed(x, rows * columns)
    shelf, blob = _packed(ground)
    shelve(f"{key}-ground", blob)
    place = held(key, given if given is None else within(given), f"{model_id} {bits}", chosen)
    figures = exact(place.value)
    shown = place.value or encoder.q
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": None if place.base is None else list(place.base),
                "model": model_id,
                "x": bits,
                "pixels": rows * columns,
                "tables": shelf,
                "window": [[float(axis[0]), float(axis[-1])] for axis in (ground.axis1, ground.axis2)],
                "log_p_x": log_p_x,
                "encoder": _sent(encoder),
                "best": _sent(best),
                "revealed": revealed,
                "record": figures.record,
                "exact": {
                    "q": list(shown),
                    "reconstruction": figures.reconstruction,
                    "kl": figures.kl,
                    "elbo": figures.reconstruction - figures.kl,
                },
                "colours": {name: [colours.LIGHT[name], colours.DARK[name]] for name in colours.LIGHT},
            }
        ),
        on_held_change=lambda: None,
    )
    return place.value


def chosen(value: object) -> Q | None:
    """None, or four numbers that are a q within the limits; ValueError else (a browser may send anything)."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"q must be four numbers, not {str(value)[:80]!r}")
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not abs(v) <= REACH for v in value):
        raise ValueError(f"q must be four numbers within ±{REACH:g}")  # NaN and what no float holds are none
    m1, m2, s1, s2 = map(float, value)
    if within((m1, m2, s1, s2)) != (m1, m2, s1, s2):
        raise ValueError(f"q must have means within ±{REACH:g} and widths from {LEAST:g} to {MOST:g}")
    return m1, m2, s1, s2


def within(q: Q) -> Q:
    """q drawn back to its limits."""
    m1, m2 = (min(REACH, max(-REACH, m)) for m in q[:2])
    s1, s2 = (min(MOST, max(LEAST, s)) for s in q[2:])
    return m1, m2, s1, s2


def _sent(rival: Rival) -> dict[str, object]:
    return {"q": list(rival.q), "elbo": rival.elbo}


def _packed(ground: Ground) -> tuple[str, bytes]:
    """The log-density in hundredths of a nat below its peak, for the shelf."""
    n = len(ground.axis1)
    if n < 3 or len(ground.axis2) != n or ground.log_posterior.shape != (n, n):
        raise ValueError(f"a ground of axes {n} and {len(ground.axis2)} and values {ground.log_posterior.shape}")
    below = np.maximum(ground.log_posterior - ground.log_posterior.max(), -_DEPTH)
    return pack([("log_posterior", np.rint(below / HUNDREDTH).astype("<i2"), HUNDREDTH)])
