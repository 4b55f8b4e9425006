"""Quadrature of functions given by their logarithm. Knows nothing of models, images or what is being integrated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LogFunction = Callable[[Array], Array]  # points [m, d] → log f [m]


def log_sum_exp(a: ArrayLike, axis: int | None = None) -> Array:
    """log Σ exp(a) along `axis` (all entries if None), without overflow; −∞ where every entry is, or there is none."""
    a = np.asarray(a, np.float64)
    top = np.max(a, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def log_integral(log_f: ArrayLike, weights: ArrayLike) -> Array:
    """log Σ_k w_k f(z_k) for a rule with positive weights. Shapes: log_f [..., m], weights [m] → [...]."""
    return log_sum_exp(np.asarray(log_f, np.float64) + np.log(np.asarray(weights, np.float64)), axis=-1)


def gauss_hermite(order: int, d: int, *, negligible: float = 0.0) -> tuple[Array, Array]:
    """Nodes [m, d] and weights [m] with Σ w g(node) = E[g(ε)], ε ~ N(0, I), exact for polynomials of degree below
    2·order in each coordinate. Source: Abramowitz and Stegun 25.4.46, rescaled to the normal density.

    Of the order^d nodes of the product rule those are left out that are lightest and together weigh at most
    `negligible`: an error of at most negligible · max |g|. They are most nodes: a product rule reaches to ±2√order
    a side, and 1 − 1e-10 of the plane's normal density lies within 6.8.
    """
    nodes, weights = _hermite_line(order)
    return _without_lightest(*_tensor(nodes, weights, d), negligible)


_NEWTON = 100  # orders to which numpy's own rule is tested
_REACH = 9.0  # beyond it lies 2e-19 of a normal density


@lru_cache(maxsize=32)
def _hermite_line(order: int) -> tuple[Array, Array]:
    """The rule on a line, read-only; of orders above 100 only the nodes within ±9, the others weigh 2e-19 together.

    With h_k the Hermite polynomials orthonormal under N(0, 1), h_n = (x h_{n−1} − √(n−1) h_{n−2}) / √n: the nodes are
    the zeros of h_n, by Newton's method with h_n' = √n h_{n−1}, and the weights 1 / (n h_{n−1}²). It starts where the
    phase ∫₀ˣ √(n + ½ − t²/4) dt of h_n exp(−x²/4) is a multiple of π (less π/2 for an even n), within 1e-4 of a step.
    """
    if order <= _NEWTON:
        nodes, weights = np.polynomial.hermite_e.hermegauss(order)
        weights = weights / np.sqrt(2 * np.pi)
    else:
        x = np.linspace(-_REACH, _REACH, 4001)
        turning = 2 * np.sqrt(order + 0.5)
        phase = (order + 0.5) * (np.arcsin(x / turning) + x / turning * np.sqrt(1 - (x / turning) ** 2))
        offset = 0.0 if order % 2 else 0.5
        multiples = np.arange(np.ceil(phase[0] / np.pi - offset), np.floor(phase[-1] / np.pi - offset) + 1)
        nodes = np.interp(np.pi * (multiples + offset), phase, x)
        for _ in range(3):
            before, last = _orthonormal_hermite(order, nodes)
            nodes = nodes - last / (np.sqrt(order) * before)
        weights = 1 / (order * _orthonormal_hermite(order, nodes)[0] ** 2)
    for array in (nodes, weights):
        array.setflags(write=False)
    return nodes, weights


def _orthonormal_hermite(order: int, x: Array) -> tuple[Array, Array]:
    """h_{order−1}(x) and h_order(x), by their recurrence; |x| ≤ 9 keeps them below exp(x²/4) = 6e8."""
    before, last = np.zeros_like(x), np.ones_like(x)
    for k in range(1, order + 1):
        before, last = last, (x * last - np.sqrt(k - 1) * before) / np.sqrt(k)
    return before, last


def _without_lightest(nodes: Array, weights: Array, negligible: float) -> tuple[Array, Array]:
    """The rule less its lightest nodes, of `negligible` weight together. Shapes: [m, d], [m] → [m', d], [m']."""
    if negligible <= 0:
        return nodes, weights
    lightest = np.argsort(weights)
    kept = np.sort(lightest[np.cumsum(weights[lightest]) > negligible])
    return nodes[kept], weights[kept]


@dataclass(frozen=True)
class Refinement:
    """One step to a finer rule: new mean = kept · old mean + Σ w g(node). Nodes [m, d], weights [m]."""

    kept: float
    nodes: Array
    weights: Array


HERMITE_ORDERS = (8, 12, 20, 36, 72, 144, 288, 576, 1152, 2304, 4608)


def hermite_rules(d: int, negligible: float = 1e-10) -> Iterator[Refinement]:
    """Gauss–Hermite of rising order for means under N(0, I) in few dimensions; no rule has nodes of another."""
    for order in HERMITE_ORDERS:
        yield Refinement(0.0, *gauss_hermite(order, d, negligible=negligible))


def lattice_rules(reach: float = 6.8, step: float = 1.0, doublings: int = 10) -> Iterator[Refinement]:
    """Means under N(0, I) in the plane by sums over square lattices, each the last one and as many nodes between.

    The nodes in the middle of the squares come first, which makes a lattice of step/√2 on its corner, then those on
    the squares' sides, which makes one of step/2; all within `reach` of the origin, where all but exp(−reach²/2) =
    1e-10 of the density lies. For a smooth g the error falls like exp(−2π²/step²) (the trapezoidal rule).
    The lattices are turned by an eighth of π: upright, the second and third have the same rows, and so agree on any g
    of one coordinate, however wrong; likewise the first and second on any g of z₁ ± z₂.
    """
    yield _lattice(step, ((0.0, 0.0),), reach, kept=0.0)
    for doubling in range(doublings):
        if doubling % 2 == 0:
            yield _lattice(step, ((0.5, 0.5),), reach, kept=0.5)
        else:
            yield _lattice(step, ((0.5, 0.0), (0.0, 0.5)), reach, kept=0.5)
            step /= 2


_TURN = np.array([[np.cos(np.pi / 8), np.sin(np.pi / 8)], [-np.sin(np.pi / 8), np.cos(np.pi / 8)]])


def _lattice(step: float, offsets: tuple[tuple[float, float], ...], reach: float, kept: float) -> Refinement:
    """Square lattices of one step, shifted by shares of it, as (1 − kept) of a mean under N(0, I)."""
    side = np.arange(-np.ceil(reach / step) - 1, np.ceil(reach / step) + 2)
    nodes = step * np.concatenate(
        [np.stack(np.meshgrid(side + a, side + b), axis=-1).reshape(-1, 2) for a, b in offsets]
    )
    nodes = nodes @ _TURN
    square = (nodes**2).sum(axis=-1)
    nodes, square = nodes[square <= reach**2], square[square <= reach**2]
    share = (1 - kept) / len(offsets)
    return Refinement(kept, nodes, share * step**2 / (2 * np.pi) * np.exp(-square / 2))


_ROUNDOFF = 2.0**-24  # of float32, in which decoders compute: the relative error of a value of log p(x|z)
_RELATIVE = 4e-9  # of means beyond 5000 nats no more is asked: their roundings are larger than any tolerance in nats
_NEARLY = 50  # tolerances within which the rule before must have come
_BLOCK = 128  # nodes a call: 784 float32 a node, 0.4 MB


def settled_mean(g: LogFunction, rules: Iterator[Refinement], tolerance: float) -> float:
    """E[g(ε)] by the first rule that moves the mean by less than `tolerance`, or by the last; g: [m, d] → [m].

    Two rules can agree by chance where g is rough, both ten tolerances off and more: so the rule before must have
    moved the mean by less than 50 tolerances, which costs little as long as the first rule is cheap. They can also
    where g carries float32 roundings, of some 2^−24 of its value and independent from node to node: so their standard
    deviation in the mean, 2^−24 |mean| √Σ w², must lie below `tolerance` too. From 5000 on, 4e-9 of the mean stands
    for the tolerance.
    """
    mean, squares, moved = np.inf, 0.0, np.inf
    for rule in rules:
        blocks = np.array_split(np.arange(len(rule.weights)), len(rule.weights) // _BLOCK + 1)
        coarser, mean = mean, rule.kept * mean if rule.kept else 0.0
        mean += sum(float(rule.weights[block] @ g(rule.nodes[block])) for block in blocks)
        squares = rule.kept**2 * squares + float((rule.weights**2).sum())
        asked = max(tolerance, _RELATIVE * abs(mean))
        before, moved = moved, abs(mean - coarser)
        if moved < asked and before < _NEARLY * asked and _ROUNDOFF * abs(mean) * np.sqrt(squares) < asked:
            break
    return mean


@lru_cache(maxsize=32)
def gauss_legendre(order: int, d: int) -> tuple[Array, Array]:
    """Nodes [order^d, d] in [−½, ½]^d and weights [order^d] that sum to 1: the mean over a unit cell, read-only.

    Exact for polynomials of degree below 2·order in each coordinate. Source: Abramowitz and Stegun 25.4.29.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    rule = _tensor(nodes / 2, weights / 2, d)
    for array in rule:
        array.setflags(write=False)
    return rule


