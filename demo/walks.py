"""Where a walk through latents of any dimension stands, and the directions in which a decoder changes most.

Knows nothing of models' files, of pages, or of the hand that walks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demo import paths
from demo.densities import Array, sigmoid

MODES = ("between", "directions", "coordinates")
ALONG, REACH = 3.0, 4.0  # how far a direction and a coordinate lead, in standard deviations of the prior
MOST_DIRECTIONS = 6
Amounts = tuple[tuple[int, float], ...]  # (number, counted from 1; amount), numbers rising
Decode = Callable[[Array], NDArray]

# Weights of f(z + kh) − f(z − kh), k = 1, 2, 3, for a first derivative to the sixth order in h (Fornberg 1988).
_WEIGHTS = (3 / 4, -3 / 20, 1 / 60)
_STEPS = tuple(2.0**-k for k in range(2, 10))  # no step suits every decoder: truncation falls with it, rounding rises


class Place(NamedTuple):
    """What the hand has set: t between two codes, amounts along directions, coordinates with another value."""

    t: float = 0.0
    along: Amounts = ()
    moved: Amounts = ()


class Directions(NamedTuple):
    """Singular values [k], falling, and unit vectors [k, d] of a Jacobian; `error` of any of its entries."""

    values: Array
    vectors: Array
    error: float


def latent(mode: str, place: Place, a: Array, b: Array, route: str, vectors: Array) -> Array:
    """z [d]: on the route from a to b; or a + Σ s_k v_k; or a with the coordinates that were moved."""
    if mode == "between":
        return paths.ROUTES[route](a, b, [place.t])[0]
    z = np.array(a, np.float64)
    if mode == "directions":
        for k, amount in place.along:
            z += amount * vectors[k - 1]
    else:
        for j, value in place.moved:
            z[j - 1] = value
    return z


def jacobian(decode: Decode, z: ArrayLike) -> tuple[Array, float]:
    """∂p/∂z of p = sigmoid(decode(z)), [pixels, d], by central differences, and what they are unsure of.

    p′ = p (1 − p) l′, for the logits l bend less than p. Of steps from ¼ down to 2⁻⁹ the two neighbours are taken that
    agree best, and the largest difference of any entry between them is the error: with float32 decoders some 1e-4.
    """
    z = np.asarray(z, np.float64)
    slope = sigmoid(decode(z[None])[0])
    slope = slope * (1 - slope)
    tries = [slope[:, None] * _differences(decode, z, step) for step in _STEPS]
    errors = [float(np.abs(finer - coarser).max()) for coarser, finer in pairwise(tries)]
    best = int(np.argmin(errors))
    return tries[best + 1], errors[best]


def principal_directions(decode: Decode, z: ArrayLike, count: int = MOST_DIRECTIONS) -> Directions:
    """The right singular vectors v_k of ∂p/∂z at z with the largest singular values s_k = ‖∂p/∂z · v_k‖.

    A step ε along v_k changes the picture by s_k ε, the root of the squared changes of all pixels. The sign of v_k is
    such that its largest coordinate is positive. At most `count`, and at most d.
    """
    slopes, error = jacobian(decode, z)
    _, values, vectors = np.linalg.svd(slopes, full_matrices=False)
    vectors = vectors[:count]
    largest = np.abs(vectors).argmax(axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), largest])
    return Directions(values[:count], signs[:, None] * vectors, error)


def _differences(decode: Decode, z: Array, step: float) -> Array:
    """∂l/∂z by one step, [pixels, d]."""
    d = len(z)
    shifts = step * np.arange(1, len(_WEIGHTS) + 1)
    steps = (shifts[:, None, None] * np.eye(d)).reshape(-1, d)
    logits = np.asarray(decode(np.concatenate([z + steps, z - steps])), np.float64)
    forth, back = logits.reshape(2, len(_WEIGHTS), d, -1)
    return np.einsum("k,kdp->pd", _WEIGHTS, forth - back) / step
