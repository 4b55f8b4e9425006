"""Routes between two latents. Knows nothing of models, pages or what lies along the way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from demo.densities import Array


def straight(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Array:
    """(1 − t)·a + t·b. Shapes: a, b [d], t [n] → [n, d]. Between far ends it passes near the origin, where in many
    dimensions the prior puts almost no mass (the shell of radius √d holds it)."""
    a, b, t = (np.asarray(v, np.float64) for v in (a, b, t))
    return (1 - t)[:, None] * a + t[:, None] * b


def great_circle(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> Array:
    """Directions along the great circle from a to b, lengths interpolated linearly. a, b [d], t [n] → [n, d].

    Source: slerp, Shoemake 1985; for latents White 2016, "Sampling generative networks". Where the directions agree,
    oppose each other or do not exist (a zero vector), no single great circle is shortest; the straight line is taken.
    """
    a, b, t = (np.asarray(v, np.float64) for v in (a, b, t))
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if length_a == 0 or length_b == 0:
        return straight(a, b, t)
    u, v = a / length_a, b / length_b
    angle = np.arccos(np.clip(u @ v, -1, 1))
    if np.sin(angle) < 1e-6:
        return straight(a, b, t)
    direction = (np.sin((1 - t) * angle)[:, None] * u + np.sin(t * angle)[:, None] * v) / np.sin(angle)
    return direction * straight([length_a], [length_b], t)


Route = Callable[[ArrayLike, ArrayLike, ArrayLike], Array]  # a [d], b [d], t [n] → [n, d]

ROUTES: dict[str, Route] = {
    "straight": straight,
    "great circle": great_circle,
}


def along(stops: ArrayLike, t: ArrayLike, route: Route) -> Array:
    """Shares t in [0, 1] of the way past the stops, as much of t for each leg. stops [m, d], t [n] → [n, d]."""
    stops, t = np.asarray(stops, np.float64), np.asarray(t, np.float64)
    place = t * (len(stops) - 1)
    leg = np.minimum(len(stops) - 2, place.astype(int))
    z = np.empty((len(t), stops.shape[1]))
    for k in np.unique(leg):
        z[leg == k] = route(stops[k], stops[k + 1], place[leg == k] - k)
    return z


def tour(stops: ArrayLike, frames: int, route: Route) -> Array:
    """From each stop to the next by `route`, in `frames` equal steps of t each; stops [m, d] → [(m − 1)·frames + 1, d].

    Frame k · frames is stop k. A tour is closed where the last stop is the first.
    """
    stops = np.asarray(stops, np.float64)
    t = np.arange(frames) / frames
    legs = [route(a, b, t) for a, b in pairwise(stops)]
    return np.concatenate([*legs, stops[-1:]])
