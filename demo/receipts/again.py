"""The second computations: the same quantities by other formulas and other nodes, in plain NumPy.

Knows nothing of the site's own densities and rules, so that it cannot repeat their mistakes. Decoders are functions
z [m, d] → logits [m, pixels]; all figures in nats, unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Decode = Callable[[Array], NDArray]

_ROWS = 500  # decoded at a time
_SETTLED = 2e-5  # nats that the last halving of a step may move
_MOST_CELLS = 30_000
_FINEST = 1 / 32  # σ, of a lattice around q


def log_normal(z: ArrayLike, loc: Array | float = 0.0, scale: Array | float = 1.0) -> Array:
    """Σ_j of the logarithm of exp(−½ t²) / (√(2π) σ), t = (z − loc) / σ. Shapes: [..., d] → [...]."""
    t = (np.asarray(z, np.float64) - loc) / scale
    return (-np.log(scale * np.sqrt(2 * np.pi)) - t * t / 2).sum(axis=-1)


def log_bernoulli(x: NDArray, logits: NDArray) -> Array:
    """−Σ_i log(1 + exp(−s_i l_i)) with s = ±1 for ink and paper, a logarithm a pixel. [pixels], [m, pixels] → [m]."""
    t = np.where(np.asarray(x) > 0, 1.0, -1.0) * np.asarray(logits, np.float64)
    return (np.minimum(t, 0) - np.log(1 + np.exp(-np.abs(t)))).sum(axis=-1)


def log_joint(decode: Decode, x: NDArray, z: Array) -> Array:
    """log p(z) + log p(x|z). x [pixels], z [m, d] → [m]."""
    starts = range(0, len(z), _ROWS)
    return log_normal(z) + np.concatenate([log_bernoulli(x, decode(z[i : i + _ROWS])) for i in starts])


def log_evidence(decode: Decode, x: NDArray) -> float:
    """log p(x) in two dimensions by the midpoint rule on even lattices, the step halved until that moves nothing.

    Of each lattice only the cells are halved that hold any mass to speak of, and their neighbours.
    """
    step, margin, total = 0.16, 80.0, np.inf
    axis = np.arange(-38, 38)
    cells = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)  # the cell k has its centre at (k + ½)·step
    while True:
        values = log_joint(decode, x, np.asarray((cells + 0.5) * step))
        coarser, total = total, float(np.logaddexp.reduce(np.sort(values)) + 2 * np.log(step))
        cells = _halved(cells[values > values.max() - margin])
        if abs(total - coarser) < _SETTLED or len(cells) > _MOST_CELLS:
            return total
        step, margin = step / 2, max(margin / 2, 18.0)


def _halved(cells: NDArray[np.intp]) -> NDArray[np.intp]:
    """The cells [m, 2] and the eight around each, every one in four, numbered in halves of the step."""
    around = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    wider = np.unique((cells[:, None, :] + around).reshape(-1, 2), axis=0)
    quarters = np.array([(i, j) for i in (0, 1) for j in (0, 1)])
    return (2 * wider[:, None, :] + quarters).reshape(-1, 2)


def mean_by_hermite(g: Callable[[Array], Array], loc: Array, scale: Array, order: int = 64) -> float:
    """E_q[g(z)] for q = N(loc, diag scale²) by Gauss–Hermite nodes, order^d of them. loc, scale [d], d small."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return _mean(g, loc, scale, nodes, weights)


def mean_by_lattice(g: Callable[[Array], Array], loc: Array, scale: Array) -> float:
    """E_q[g(z)] by even steps out to 7σ, with a node on the mean itself; halved until that moves nothing."""
    step, mean = 0.5, np.inf
    while True:
        nodes = np.arange(-7, 7 + step / 2, step)
        coarser, mean = mean, _mean(g, loc, scale, nodes, np.exp(-(nodes**2) / 2))
        if abs(mean - coarser) < _SETTLED or step <= _FINEST:
            return mean
        step /= 2


def _mean(g: Callable[[Array], Array], loc: Array, scale: Array, nodes: Array, weights: Array) -> float:
    mesh = np.meshgrid(*[nodes] * len(loc), indexing="ij")
    w = np.prod(np.meshgrid(*[weights] * len(loc), indexing="ij"), axis=0).ravel()
    z = loc + scale * np.stack([m.ravel() for m in mesh], axis=-1)
    return float(w @ g(z) / w.sum())