def _tensor(nodes: Array, weights: Array, d: int) -> tuple[Array, Array]:
    mesh = np.meshgrid(*([nodes] * d), indexing="ij")
    product = np.ones(())
    for _ in range(d):
        product = np.multiply.outer(product, weights)
    return np.stack([m.ravel() for m in mesh], axis=-1), product.ravel()


@dataclass(frozen=True)
class Grid:
    """Square cells of one width tiling a box of the plane; `axis` [n] holds the cells' centres along either side.

    Points are ordered with z₁ changing fastest: values.reshape(n, n)[i, j] lies at z₂ = axis[i], z₁ = axis[j].
    """

    half_width: float = 5.0
    n: int = 201

    @property
    def axis(self) -> Array:
        return np.linspace(-self.half_width, self.half_width, self.n)

    @property
    def step(self) -> float:
        return 2 * self.half_width / (self.n - 1)

    @property
    def points(self) -> Array:
        """[n², 2]."""
        z2, z1 = np.meshgrid(self.axis, self.axis, indexing="ij")
        return np.stack([z1.ravel(), z2.ravel()], axis=-1)

    @property
    def log_cell(self) -> float:
        """Logarithm of the area of a cell."""
        return 2 * float(np.log(self.step))

    def log_integral(self, log_f: ArrayLike) -> Array:
        """Midpoint rule: log Σ_g f(z_g) h². Shapes: [..., n²] → [...]."""
        return log_sum_exp(log_f, axis=-1) + self.log_cell


