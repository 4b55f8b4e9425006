"""Importance weights of one x through a normal laid over the peak of its posterior, in plain NumPy.

The second computation beside `vae.refine`, with which it shares no line: another search for the peak, differences of
another order, wider tails. Knows no models and no pages; a decoder is a function z [m, d] → logits [m, pixels].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from demo.receipts import again
from demo.receipts.again import Array, Decode

_STEP = 1 / 64  # of central differences
_FREEDOM = 12  # degrees of freedom of the t: tails above a normal's
_WIDER = 1.15  # than the curvature at the peak says
_OWN = 0.1  # share of q among the draws


def peak(decode: Decode, x: NDArray, start: Array, rounds: int = 8) -> tuple[Array, Array]:
    """A maximum z* of log p(x, z) near `start` [d], and the covariance (I + Jᵀ P J)⁻¹ [d, d] there.

    J = ∂logits/∂z by central differences, P the pixels' variances p (1 − p). Each round goes the whole Newton step of
    that curvature or 1/2, 1/4, … of it, whichever of six is highest.
    """
    z, height = np.asarray(start, np.float64), -np.inf
    while True:
        gradient, information = _slope(decode, x, z)
        if rounds == 0:
            return z, np.asarray(np.linalg.inv(information), np.float64)
        step = np.linalg.solve(information, gradient)
        tried = z + step * 0.5 ** np.arange(6)[:, None]
        heights = again.log_joint(decode, x, tried)
        if heights.max() <= height + 1e-3:
            rounds = 0
            continue
        z, height, rounds = tried[heights.argmax()], float(heights.max()), rounds - 1


def _slope(decode: Decode, x: NDArray, z: Array) -> tuple[Array, Array]:
    """Gradient of log p(x, z) [d] and I + Jᵀ P J [d, d]."""
    d = len(z)
    moves = _STEP * np.eye(d)
    ends = np.asarray(decode(np.concatenate([z + moves, z - moves, z[None]])), np.float64)
    jacobian = (ends[:d] - ends[d : 2 * d]) / (2 * _STEP)
    p = 1 / (1 + np.exp(-ends[-1]))
    return jacobian @ (x - p) - z, np.eye(d) + (jacobian * p * (1 - p)) @ jacobian.T


def log_weights(decode: Decode, x: NDArray, q: tuple[Array, Array], count: int, rng: np.random.Generator) -> Array:
    """log p(x, z_k) / r(z_k) of `count` draws, r = 0.9 t(peak) + 0.1 q, q = (loc, scale) [d] each. → [count]."""
    loc, scale = (np.asarray(part, np.float64) for part in q)
    centre, covariance = peak(decode, x, loc)
    d, own = len(loc), round(_OWN * count)
    root = _WIDER * np.linalg.cholesky(covariance)
    stretched = np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, (count - own, 1)))
    z = np.concatenate(
        [
            centre + stretched * rng.standard_normal((count - own, d)) @ root.T,
            loc + scale * rng.standard_normal((own, d)),
        ]
    )
    distance = (np.linalg.solve(root, (z - centre).T) ** 2).sum(axis=0)
    constant = math.lgamma((_FREEDOM + d) / 2) - math.lgamma(_FREEDOM / 2) - d / 2 * math.log(_FREEDOM * math.pi)
    log_t = constant - np.log(np.diag(root)).sum() - (_FREEDOM + d) / 2 * np.log1p(distance / _FREEDOM)
    share = own / count
    log_r = np.logaddexp(log_t + math.log(1 - share), again.log_normal(z, loc, scale) + math.log(share))
    return again.log_joint(decode, x, z) - log_r
