"""Unnormalised densities f of one and two dimensions, their constant Z, and what Z would cost in more dimensions.

Knows nothing of trained models, figures or pages. One grid serves all: the midpoint rule of n cells an axis takes f as
constant on each cell, so Z, ∫_A f and the samples belong to the same density, and p(A) lies in [0, 1] whatever n is.
Everything is summed as a logarithm, in float64.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from demo.integrate import Array, LogFunction, gauss_legendre, log_sum_exp

Region = tuple[tuple[float, float], ...]  # (low, high) of each axis

HALF_WIDTH = 5.0  # every box is [−5, 5]^d; less than 1e-6 of any toy's Z lies outside (tests/test_toys.py)
RESOLUTIONS = (2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 50, 64, 80, 100, 128, 160, 200)
IMAGE_DIMENSION = 784

_HIDDEN = 16
_PULL = 0.7  # log f falls as −0.7 |x|², so that Z is finite


@dataclass(frozen=True)
class Toy:
    """One unnormalised density: log f takes points [m, d] and gives [m]; `parameters` counts the numbers in f."""

    name: str
    title: str
    latex: str
    dimension: int
    log_density: LogFunction
    box: Region
    parameters: int


def random_network(d: int, seed: int) -> LogFunction:
    """log f(x) = 1 + v·tanh(Wx + b) − 0.7 |x|² with 16 hidden units and random weights, never trained."""
    rng = np.random.default_rng(seed)
    W = rng.normal(0, 1.6, (d, _HIDDEN))
    b = rng.normal(0, 2.0, _HIDDEN)
    v = rng.normal(0, 1.7, _HIDDEN)

    def log_f(x: Array) -> Array:
        return 1 + np.tanh(x @ W + b) @ v - _PULL * np.sum(x**2, axis=-1)

    return log_f


def bumps(heights: ArrayLike, centres: ArrayLike, widths: ArrayLike) -> LogFunction:
    """log f(x) = log Σ_k a_k exp(−|x − m_k|² / 2 s_k²). Shapes: heights [k], centres [k, d], widths [k]."""
    log_a = np.log(np.asarray(heights, np.float64))
    m, s = np.asarray(centres, np.float64), np.asarray(widths, np.float64)

    def log_f(x: Array) -> Array:
        squared = np.sum((x[:, None, :] - m) ** 2, axis=-1)
        return log_sum_exp(log_a - 0.5 * squared / s**2, axis=-1)

    return log_f


def ring(radius: float, width: float) -> LogFunction:
    """log f(x) = −(|x| − r)² / 2 w²."""

    def log_f(x: Array) -> Array:
        return -0.5 * ((np.sqrt(np.sum(x**2, axis=-1)) - radius) / width) ** 2

    return log_f


def _box(d: int) -> Region:
    return ((-HALF_WIDTH, HALF_WIDTH),) * d


_NETWORK = r"f(x) = \exp\!\big(1 + v^{\top}\tanh(Wx + b) - 0.7\,|x|^2\big)"
_BUMPS = r"f(x) = \sum_k a_k \exp\!\big(-|x - m_k|^2 / 2 s_k^2\big)"
_RING = r"f(x) = \exp\!\big(-(|x| - 2.5)^2 / (2 \cdot 0.35^2)\big)"

TOYS = (
    Toy("net1", "a random network, 1-D", _NETWORK, 1, random_network(1, 2), _box(1), 3 * _HIDDEN),
    Toy("bumps1", "three bumps, 1-D", _BUMPS, 1,
        bumps((1, 2.5, 0.7), ((-2.2,), (0.4,), (2.3,)), (0.5, 0.35, 0.5)), _box(1), 9),
    Toy("net2", "a random network, 2-D", _NETWORK, 2, random_network(2, 1), _box(2), 4 * _HIDDEN),
    Toy("bumps2", "three bumps, 2-D", _BUMPS, 2,
        bumps((1, 2, 0.6), ((-1.8, -1), (1.2, 1.6), (1.6, -1.6)), (0.6, 0.5, 0.6)), _box(2), 12),
    Toy("ring", "a ring, 2-D", _RING, 2, ring(2.5, 0.35), _box(2), 2),
)  # fmt: skip
BY_NAME = {toy.name: toy for toy in TOYS}


def centres(toy: Toy, n: int) -> list[Array]:
    """The midpoints [n] of the cells along each axis of the box."""
    return [low + (np.arange(n) + 0.5) * (high - low) / n for low, high in toy.box]


@lru_cache(maxsize=32)
def log_values(toy: Toy, n: int) -> Array:
    """log f at the middle of each of the n^d cells, the first axis changing slowest. [n^d], read-only."""
    mesh = np.meshgrid(*centres(toy, n), indexing="ij")
    values = toy.log_density(np.stack([m.ravel() for m in mesh], axis=-1))
    values.setflags(write=False)
    return values


def log_normaliser(toy: Toy, n: int) -> float:
    """log Z_n = log Σ_cells f(midpoint) · volume, over n^d cells."""
    return float(log_sum_exp(log_values(toy, n))) + _log_cell(toy, n)


def log_mass(toy: Toy, region: Region, n: int) -> float:
    """log ∫_A f on the same cells: each counts with the share of it that lies in A; −∞ where A is empty."""
    inside = np.ones(())
    for (low, high), (a, b) in zip(toy.box, region, strict=True):
        edges = np.linspace(low, high, n + 1)
        overlap = np.minimum(edges[1:], b) - np.maximum(edges[:-1], a)
        inside = np.multiply.outer(inside, np.clip(overlap * n / (high - low), 0, 1))
    with np.errstate(divide="ignore"):
        log_inside = np.log(inside.ravel())
    return float(log_sum_exp(log_values(toy, n) + log_inside)) + _log_cell(toy, n)


def probability(toy: Toy, region: Region, n: int) -> float:
    """p(A) = ∫_A f / ∫ f, both by the midpoint rule of n cells an axis."""
    return min(float(np.exp(log_mass(toy, region, n) - log_normaliser(toy, n))), 1.0)


def _log_cell(toy: Toy, n: int) -> float:
    return float(sum(np.log((high - low) / n) for low, high in toy.box))


class Reference(NamedTuple):
    """log ∫ f by a rule of another kind, and its error: what doubling the number of panels moved, relative."""

    log_value: float
    error: float


@lru_cache(maxsize=256)
def reference(toy: Toy, region: Region | None = None) -> Reference:
    """log ∫_A f (over the box if A is None) by Gauss–Legendre rules of order 8 on 24 panels an axis, against 12."""
    sides = toy.box if region is None else region
    if any(b <= a for a, b in sides):
        return Reference(-np.inf, 0.0)
    fine, coarse = (log_sum_exp(toy.log_density(x) + log_w) for x, log_w in (_panels(sides, 24), _panels(sides, 12)))
    return Reference(float(fine), float(abs(np.expm1(coarse - fine))))


def _panels(sides: Region, count: int, order: int = 8) -> tuple[Array, Array]:
    """Nodes [m, d] of a composite Gauss–Legendre rule on a box, and the logarithms [m] of its weights."""
    nodes, weights = gauss_legendre(order, 1)
    axes, log_weights = [], np.zeros(())
    for a, b in sides:
        width = (b - a) / count
        middles = a + (np.arange(count) + 0.5) * width
        axes.append((middles[:, None] + width * nodes[:, 0]).ravel())
        log_weights = np.add.outer(log_weights, np.tile(np.log(weights * width), count))
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=-1), log_weights.ravel()


class BestNormal(NamedTuple):
    """The normal with the mean and standard deviations [d] of p, and D_KL[p ‖ it] in nats."""

    loc: Array
    scale: Array
    kl: float


@lru_cache(maxsize=len(TOYS))
def best_normal(toy: Toy) -> BestNormal:
    """Of all normals with a diagonal covariance the one nearest to p = f/Z in D_KL[p ‖ ·]; it shares p's moments.

    There D_KL = E_p[log p] + Σ_j ½ (1 + log 2π s_j²). Expectations by the rule of `reference`.
    """
    x, log_w = _panels(toy.box, 24)
    log_f = toy.log_density(x)
    log_z = float(log_sum_exp(log_f + log_w))
    p = np.exp(log_f + log_w - log_z)
    loc = p @ x
    variance = p @ (x - loc) ** 2
    kl = float(p @ (log_f - log_z) + 0.5 * np.sum(1 + np.log(2 * np.pi * variance)))
    return BestNormal(loc, np.sqrt(variance), kl)


class Convergence(NamedTuple):
    """Z_n for each n of RESOLUTIONS, and its relative error against the reference. Each [len(RESOLUTIONS)]."""

    n: Array
    value: Array
    error: Array


@lru_cache(maxsize=len(TOYS))
def convergence(toy: Toy) -> Convergence:
    log_z = np.array([log_normaliser(toy, n) for n in RESOLUTIONS])
    return Convergence(np.array(RESOLUTIONS, float), np.exp(log_z), np.abs(np.expm1(log_z - reference(toy).log_value)))


def sample(toy: Toy, n: int, count: int, seed: int) -> Array:
    """`count` points [count, d] of p_n = f/Z_n: a cell by the inverse of the summed masses, then a place in it, evenly.

    The inverse needs masses that sum to one, so it needs Z: without the constant there is no such sampler.
    """
    rng = np.random.default_rng(seed)
    cumulative = np.cumsum(np.exp(log_values(toy, n) - log_sum_exp(log_values(toy, n))))
    cell = np.searchsorted(cumulative[:-1], rng.random(count) * cumulative[-1], side="right")
    index = np.unravel_index(cell, (n,) * toy.dimension)
    jitter = rng.random((count, toy.dimension)) - 0.5
    middles = zip(centres(toy, n), index, toy.box, strict=True)
    return np.stack([axis[i] for axis, i, _ in middles], axis=-1) + jitter * [(b - a) / n for a, b in toy.box]


class Share(NamedTuple):
    """How many samples fell into A, their share of all, and the standard error of a share whose true value is p."""

    inside: Array  # [count], bool
    hits: int
    value: float
    standard_error: float


def share(points: Array, region: Region, p: float) -> Share:
    """The fraction of points [m, d] in A; standard error √(p(1 − p)/m) of the binomial."""
    low, high = np.array(region).T
    inside = np.all((points >= low) & (points < high), axis=-1)
    return Share(inside, int(inside.sum()), float(inside.mean()), float(np.sqrt(p * (1 - p) / len(points))))


RATED = (1, 2, 3)
_BATCH = 10_000


@cache
def measured_rates() -> dict[int, float]:
    """Evaluations of a random f a second in d = 1, 2, 3, on this machine now: the best of five batches of 10,000."""
    return {d: _rate(random_network(d, 0), d, time.perf_counter) for d in RATED}


def _rate(log_f: LogFunction, d: int, clock: Callable[[], float]) -> float:
    points = np.random.default_rng(0).uniform(-HALF_WIDTH, HALF_WIDTH, (_BATCH, d))
    seconds = []
    log_f(points)  # the first call pays for memory that the others find ready
    for _ in range(5):
        start = clock()
        log_f(points)
        seconds.append(clock() - start)
    return _BATCH / max(min(seconds), 1e-9)


def log10_evaluations(n: int, d: int) -> float:
    """log₁₀ n^d, the cells of a grid of n an axis."""
    return d * float(np.log10(n))


def log10_seconds(n: int, d: int, rate: float) -> float:
    """log₁₀ of the seconds that n^d evaluations take."""
    return log10_evaluations(n, d) - float(np.log10(rate))


YEAR = 31_557_600.0  # seconds, Julian
UNIVERSE = 13.8e9 * YEAR  # seconds since the Big Bang (Planck Collaboration 2018)
_UNITS = (
    (1e-6, "microseconds"), (1e-3, "milliseconds"), (1.0, "seconds"), (60.0, "minutes"), (3600.0, "hours"),
    (86_400.0, "days"), (YEAR, "years"), (1e3 * YEAR, "thousand years"), (1e6 * YEAR, "million years"),
    (1e9 * YEAR, "thousand million years"), (UNIVERSE, "ages of the universe"),
)  # fmt: skip


def in_human_terms(log10_s: float) -> tuple[float, str]:
    """(log₁₀ of the amount, unit): the largest unit of which there is at least one, or the smallest unit."""
    unit, name = next(((u, w) for u, w in reversed(_UNITS) if log10_s >= np.log10(u)), _UNITS[0])
    return log10_s - float(np.log10(unit)), name


def count_in_words(log10: float) -> str:
    """A whole number from its logarithm: 64,000 in full below a million million, then as 6.4 × 10⁴²."""
    if log10 < 12:
        return f"{round(10**log10):,}"
    exponent = math.floor(log10)
    mantissa = f"{10 ** (log10 - exponent):.1f}"
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    return f"{mantissa} × 10{str(exponent).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def duration_in_words(log10_s: float) -> str:
    """Seconds, given by their logarithm, as an amount of the unit that fits."""
    amount, unit = in_human_terms(log10_s)
    return f"{10**amount:.1f} {unit}" if amount < 1 else f"{count_in_words(amount)} {unit}"


class BernoulliImages(NamedTuple):
    """All images of a few independent pixels, their probabilities, and the sum of these."""

    images: Array  # [2^k, k] of 0 and 1
    probability: Array  # [2^k]
    total: float


def bernoulli_total(logits: ArrayLike) -> BernoulliImages:
    """p(x) = exp(Σ_i x_i·l_i) / Π_i (1 + exp l_i) for every x in {0, 1}^k; logits [k].

    Here Z is a sum over 2^k images that factorises into k brackets, so it is free.
    """
    logits = np.asarray(logits, np.float64)
    images = np.stack(np.meshgrid(*[[0.0, 1.0]] * len(logits), indexing="ij"), axis=-1).reshape(-1, len(logits))
    p = np.exp(images @ logits - np.logaddexp(0, logits).sum())
    return BernoulliImages(images, p, float(p.sum()))