_FINE = 16


@lru_cache(maxsize=16)
def _interpolation(order: int) -> Array:
    """[_FINE², order²]: values at the Gauss–Legendre nodes of the one rule → the polynomial's at those of the other."""
    coarse, fine = (np.polynomial.legendre.leggauss(n)[0] for n in (order, _FINE))
    basis = np.polynomial.legendre.legvander
    matrix: Array = basis(fine, order - 1) @ np.linalg.inv(basis(coarse, order - 1))
    both = np.asarray(np.kron(matrix, matrix), np.float64)
    both.setflags(write=False)
    return both


@dataclass(frozen=True)
class Cells:
    """Squares with centres [m, 2], widths [m] and the logarithm of ∫ f over each, `log_mass` [m]."""

    centres: Array
    widths: Array
    log_mass: Array

    def __len__(self) -> int:
        return len(self.widths)

    def __getitem__(self, index: NDArray) -> Cells:
        return Cells(self.centres[index], self.widths[index], self.log_mass[index])

    def __add__(self, other: Cells) -> Cells:
        return Cells(*(np.concatenate(pair) for pair in zip(self._parts(), other._parts(), strict=True)))

    def _parts(self) -> tuple[Array, Array, Array]:
        return self.centres, self.widths, self.log_mass

    @classmethod
    def none(cls) -> Cells:
        return cls(np.empty((0, 2)), np.empty(0), np.empty(0))

    @classmethod
    def integrate(cls, log_f: LogFunction, centres: Array, widths: Array, order: int) -> Cells:
        """∫ f over each square, f = exp of the polynomial through log f at order × order Gauss–Legendre nodes.

        Where log f is smooth and f a needle, that takes far fewer evaluations than a rule on f itself: a normal
        density, however narrow, is met exactly by three nodes a side. The exponential of the polynomial is integrated
        on 16 × 16 nodes of its own, which cost no evaluation of f.
        """
        nodes, _ = gauss_legendre(order, 2)
        points = centres[:, None, :] + widths[:, None, None] * nodes
        values = log_f(points.reshape(-1, 2)).reshape(len(centres), len(nodes))
        _, weights = gauss_legendre(_FINE, 2)
        return cls(centres, widths, log_integral(values @ _interpolation(order).T, weights) + 2 * np.log(widths))

    def quarters(self) -> tuple[Array, Array]:
        """Centres [4m, 2] and widths [4m] of the four quarters of each square, a square's own four together."""
        offsets = np.array([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]])
        centres = self.centres[:, None, :] + self.widths[:, None, None] * offsets
        return centres.reshape(-1, 2), np.repeat(self.widths / 2, 4)


