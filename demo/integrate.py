"""Quadrature of functions given by their logarithm. Knows nothing of models, images or what is being integrated."""

from __future__ import annotations

from collections.abc import Callable
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


def gauss_hermite(order: int, d: int) -> tuple[Array, Array]:
    """Nodes [order^d, d] and weights [order^d] with Σ w g(node) = E[g(ε)], ε ~ N(0, I), exact for polynomials
    of degree below 2·order in each coordinate. Source: Abramowitz and Stegun 25.4.46, rescaled to the normal density.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return _tensor(nodes, weights / np.sqrt(2 * np.pi), d)


def gauss_legendre(order: int, d: int) -> tuple[Array, Array]:
    """Nodes [order^d, d] in [−½, ½]^d and weights [order^d] that sum to 1: the mean over a unit cell.

    Exact for polynomials of degree below 2·order in each coordinate. Source: Abramowitz and Stegun 25.4.29.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return _tensor(nodes / 2, weights / 2, d)


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
) -> AdaptiveIntegral:
    """log(∫ f over the given squares + exp(log_rest)), by a rule on squares that quarter where it matters.

    First the squares that hold more than 1e-2 of the total are quartered, and the heaviest whatever it holds. Unless
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
