"""log p(x), the bound on it and the gap between them, for any decoder given as a function. Knows nothing of files,
ONNX, pages or where an x comes from.

Throughout: z [batch, d], x [pixels] in {0, 1}, `decode(z)` → logits [batch, pixels]; all figures in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.densities import Array, kl_to_prior, log_bernoulli, log_normal, log_standard_normal, sum_softplus
from demo.integrate import (
    AdaptiveIntegral,
    Cells,
    Grid,
    adaptive_integral,
    hermite_rules,
    lattice_rules,
    log_sum_exp,
    settled_mean,
)

Decode = Callable[[Array], NDArray]


_AT_ONCE = 128  # latents that are decoded in one call: 0.4 MB of logits, and no slower than eight times as many
_ROWS = 8  # of the table that are added in float32


@dataclass(frozen=True)
class DecoderTable:
    """What log p(x, z) needs at every node of a grid and does not depend on x, decoded once and shared read-only.

    log p(x, z_g) = x·l_g − Σ_i softplus(l_gi) + log N(z_g; 0, I), linear in x: the rows of the pixels with ink are
    added up. `logits` float32 [pixels, n²], a row a pixel (127 MB for 201² nodes of 784), `log_partition` and
    `log_prior` float64 [n²].
    """

    grid: Grid
    logits: NDArray[np.float32]
    log_partition: Array
    log_prior: Array

    @classmethod
    def build(
        cls, decode: Decode, grid: Grid | None = None, progress: Callable[[float], None] | None = None
    ) -> DecoderTable:
        """Decodes the whole grid in blocks; `progress` is told the share done, 0 to 1."""
        grid = grid or Grid()
        points = grid.points
        blocks = np.array_split(np.arange(len(points)), max(1, len(points) // 2048))
        logits: NDArray[np.float32] | None = None
        log_partition = np.empty(len(points))
        for block in blocks:
            decoded = np.asarray(decode(points[block]), np.float32)
            if logits is None:
                logits = np.empty((decoded.shape[1], len(points)), np.float32)
            logits[:, block] = decoded.T
            log_partition[block] = sum_softplus(decoded)
            if progress is not None:
                progress((block[-1] + 1) / len(points))
        assert logits is not None
        table = cls(grid, logits, log_partition, log_standard_normal(points))
        for array in (table.logits, table.log_partition, table.log_prior):
            array.setflags(write=False)
        return table

    def log_joint(self, x: NDArray) -> Array:
        """log p(x, z_g) at every node, [n²], for x of 0 and 1.

        Rows are added in float32 eight at a time, those sums in float64: 1e-4 nat off at most, and six times as fast
        as the product with the whole table, of which a digit inks an eighth.
        """
        values = self.log_prior - self.log_partition
        inked = np.flatnonzero(x)
        for first in range(0, len(inked), _ROWS):
            values += sum((self.logits[i] for i in inked[first + 1 : first + _ROWS]), self.logits[inked[first]])
        return values


def log_likelihood(decode: Decode, x: NDArray, z: Array) -> Array:
    """log p(x|z), z [m, d] → [m], decoded `_AT_ONCE` at a time: the logits of 8,192 draws would be 26 MB."""
    values = np.empty(len(z))
    for first in range(0, len(z), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        values[part] = log_bernoulli(x, decode(z[part]))
    return values


def log_joint(decode: Decode, x: NDArray, z: Array) -> Array:
    """log p(x, z) = log p(z) + log p(x|z). Shapes: x [pixels], z [m, d] → [m]."""
    return log_standard_normal(z) + log_likelihood(decode, x, z)


def coarse_grids(table: DecoderTable, x: NDArray) -> tuple[NDArray[np.intp], Array]:
    """log p(x) by the midpoint rule on every grid that takes each s-th node of the table, corners and all.

    Returns the nodes a side n, rising from 5 or more to the table's own, and log p(x) in nats; both [grids]. The
    step is s times the table's for each s that divides its n − 1: n = 5 … 201 for 201 nodes. No decodings, and one
    product with the table; biased like any uniform grid whose cells are wider than the posterior.
    """
    n = table.grid.n
    values = table.log_joint(x).reshape(n, n)
    strides = [s for s in range((n - 1) // 4, 0, -1) if (n - 1) % s == 0]
    sums = [log_sum_exp(values[::s, ::s]) + table.grid.log_cell + 2 * np.log(s) for s in strides]
    return np.array([(n - 1) // s + 1 for s in strides], np.intp), np.array(sums, np.float64)


def log_evidence(
    table: DecoderTable, decode: Decode, x: NDArray, *, margin: float = 10.0, order: int = 3, tolerance: float = 1e-3
) -> AdaptiveIntegral:
    """log p(x) = log ∫ p(z) p(x|z) dz in two dimensions, well within 1e-3 nat also where the posterior is a needle.

    A uniform grid alone is nats off, since a trained posterior can be narrower than a cell. So the table only says
    where to look: its cells whose own value or a neighbour's is within `margin` nats of the top, and those in which
    the table's second differences betray a peak between the nodes (`_hidden_peaks`), are integrated from 3 × 3 nodes
    decoded live (see integrate.Cells), quartered where that still moves the result or where the table had promised
    another mass; all other cells keep their midpoint value. Where mass reaches the rim of the chosen cells the next
    ring joins, also beyond the box: of one cell's breadth at first, then of four, to 11 units beyond the standard box
    (a blank sheet's mass goes to 4).
    The result's `error` says by how much, relatively, the last quartering moved it: far more than it is off.
    """
    grid = table.grid
    rest = table.log_joint(x)
    nodes = rest.reshape(grid.n, grid.n).copy()
    least = rest.max() - margin
    near = np.stack(np.divmod(np.flatnonzero(rest > least), grid.n), axis=-1)
    hidden = _hidden_peaks(nodes, least)
    ring = chosen = np.unique(np.concatenate([_with_neighbours(near), hidden]), axis=0)
    cells, moved, evaluations = Cells.none(), -np.inf, 0
    for round_ in range(_MAX_RINGS):
        inside = ring[((ring >= 0) & (ring < grid.n)).all(axis=-1)]
        rest[inside[:, 0] * grid.n + inside[:, 1]] = -np.inf
        integral = adaptive_integral(
            lambda z: log_joint(decode, x, z),
            centres=(ring[:, ::-1] * grid.step - grid.half_width).astype(np.float64),
            widths=np.full(len(ring), grid.step),
            log_rest=float(np.logaddexp(grid.log_integral(rest), log_sum_exp(cells.log_mass))),
            order=order,
            tolerance=tolerance,
            promised=_promised(nodes, ring) + grid.log_cell,
        )
        cells, evaluations = cells + integral.cells, evaluations + integral.evaluations
        moved = np.logaddexp(moved, integral.value + np.log(integral.error)) if integral.error > 0 else moved
        heavy = integral.cells.centres[integral.cells.log_mass > integral.value - margin]
        breadth = 1 if round_ < 3 else 4
        needed = _with_neighbours(np.rint((heavy[:, ::-1] + grid.half_width) / grid.step).astype(int), breadth)
        grown = np.unique(np.concatenate([chosen, needed]), axis=0)
        if len(grown) == len(chosen):
            return AdaptiveIntegral(integral.value, cells, float(np.exp(moved - integral.value)), evaluations)
        ring, chosen = _without(grown, chosen), grown
    return AdaptiveIntegral(integral.value, cells, float("inf"), evaluations)  # mass still leaves: not to be trusted


_MAX_RINGS = 60


_DEEP = 80.0  # nats below the table's top, to which a needle between the nodes is looked for


def _hidden_peaks(log_f: Array, least: float) -> NDArray[np.intp]:
    """Row and column of the cells whose own 3 × 3 nodes promise more than `least` somewhere inside. [n, n] → [m, 2].

    A posterior of a tenth of the table's step in width leaves all nodes 12 nats and more below its peak. But its
    logarithm is smooth, near a parabola: read between the nodes it shows the peak that no node has.
    """
    cells = np.argwhere((log_f <= least) & (log_f > log_f.max() - _DEEP))
    cells = cells[_inner(log_f, cells)]
    return cells[_between(log_f, cells).max(axis=-1, initial=-np.inf) > least]


def _promised(log_f: Array, cells: NDArray[np.intp]) -> Array:
    """Logarithm of the mean of f over each cell, as its 3 × 3 nodes have it; NaN at the rim of the table and beyond.

    Shapes: log_f [n, n], cells [m, 2] as row and column → [m].
    """
    promised = np.full(len(cells), np.nan)
    inner = _inner(log_f, cells)
    values = _between(log_f, cells[inner])
    promised[inner] = log_sum_exp(values, axis=-1) - np.log(values.shape[-1])
    return promised


def _inner(log_f: Array, cells: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which cells have all eight neighbours in the table. [n, n], [m, 2] → [m]."""
    inner = (cells > 0) & (cells < len(log_f) - 1)
    return inner[:, 0] & inner[:, 1]


def _between(log_f: Array, cells: NDArray[np.intp]) -> Array:
    """log f at 5 × 5 points of each cell, middles of a fifth of its side, by the polynomial of second degree in each
    coordinate through the cell's node and its eight neighbours. Shapes: [n, n], [m, 2] → [m, 25].
    """
    rows, columns = cells.T
    patches = np.stack([log_f[rows + i, columns + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=-1)
    t = np.linspace(-0.4, 0.4, 5)
    line = np.stack([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], axis=-1)  # Lagrange's basis on −1, 0, 1
    return np.asarray(patches @ np.kron(line, line).T, np.float64)


def _with_neighbours(cells: NDArray[np.intp], breadth: int = 1) -> NDArray[np.intp]:
    """Row and column of the given cells and of those up to `breadth` away, sorted, each once. [m, 2] → [m', 2]."""
    side = range(-breadth, breadth + 1)
    offsets = np.array([(i, j) for i in side for j in side])
    return np.unique((cells[:, None, :] + offsets).reshape(-1, 2), axis=0)


def _without(cells: NDArray[np.intp], others: NDArray[np.intp]) -> NDArray[np.intp]:
    """The rows of `cells` [m, 2] that are not rows of `others`; both sorted, each row once, others within cells."""
    rows, counts = np.unique(np.concatenate([cells, others]), axis=0, return_counts=True)
    return rows[counts == 1]


@dataclass(frozen=True)
class Elbo:
    """The parts of E_q[log p(x|z)] − D_KL[q(z|x) ‖ p(z)], in nats."""

    reconstruction: float
    kl: float

    @property
    def value(self) -> float:
        return self.reconstruction - self.kl


def elbo(decode: Decode, x: NDArray, loc: Array, log_scale: Array, *, tolerance: float = 2e-5) -> Elbo:
    """The bound with E_q[log p(x|z)] by Gauss–Hermite and the KL in closed form. loc, log_scale [d], d small.

    The order rises until the mean settles within `tolerance` nats (integrate.settled_mean): 20 for a digit, 4608
    (135,000 decodings in all) for a q as wide as a blank sheet deserves. Left out are nodes of 1e-10 of the weight
    together: 1e-6 nat where log p(x|z) is 1e4 nats.
    """
    loc, scale = np.asarray(loc, np.float64), np.exp(np.asarray(log_scale, np.float64))
    reconstruction = settled_mean(
        lambda noise: log_bernoulli(x, decode(loc + scale * noise)), hermite_rules(len(loc)), tolerance
    )
    return Elbo(reconstruction, float(kl_to_prior(loc, log_scale)))


@dataclass(frozen=True)
class Draws:
    """K latents drawn from q = N(loc, diag σ²) for one x, z [K, d], and the three log-densities at each, [K]."""

    z: Array
    log_p_z: Array
    log_p_x_given_z: Array
    log_q_z_given_x: Array

    @property
    def log_w(self) -> Array:
        """log w = log p(x, z) − log q(z|x): its mean estimates the ELBO, the log of w's mean log p(x)."""
        return self.log_p_z + self.log_p_x_given_z - self.log_q_z_given_x


def draw(decode: Decode, x: NDArray, loc: Array, log_scale: Array, n_samples: int, rng: np.random.Generator) -> Draws:
    """z = loc + σ·ε with ε ~ N(0, I). With loc = log_scale = 0 the proposal is the prior. loc, log_scale [d]."""
    loc, log_scale = np.asarray(loc, np.float64), np.asarray(log_scale, np.float64)
    z = loc + np.exp(log_scale) * rng.standard_normal((n_samples, len(loc)))
    return Draws(z, log_standard_normal(z), log_likelihood(decode, x, z), log_normal(z, loc, log_scale))


def elbo_monte_carlo(draws: Draws, loc: Array, log_scale: Array) -> tuple[Elbo, float]:
    """The bound with E_q[log p(x|z)] averaged over draws from q and the closed-form KL; and its standard error."""
    log_p_x_given_z = draws.log_p_x_given_z
    standard_error = float(log_p_x_given_z.std(ddof=1) / np.sqrt(len(log_p_x_given_z)))
    return Elbo(float(log_p_x_given_z.mean()), float(kl_to_prior(loc, log_scale))), standard_error


def kl_to_posterior(
    decode: Decode, x: NDArray, loc: Array, log_scale: Array, log_p_x: float, *, tolerance: float = 2e-5
) -> float:
    """D_KL[q(z|x) ‖ p(z|x)] = ∫ q log(q / p(z|x)) dz in two dimensions, p(z|x) = p(x, z) / p(x).

    Sums over lattices of loc + σ·ε, |ε| ≤ 6.8, their nodes doubling from 145 to at most 149,000 until the mean of
    log q(z|x) − log p(x, z) settles within `tolerance` nats. Shares no node but loc with `elbo` (Gauss–Hermite) or
    `log_evidence`, so that log p(x) − ELBO − KL tests them against each other. loc, log_scale [2].
    """
    loc, log_scale = np.asarray(loc, np.float64), np.asarray(log_scale, np.float64)

    def log_ratio(noise: Array) -> Array:
        log_q = log_standard_normal(noise) - log_scale.sum()
        return log_q - log_joint(decode, x, loc + np.exp(log_scale) * noise)

    return settled_mean(log_ratio, lattice_rules(), tolerance) + log_p_x


@dataclass(frozen=True)
class ImportanceBound:
    """log (1/K) Σ_k w_k, in expectation a lower bound of log p(x) that rises with K (Burda et al. 2016, theorem 1).

    `standard_error` is that of the logarithm to first order, sd(w) / (mean(w) √K); `effective_sample_size` is
    (Σ w)² / Σ w²: far below K, both figures are not to be trusted.
    """

    value: float
    standard_error: float
    effective_sample_size: float
    n_samples: int


def importance_bound(draws: Draws) -> ImportanceBound:
    """Estimates log p(x) from draws of q, K ≥ 2; draws of the prior make it plain Monte Carlo, with w = p(x|z)."""
    log_w = draws.log_w
    value = float(log_sum_exp(log_w) - np.log(len(log_w)))
    w = np.exp(log_w - value)
    return ImportanceBound(
        value=value,
        standard_error=float(w.std(ddof=1) / np.sqrt(len(w))),
        effective_sample_size=float(w.sum() ** 2 / (w**2).sum()),
        n_samples=len(w),
    )


@dataclass(frozen=True)
class Account:
    """log p(x) = ELBO + KL(q ‖ p(z|x)) for one x, each term by a rule of its own, in nats."""

    evidence: AdaptiveIntegral
    elbo: Elbo
    gap: float

    @property
    def log_p_x(self) -> float:
        return self.evidence.value

    @property
    def residual(self) -> float:
        """What is left of the identity: log p(x) − ELBO − KL(q ‖ p(z|x)); zero but for the rules' errors."""
        return self.log_p_x - self.elbo.value - self.gap


def account(table: DecoderTable, decode: Decode, x: NDArray, loc: Array, log_scale: Array) -> Account:
    """All three terms of the identity for one x in two dimensions. loc, log_scale [2] of q(z|x)."""
    evidence = log_evidence(table, decode, x)
    return Account(
        evidence=evidence,
        elbo=elbo(decode, x, loc, log_scale),
        gap=kl_to_posterior(decode, x, loc, log_scale, evidence.value),
    )


@dataclass(frozen=True)
class Window:
    """log p(z|x) on a square of the plane that holds the posterior and q: axes [n] each, values [n, n] (row = z₂)."""

    axis1: Array
    axis2: Array
    log_posterior: Array


def posterior_window(
    decode: Decode, x: NDArray, exact: Account, loc: Array, log_scale: Array, *, n: int = 61, margin: float = 7.0
) -> Window:
    """log p(z|x) = log p(x, z) − log p(x) where it matters: the square around the cells of more than exp(−margin)
    of the posterior's mass and around q's 3σ box. loc, log_scale [2]; n² decodings.
    """
    cells = exact.evidence.cells
    heavy = cells.log_mass > exact.log_p_x - margin
    half = cells.widths[heavy, None] / 2
    reach = 3 * np.exp(np.asarray(log_scale, np.float64))
    low = np.minimum((cells.centres[heavy] - half).min(axis=0), loc - reach)
    high = np.maximum((cells.centres[heavy] + half).max(axis=0), loc + reach)
    centre, half_width = (low + high) / 2, (high - low).max() / 2 * 1.05
    axis = np.linspace(-half_width, half_width, n)
    axis1, axis2 = centre[0] + axis, centre[1] + axis
    z2, z1 = np.meshgrid(axis2, axis1, indexing="ij")
    log_joint_values = log_joint(decode, x, np.stack([z1.ravel(), z2.ravel()], axis=-1))
    return Window(axis1, axis2, log_joint_values.reshape(n, n) - exact.log_p_x)