@dataclass(frozen=True)
class AdaptiveIntegral:
    """log ∫ f, the squares it was summed over, the relative change at the last refinement, and the points evaluated.

    `error` is what the last round of quartering moved, square by square, as a share of ∫ f: a cautious
    measure, since the quarters are far more accurate than the squares they replace. Near zero it is also the error
    of log ∫ f in nats. It is blind to what falls between all nodes of a square: ridges thinner than about a
    twentieth of its width.
    """

    value: float
    cells: Cells
    error: float
    evaluations: int


def adaptive_integral(
    log_f: LogFunction,
    centres: Array,
    widths: Array,
    *,
    log_rest: float = -np.inf,
    order: int = 3,
    tolerance: float = 1e-3,
    max_rounds: int = 8,
    promised: Array | None = None,
) -> AdaptiveIntegral:
    """log(∫ f over the given squares + exp(log_rest)), by a rule on squares that quarter where it matters.

    First the squares that hold more than 1e-2 of the total are quartered, the heaviest whatever it holds, and those
    whose log ∫ f was `promised` [m] otherwise, by more than `tolerance` of the total (NaN: nothing was). Unless
    that moves the tested mass by less than `tolerance`, every square of more than `tolerance`/10 of the total
    follows that was never tested or whose last quartering moved the total by more than `tolerance`/10, until a round
    moves it by less than `tolerance` or `max_rounds` is reached. Shapes: centres [m, 2], widths [m].
    """
    settled = Cells.integrate(log_f, centres, widths, order)
    evaluations = len(settled) * order**2
    open_cells = np.ones(len(settled), bool)  # never tested, or moved when they were
    error = np.inf
    for round_ in range(max_rounds):
        total = np.logaddexp(log_sum_exp(settled.log_mass), log_rest)
        share = np.exp(settled.log_mass - total)
        split = open_cells & (share >= (min(1e-2, share.max()) if round_ == 0 else tolerance / 10))
        if round_ == 0 and promised is not None:
            split |= np.abs(np.exp(promised - total) - share) > tolerance
        if not split.any():
            break
        parents = settled[split]
        quarters = Cells.integrate(log_f, *parents.quarters(), order)
        evaluations += len(quarters) * order**2
        settled = settled[~split] + quarters
        larger = max(total, np.logaddexp(log_sum_exp(settled.log_mass), log_rest))  # a needle can appear, or go
        after = np.exp(log_sum_exp(quarters.log_mass.reshape(-1, 4), axis=-1) - larger)
        change = np.abs(after - np.exp(parents.log_mass - larger))
        untested = share.sum() / share[split].sum() if round_ == 0 else 1.0  # the first round stands for all squares
        error = float(change.sum() * untested)
        if error < tolerance:
            break
        open_cells = np.concatenate([open_cells[~split], np.repeat(change > tolerance / 10, 4)])
    value = float(np.logaddexp(log_sum_exp(settled.log_mass), log_rest))
    return AdaptiveIntegral(value, settled, error, evaluations)