def kl_to_prior(loc: Array, scale: Array) -> Array:
    """∫ q log(q / p) dz_j for each j: q = N(loc_j, scale_j²), p = N(0, 1), by a sum over an even lattice. [d] → [d]."""
    noise = np.linspace(-10, 10, 401)
    weights = np.exp(-(noise**2) / 2)
    z = loc[:, None] + scale[:, None] * noise
    log_ratio = (z**2 - noise**2) / 2 - np.log(scale)[:, None]
    return log_ratio @ weights / weights.sum()


def effective_sample_size(log_w: Array) -> float:
    """1 / Σ w̃² with w̃ = w / Σ w, the sums by np.logaddexp."""
    return float(np.exp(-np.logaddexp.reduce(2 * (log_w - np.logaddexp.reduce(log_w)))))


def log_mean(log_w: Array) -> tuple[float, float]:
    """log of the mean of w, and its standard error from the spread of 20 groups' means."""
    log_groups = np.array([np.logaddexp.reduce(group) - np.log(len(group)) for group in np.array_split(log_w, 20)])
    value = float(np.logaddexp.reduce(log_w) - np.log(len(log_w)))
    return value, float(np.exp(log_groups - value).std(ddof=1) / np.sqrt(20))


def grey_log_mass(logits: NDArray) -> float:
    """Σ_i log ∫₀¹ exp(x l_i) / (1 + exp(l_i)) dx by 96 Gauss–Legendre nodes, for |l| up to 150. [pixels] → nats."""
    nodes, weights = np.polynomial.legendre.leggauss(96)
    x, size = (nodes + 1) / 2, np.abs(np.asarray(logits, np.float64))  # the integral is even in l
    integrals = np.exp(-np.outer(size, x)) @ (weights / 2)
    return float((np.log(integrals) - np.log1p(np.exp(-size))).sum())


def entropy(logits: NDArray) -> float:
    """Σ_i −λ log λ − (1 − λ) log(1 − λ), λ = 1 / (1 + exp(−l_i)): that of independent coins. [pixels] → nats."""
    odds = np.exp(-np.abs(np.asarray(logits, np.float64)))
    rare, common = odds / (1 + odds), 1 / (1 + odds)
    return float(-(rare * np.log(np.maximum(rare, 1e-300)) + common * np.log(common)).sum())


def disjoint(centres: Array, widths: Array) -> float:
    """How many squares there are, each centre counted by one part in as many as it lies in: less where they overlap."""
    inside = np.abs(centres[:, None, :] - centres).max(axis=-1) < widths / 2
    return float((1 / inside.sum(axis=1)).sum())


def mixture_log_density(z: Array, components: Sequence[tuple[Array, Array]]) -> Array:
    """log of the mean of normals (loc, scale) [d] each. [m, d] → [m]."""
    total = np.full(len(z), -np.inf)
    for loc, scale in components:
        total = np.logaddexp(total, log_normal(z, loc, scale))
    return total - np.log(len(components))


def log10_of(whole: int) -> float:
    """log₁₀ of a whole number of any size, from its decimal digits."""
    text = str(whole)
    return math.log10(int(text[:16])) + max(len(text) - 16, 0)


def count_weights(onnx: bytes) -> int:
    """The numbers of all floating-point tensors in a network's file, counted from their shapes.

    Reads protobuf: ModelProto.graph is field 7, GraphProto.initializer 5, TensorProto.dims 1 and data_type 2 (1 for
    float32, 10 for float16). Source: onnx.proto3.
    """
    graphs = [value for field, value in _fields(onnx) if field == 7]
    tensors = [list(_fields(tensor)) for graph in graphs for field, tensor in _fields(graph) if field == 5]
    floats = [tensor for tensor in tensors if (2, 1) in tensor or (2, 10) in tensor]
    return sum(math.prod(size for field, size in tensor if field == 1) for tensor in floats)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a protobuf message: whole numbers, or bytes."""
    at = 0

    def whole() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        field, kind = divmod(whole(), 8)
        if kind == 0:
            yield field, whole()
        else:
            length = whole() if kind == 2 else {1: 8, 5: 4}[kind]
            at += length
            yield field, message[at - length : at]
