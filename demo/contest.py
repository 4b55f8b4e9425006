"""Beat the encoder: the best q(z|x) = N(loc, diag σ²) for one x, and the two parts of the encoder's gap.

Knows nothing of encoders, files, ONNX or pages: the decoder is a function, and gives no gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from demo.densities import LOG_2PI, Array
from demo.evidence import Decode, Elbo, elbo, log_joint
from demo.integrate import AdaptiveIntegral, gauss_hermite

Start = tuple[ArrayLike, ArrayLike]  # loc [d] and log_scale [d] of a q

ORDERS = (12, 20, 32, 48, 72)  # of the Gauss–Hermite rule, each taken only where the one before has not settled
AGREEMENT = 1e-4  # nats between two orders, or still to be gained, below which a rule has settled
LOC_LIMIT, LOG_SCALE_LIMITS = 12.0, (-12.0, 2.0)  # a start beyond them is drawn back to them
LOC_STEP, LOG_SCALE_STEP = 3.0, 1.0  # a longer step, in σ and in log σ, leaves what the nodes have seen


@dataclass(frozen=True)
class Fit:
    """The best q found, loc and log_scale [d], its bound in nats, and what finding it took, over all starts."""

    loc: Array
    log_scale: Array
    elbo: Elbo
    iterations: int
    decodings: int


@dataclass(frozen=True)
class Gaps:
    """log p(x), the bound of the best q of the family, L[q*], and that of the encoder's q, L[q]; all in nats.

    log p(x) − L[q] = approximation + amortisation. Source: Cremer, Li and Duvenaud 2018.
    """

    log_p_x: float
    best: float
    encoder: float

    @property
    def approximation(self) -> float:
        """log p(x) − L[q*] = D_KL[q* ‖ p(z|x)]: no normal with axes along z fits the posterior better."""
        return self.log_p_x - self.best

    @property
    def amortisation(self) -> float:
        """L[q*] − L[q]: what the encoder loses, since one network must serve every x at once."""
        return self.best - self.encoder


def best_q(
    decode: Decode, x: NDArray, starts: Sequence[Start], *, tolerance: float = 1e-6, max_iterations: int = 60
) -> Fit:
    """The q of the highest ELBO to which Newton's method climbs from any of the starts: a local optimum, and the best
    of all only where a start lies in its basin (the posterior's modes, see `mode_starts`).

    From each start until a step promises less than `tolerance` nats, or after `max_iterations`. What is reached is
    scored by evidence.elbo beside the starts themselves, and the highest wins: never below any start. d small.
    Raises ValueError for no start, or one that is not finite.
    """
    if not starts:
        raise ValueError("best_q needs at least one start")
    counted = _Counted(decode)
    within = [_drawn_back(start) for start in starts]
    climbs = [_climb(counted, x, *start, tolerance, max_iterations) for start in within]
    rivals = [*((point.loc, point.log_scale) for point, _ in climbs), *within]
    scored = [(elbo(counted, x, *q), q) for q in rivals]
    bound, (loc, log_scale) = max(scored, key=lambda pair: np.nan_to_num(pair[0].value, nan=-np.inf))
    return Fit(loc, log_scale, bound, sum(iterations for _, iterations in climbs), counted.decodings)


def mode_starts(integral: AdaptiveIntegral, n: int = 3) -> list[tuple[Array, Array]]:
    """A q at each of the posterior's heaviest modes, `n` at most, from the squares of log p(x)'s integral in the plane.

    Each square belongs to the peak that is reached by always going to the densest square that touches. The mass
    around a peak has a mean, which is loc, and a covariance C; σ_j² = 1 / (C⁻¹)_jj is the best factorised normal where
    that mass is normal (Bishop 2006, equation 10.12). A mode within two σ of a heavier one counts as the same, and
    one of less than a thousandth of the mass is left out: in there no bound passes log p(x) + log(1/1000).
    """
    cells = integral.cells[np.argsort(-integral.cells.log_mass)[:_MOST_CELLS]]
    peak = _peaks(cells.centres, cells.widths, cells.log_mass - 2 * np.log(cells.widths))
    share = np.exp(cells.log_mass - integral.value)
    mass = np.bincount(peak, weights=share, minlength=len(peak))
    starts: list[tuple[Array, Array]] = []
    for mode in np.argsort(-mass):
        if len(starts) == n or mass[mode] < _LEAST_SHARE:
            break
        mine = peak == mode
        loc, log_scale = _factorised(cells.centres[mine], cells.widths[mine], share[mine] / mass[mode])
        if all(np.abs((loc - other) / np.exp(scale)).max() > 2 for other, scale in starts):
            starts.append((loc, log_scale))
    return starts


_MOST_CELLS = 1024  # each is compared with each
_LEAST_SHARE = 1e-3


def _peaks(centres: Array, widths: Array, log_density: Array) -> NDArray[np.intp]:
    """For each square the index of the peak above it. Shapes: [m, 2], [m], [m] → [m]."""
    reach = 0.5 * (widths[:, None] + widths) * (1 + 1e-6)
    touching = np.abs(centres[:, None, 0] - centres[:, 0]) <= reach
    touching &= np.abs(centres[:, None, 1] - centres[:, 1]) <= reach
    up = np.where(touching, log_density, -np.inf).argmax(axis=1)
    while (up[up] != up).any():
        up = up[up]
    return up


def _factorised(centres: Array, widths: Array, share: Array) -> tuple[Array, Array]:
    """loc and log_scale of the best factorised normal for a normal of this mass; shares [m] sum to 1."""
    loc = share @ centres
    away = centres - loc
    covariance = (share[:, None] * away).T @ away + np.eye(2) * (share @ widths**2) / 12
    return loc, -0.5 * np.log(np.diag(np.linalg.inv(covariance)))


class _Counted:
    """A decoder that counts the rows it is given."""

    def __init__(self, decode: Decode) -> None:
        self.decode, self.decodings = decode, 0

    def __call__(self, z: Array) -> NDArray:
        self.decodings += len(z)
        return self.decode(z)


def _drawn_back(start: Start) -> tuple[Array, Array]:
    loc, log_scale = (np.array(part, np.float64) for part in start)
    if not (np.isfinite(loc).all() and np.isfinite(log_scale).all()):
        raise ValueError(f"a start must be finite, and is loc {loc}, log_scale {log_scale}")
    return np.clip(loc, -LOC_LIMIT, LOC_LIMIT), np.clip(log_scale, *LOG_SCALE_LIMITS)


@dataclass(frozen=True)
class _Point:
    """A q, its bound, and the bound's derivatives in (Δloc / σ, Δlog σ) by one rule: gradient [2d], hessian [2d, 2d].

    With f(z) = log p(x, z) and z = loc + σ ε, integration by parts moves every derivative of E[f] from f to the
    normal density, where it is a Hermite polynomial (Stein's lemma; Price 1958): in units of σ, ∂/∂loc_j brings
    He₁(ε_j) into the expectation, and since the density solves the heat equation, ∂/∂log σ_j = σ_j² ∂²/∂loc_j²
    brings He₂(ε_j). Twice ∂/∂log σ_j is He₄ + 2 He₂ of ε_j, the latter because σ_j² is differentiated too.
    """

    loc: Array
    log_scale: Array
    bound: float
    gradient: Array
    hessian: Array

    @classmethod
    def at(cls, decode: Decode, x: NDArray, loc: Array, log_scale: Array, order: int) -> _Point:
        """ELBO = E_q[log p(x, z)] + Σ_j log σ_j + (d/2) log 2πe, by order^d decodings."""
        d = len(loc)
        noise, weights = gauss_hermite(order, d)
        f = log_joint(decode, x, loc + np.exp(log_scale) * noise)
        mean = float(weights @ f)
        wf = weights * (f - mean)  # every polynomial below has the mean 0: the same, with less to cancel
        he1, he2 = noise, noise**2 - 1
        he3, he4 = noise**3 - 3 * noise, noise**4 - 6 * noise**2 + 3
        locs, mixed, scales = ((left.T * wf) @ right for left, right in ((he1, he1), (he1, he2), (he2, he2)))
        np.fill_diagonal(locs, wf @ he2)
        np.fill_diagonal(mixed, wf @ he3)
        np.fill_diagonal(scales, wf @ (he4 + 2 * he2))
        bound = mean + float(log_scale.sum()) + 0.5 * d * (LOG_2PI + 1)
        gradient = np.concatenate([wf @ he1, wf @ he2 + 1])
        return cls(loc, log_scale, bound, gradient, np.block([[locs, mixed], [mixed.T, scales]]))

    def step(self) -> Array:
        """Newton's step [2d], uphill also where the bound is not concave: each curvature's size counts, not its sign
        (Dauphin et al. 2014). Shortened to what the rule's nodes have seen."""
        curvature, directions = np.linalg.eigh(-self.hessian)
        step = directions @ ((directions.T @ self.gradient) / np.maximum(np.abs(curvature), 1e-3))
        loc, log_scale = np.abs(step).reshape(2, -1).max(axis=1)
        return step / max(1.0, loc / LOC_STEP, log_scale / LOG_SCALE_STEP)

    def moved(self, step: Array) -> tuple[Array, Array]:
        d = len(self.loc)
        return self.loc + np.exp(self.log_scale) * step[:d], self.log_scale + step[d:]


def _climb(
    decode: Decode, x: NDArray, loc: Array, log_scale: Array, tolerance: float, max_iterations: int
) -> tuple[_Point, int]:
    """The local optimum above a start, and the steps it took. Where the next order of the rule disagrees with what
    one has reached, the climb goes on with that.
    """
    iterations = 0
    point = _Point.at(decode, x, loc, log_scale, ORDERS[0])
    for order, finer in zip(ORDERS, (*ORDERS[1:], ORDERS[-1]), strict=True):
        while iterations < max_iterations and (higher := _higher(decode, x, point, order, tolerance)):
            point, iterations = higher, iterations + 1
        if order == finer:
            break
        coarse, point = point, _Point.at(decode, x, point.loc, point.log_scale, finer)
        if abs(point.bound - coarse.bound) < AGREEMENT and point.gradient @ point.step() < AGREEMENT:
            break
    return point, iterations


def _higher(decode: Decode, x: NDArray, point: _Point, order: int, tolerance: float) -> _Point | None:
    """The point after one step, halved until the bound rises by a share of what the slope promises (Armijo 1966);
    None where the step promises less than the tolerance, or none rises.
    """
    if not np.isfinite(point.hessian).all():
        return None
    step = point.step()
    promise = float(point.gradient @ step)
    for _ in range(8):
        if promise < tolerance:
            return None
        tried = _Point.at(decode, x, *point.moved(step), order)
        if tried.bound >= point.bound + 1e-4 * promise:
            return tried
        step, promise = step / 2, promise / 2
    return None
