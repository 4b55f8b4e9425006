"""Sampling against what is known exactly: the race of estimators of log p(x), and the KL by drawing beside its formula.

Knows nothing of models, files or pages: it is handed draws, or a q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demo.densities import Array, kl_to_prior_per_dimension, log_normal, log_standard_normal
from demo.evidence import Decode, Draws, log_likelihood
from demo.integrate import log_sum_exp

POOL = 8192  # draws to race with: four repeats of the largest block
N_SAMPLES = tuple(2**i for i in range(12))  # 1, 2, 4, …, 2048


@dataclass(frozen=True)
class Race:
    """How one proposal's estimates of log p(x) are spread, for each number K of draws an estimate. [k] each, nats.

    An estimate is log (1/K) Σ w of a block of K draws; `repeats` is how many blocks, disjoint and so independent.
    `mean` is over the repeats, `standard_error` that of this mean, `low` and `high` are the repeats' 10 % and 90 %
    quantiles, `effective_sample_size` the mean over blocks of (Σ w)² / Σ w², at most K. Blocks of different K are
    cut from one pool, so that neighbouring columns are not independent of each other.

    In expectation `mean` is at most log p(x): (1/K) Σ w has the mean p(x), and the logarithm is concave, so that
    E[log (1/K) Σ w] ≤ log E[w] = log p(x) (Jensen). It rises with K: the average of K weights is the average over
    all its sub-blocks of k < K of their averages, so that by Jensen again the log of the whole is at least the mean
    of the logs of the parts. At K = 1 it is the ELBO, and for K → ∞ it tends to log p(x) where w is bounded.
    Source: Burda, Grosse and Salakhutdinov 2016, theorem 1. One finite race may stray from that by its errors.
    """

    n_samples: NDArray[np.int64]
    repeats: NDArray[np.int64]
    mean: Array
    low: Array
    high: Array
    standard_error: Array
    effective_sample_size: Array


def race(draws: Draws, n_samples: Sequence[int] = N_SAMPLES) -> Race:
    """The race of the proposal that the draws [M] come from: M // K repeats for each K; what does not fill a block is
    left out. Draws of the prior (loc = log_scale = 0) make it plain Monte Carlo.

    Raises ValueError for a K below 1, or above M / 2, which leaves fewer than two repeats.
    """
    log_w = draws.log_w
    if not n_samples or min(n_samples) < 1 or 2 * max(n_samples) > len(log_w):
        raise ValueError(f"each K of {list(n_samples)} must be at least 1 and at most half of the {len(log_w)} draws")
    columns = [_column(log_w[: len(log_w) // k * k].reshape(-1, k)) for k in n_samples]
    mean, low, high, standard_error, effective_sample_size = np.transpose(columns)
    k = np.array(n_samples, np.int64)
    return Race(k, len(log_w) // k, mean, low, high, standard_error, effective_sample_size)


def _column(log_w: Array) -> tuple[float, float, float, float, float]:
    """Mean, quantiles, standard error and mean effective sample size of blocks [repeats, K]."""
    total = log_sum_exp(log_w, axis=-1)
    estimates = total - np.log(log_w.shape[1])
    low, high = np.quantile(estimates, (0.1, 0.9))
    standard_error = estimates.std(ddof=1) / np.sqrt(len(estimates))
    effective = np.exp(2 * total - log_sum_exp(2 * log_w, axis=-1))
    return float(estimates.mean()), float(low), float(high), float(standard_error), float(effective.mean())


def draw_mixture(
    decode: Decode, x: NDArray, components: Sequence[tuple[Array, Array]], n_samples: int, rng: np.random.Generator
) -> Draws:
    """Draws z [n_samples, d] of the mixture q = (1/C) Σ_c N(loc_c, diag σ_c²), each (loc, log_scale) [d].

    With a component at each mode of the posterior no draw has a weight above C times that under its own mode, so
    that the importance-weighted bound is safe where one normal sits on a lesser mode and cannot tell.
    """
    loc, log_scale = (np.array([c[i] for c in components], np.float64) for i in (0, 1))
    which = rng.integers(len(loc), size=n_samples)
    z = loc[which] + np.exp(log_scale[which]) * rng.standard_normal((n_samples, loc.shape[1]))
    log_q = log_sum_exp(log_normal(z[:, None, :], loc, log_scale), axis=-1) - np.log(len(loc))
    return Draws(z, log_standard_normal(z), log_likelihood(decode, x, z), log_q)


def widened(components: Sequence[tuple[Array, Array]], factor: float = 1.5) -> list[tuple[Array, Array]]:
    """The same normals with their standard deviations times `factor`: proposals should have the heavier tails."""
    return [(np.asarray(loc), np.asarray(log_scale) + np.log(factor)) for loc, log_scale in components]


@dataclass(frozen=True)
class KlPerDimension:
    """D_KL[N(loc_j, σ_j²) ‖ N(0, 1)] for each j, in nats: `exact` in closed form, `mean` and its `standard_error` from
    n_samples draws. Arrays [d]; their sums over j are those of the whole divergence, for both normals factorise.
    """

    exact: Array
    mean: Array
    standard_error: Array
    n_samples: int


def kl_per_dimension(loc: ArrayLike, log_scale: ArrayLike, n_samples: int, rng: np.random.Generator) -> KlPerDimension:
    """The closed form beside the mean of log q(z_j|x) − log p(z_j) over z ~ q. loc, log_scale [d].

    Raises ValueError for fewer than two draws, which have no standard error.
    """
    if n_samples < 2:
        raise ValueError(f"n_samples is {n_samples}; a standard error needs at least 2")
    loc, log_scale = np.asarray(loc, np.float64), np.asarray(log_scale, np.float64)
    z = loc + np.exp(log_scale) * rng.standard_normal((n_samples, len(loc)))
    log_ratio = log_normal(z[..., None], loc[:, None], log_scale[:, None]) - log_standard_normal(z[..., None])
    return KlPerDimension(
        exact=kl_to_prior_per_dimension(loc, log_scale),
        mean=log_ratio.mean(axis=0),
        standard_error=log_ratio.std(axis=0, ddof=1) / np.sqrt(n_samples),
        n_samples=n_samples,
    )
