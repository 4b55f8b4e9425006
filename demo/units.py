"""What a log-probability in nats says in other units, and what binary cross-entropy on grey pixels leaves out.

Knows nothing of models, files or pages, nor of where a number comes from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

NATS_PER_BIT = float(np.log(2))


def bits(nats: float) -> float:
    """Nats → bits: nats / log 2."""
    return nats / NATS_PER_BIT


def bits_per_pixel(log_p_x: float, pixels: int) -> float:
    """−log₂ p(x) / pixels: what a perfect coder that knows the model spends on a pixel of x, from log p(x) in nats.

    Below 1 a coder that knows nothing of black-and-white images is beaten. For a lower bound of log p(x) it is an
    upper bound. Raises ValueError for fewer than one pixel.
    """
    if pixels < 1:
        raise ValueError(f"pixels is {pixels}; it must be at least 1")
    return -bits(log_p_x) / pixels


def percentile(value: float, scores: ArrayLike) -> float:
    """The share of the scores [N] that lie below the value, those equal to it counted half; in [0, 1].

    Raises ValueError where there are no scores, or a NaN, which has no rank.
    """
    scores = np.asarray(scores, np.float64)
    if scores.size == 0 or np.isnan(value) or np.isnan(scores).any():
        raise ValueError(f"the rank of {value} among {scores.size} scores needs scores, and no NaN")
    return float(np.mean(scores < value) + np.mean(scores == value) / 2)


def grey_log_mass(logits: ArrayLike) -> Array:
    """log ∫ exp(−BCE(x, l)) dx over all grey images x in [0, 1]^pixels, in nats. Shapes: [..., pixels] → [...].

    exp of the negative binary cross-entropy of a grey pixel is λ^x (1 − λ)^(1 − x), λ = sigmoid(l), and
    ∫₀¹ λ^x (1 − λ)^(1 − x) dx = (2λ − 1) / logit λ = tanh(l/2) / l, which is ½ at l = 0 and less elsewhere: never 1.
    So BCE on grey pixels is no −log p(x); a density must be divided by that mass, whose inverse is the constant of
    the continuous Bernoulli. Source: Loaiza-Ganem and Cunningham 2019.
    NumPy's tanh is relatively exact near 0, so that only l = 0 itself, λ = ½, needs its limit put in.
    """
    half = np.abs(np.asarray(logits, np.float64)) / 2
    flat = half == 0
    mass = np.where(flat, 0.5, np.tanh(half) / np.where(flat, 1, 2 * half))
    return np.log(mass).sum(axis=-1)
