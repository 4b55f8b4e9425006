"""The rules inside log p(x), the bound and the window, where a slip would show; the whole is in test_evidence.

`Spots` is a decoder of one pixel whose evidence has a closed form, whatever needles, hills and floor its posterior has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from demo import evidence
from demo.evidence import (
    Account,
    DecoderTable,
    Elbo,
    account,
    coarse_grids,
    draw,
    elbo,
    kl_to_posterior,
    log_evidence,
    log_joint,
    posterior_window,
)
from demo.integrate import AdaptiveIntegral, Cells, Grid

Decode = Callable[[NDArray], NDArray]
Place = tuple[float, float]

INK = np.ones(1, np.uint8)


def logit(log_p: NDArray) -> NDArray:
    """The logits of one pixel of chance p. [m] → [m, 1]."""
    log_p = np.maximum(log_p, -3000.0)
    return (log_p - np.log1p(-np.exp(log_p)))[:, None]


@dataclass(frozen=True)
class Spots:
    """One pixel, inked with the chance floor + Σ_k h_k exp(−|z − m_k|²/2s_k²), for k = (m, s, h)."""

    spots: tuple[tuple[Place, float, float], ...]
    floor: float = 0.0

    def __call__(self, z: NDArray) -> NDArray:
        z = np.asarray(z, np.float64)
        terms = [np.log(h) - ((z - m) ** 2).sum(axis=1) / (2 * s**2) for m, s, h in self.spots]
        with np.errstate(divide="ignore"):
            terms.append(np.full(len(z), np.log(self.floor)))
        return logit(special.logsumexp(terms, axis=0))

    @property
    def log_evidence(self) -> float:
        """∫ N(z; 0, I) f(z) dz: a product of normals is a normal."""
        with np.errstate(divide="ignore"):
            terms = [np.log(self.floor)]
        for m, s, h in self.spots:
            terms.append(np.log(2 * np.pi * s**2 * h) + stats.norm.logpdf(m, 0, np.hypot(1, s)).sum())
        return float(special.logsumexp(terms))


@functools.cache
def table_of(decode: Decode, grid: Grid = Grid()) -> DecoderTable:  # noqa: B008
    return DecoderTable.build(decode, grid)


def asked_of(decode: Decode) -> tuple[Decode, list[NDArray]]:
    """The decoder, and where it is asked, one array a call."""
    calls: list[NDArray] = []

    def noted(z: NDArray) -> NDArray:
        calls.append(z)
        return decode(z)

    return noted, calls


FAR = Spots((((-5.0, 1.0), 0.03, 0.9),), floor=3e-11)
RIMS = [Spots((((a, b), 0.15, 0.9),)) for a, b in ((-2.0, 1.0), (0.7, -2.0), (2.0, 0.3), (-0.4, 2.0), (2.0, 2.0))]


@pytest.mark.parametrize(
    ("spots", "grid"),
    [
        (Spots((((0.0, 0.0), 0.005, 0.9),), floor=3e-7), Grid()),
        (FAR, Grid(5, 101)),
        *((spots, Grid(2, 41)) for spots in RIMS),
        *((Spots((((a, b), 0.15, 0.9),)), Grid(2, 41)) for a, b in ((-2.05, 1.0), (0.7, -1.95), (2.05, 0.3))),
    ],
)
def test_mass_counts_once_in_the_squares_on_the_rim_and_on_the_rest_of_the_table(spots: Spots, grid: Grid) -> None:
    integral = log_evidence(table_of(spots, grid), spots, INK)
    assert integral.value == pytest.approx(spots.log_evidence, abs=2e-4)
    corners = {tuple(c) for c in (integral.cells.centres / integral.cells.widths[:, None]).round(6).tolist()}
    assert len(corners) == len(integral.cells), "no square twice"


def test_the_rest_of_the_table_weighs_in_the_cases_above() -> None:
    """So that they would notice it missing: a hundredth of the mass and more lies on the floor."""
    for spots in (Spots((((0.0, 0.0), 0.005, 0.9),), floor=3e-7), FAR):
        assert np.exp(np.log(spots.floor) - spots.log_evidence) > 0.005


def wavy(centre: Place, sd: float, waves: float) -> Decode:
    """One pixel: a normal posterior that to the right carries waves which no parabola follows over a cell."""

    def decode(z: NDArray) -> NDArray:
        u = np.asarray(z, np.float64) - centre
        carried = np.where(u[:, 0] > 0, 1 - np.cos(waves * u[:, 0]), 0)
        return logit(-3 - (u**2).sum(axis=1) / (2 * sd**2) + carried)

    return decode


@pytest.mark.parametrize(
    ("decode", "several"),
    [(RIMS[0], False), (Spots((((0.3, -0.4), 0.2, 0.9),)), False), (wavy((1.9, 0.3), 0.3, 50.0), True)],
)
def test_the_work_and_the_error_told_are_those_of_all_rings(
    decode: Decode, several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[AdaptiveIntegral] = []

    def noted(*args: object, **options: object) -> AdaptiveIntegral:
        rings.append(whole(*args, **options))
        return rings[-1]

    whole: Callable[..., AdaptiveIntegral] = evidence.adaptive_integral
    monkeypatch.setattr(evidence, "adaptive_integral", noted)
    counted, calls = asked_of(decode)
    integral = log_evidence(DecoderTable.build(decode, Grid(2, 41)), counted, INK)
    assert integral.evaluations == sum(map(len, calls))
    moved = [ring.error * np.exp(ring.value) for ring in rings]
    assert integral.error == pytest.approx(sum(moved) / np.exp(integral.value), rel=1e-9)
    assert len(integral.cells) == sum(len(ring.cells) for ring in rings)
    assert not several or sum(moved) > 1.01 * max(moved), "so that the sum is no single term"


def test_the_rings_are_one_cell_broad_then_four_and_reach_eleven_units_beyond_the_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A posterior at 18, whose flank alone can be followed: not to be trusted, and told so."""
    reached: list[float] = []

    def noted(log_f: object, centres: NDArray, **options: object) -> AdaptiveIntegral:
        reached.append(centres[:, 0].max())
        return whole(log_f, centres=centres, **options)

    whole: Callable[..., AdaptiveIntegral] = evidence.adaptive_integral
    monkeypatch.setattr(evidence, "adaptive_integral", noted)

    def decode(z: NDArray) -> NDArray:
        return logit(-0.1 - ((z - (18.0, 0.0)) ** 2 / (2 * np.array([0.2, 0.05]) ** 2)).sum(axis=1))

    assert log_evidence(table_of(decode), decode, INK).error == np.inf
    assert 11 < reached[-1] - 5 < 11.5
    steps = np.rint(np.diff(reached) / 0.05).astype(int)
    assert steps.tolist() == [1, 1, 1] + [4] * (len(steps) - 3)


def test_squares_are_quartered_until_less_than_a_thousandth_moves() -> None:
    decode = wavy((0.0, 0.0), 0.12, 90.0)
    axis = np.arange(-0.9, 0.9, 0.003) + 0.0005
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_p = special.log_expit(decode(z)[:, 0]) + stats.norm.logpdf(z).sum(axis=1)
    exact = special.logsumexp(log_p) + 2 * np.log(0.003)
    table = DecoderTable.build(decode, Grid(2, 81))
    integral, loose = log_evidence(table, decode, INK), log_evidence(table, decode, INK, order=3, tolerance=0.1)
    assert integral.error < 1e-3
    assert integral.value == pytest.approx(exact, abs=2e-4)
    assert loose.value != pytest.approx(exact, abs=1e-3), "so that the tolerance matters"
    assert 1e-3 < loose.error < 0.1


@pytest.mark.parametrize("node", [(-1.9, 0.3), (1.9, 0.3), (0.2, -1.9), (0.2, 1.9), (1.0, -0.6)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.035, -0.03), (-0.04, 0.035), (0.03, 0.04), (-0.035, -0.035)])
def test_a_needle_is_found_wherever_in_its_cell_and_in_the_table(node: Place, shift: Place) -> None:
    """Beside a broad hill that outshines every node near it, also one row from the table's rim."""
    needle = node[0] + shift[0], node[1] + shift[1]
    spots = Spots((((-0.5, 0.5), 0.1, 0.3), (needle, 0.009, 0.9)))
    found = log_evidence(table_of(spots, Grid(2, 41)), spots, INK)
    assert found.value == pytest.approx(spots.log_evidence, abs=1e-3)


def test_no_cell_is_decoded_that_promises_nothing() -> None:
    """A normal posterior: what lies 10 nats below its top, the next cell and its corner at most."""
    spots = Spots((((0.3, -0.4), 0.2, 0.9),))
    decode, calls = asked_of(spots)
    log_evidence(table_of(spots, Grid(2, 41)), decode, INK)
    away = np.linalg.norm(np.concatenate(calls) - np.array([0.3, -0.4]) / (1 + 0.2**2), axis=1)
    assert away.max() < np.sqrt(2 * 10 / (1 + 1 / 0.2**2)) + 1.5 * np.sqrt(2) * 0.1


def test_what_the_table_promises_of_a_cell_is_the_mean_of_the_parabola_through_its_nodes() -> None:
    """log f of degree two in each coordinate: the promise is the true mean but for a rule of 5 × 5 midpoints."""
    rng = np.random.default_rng(3)
    coefficients = rng.normal(0, 0.4, (3, 3))

    def log_f(row: NDArray, column: NDArray) -> NDArray:
        return np.polynomial.polynomial.polyval2d((row - 4) / 2, (column - 5) / 2, coefficients)

    nodes = log_f(*np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij"))
    cells = np.array([(i, j) for i in range(-1, 11) for j in range(-1, 11)])
    promised = evidence._promised(nodes, cells)
    inner = ((cells >= 1) & (cells <= 7)).all(axis=1)
    assert np.isnan(promised[~inner]).all()
    side = (np.arange(64) + 0.5) / 64 - 0.5
    i, j = (offset.ravel() for offset in np.meshgrid(side, side, indexing="ij"))
    for cell, value in zip(cells[inner], promised[inner], strict=True):
        exact = special.logsumexp(log_f(cell[0] + i, cell[1] + j)) - 2 * np.log(64)
        fifths = np.array([log_f(cell[0] + a, cell[1] + b) for a in FIFTHS for b in FIFTHS])
        assert value == pytest.approx(special.logsumexp(fifths) - np.log(25), abs=1e-9)
        assert value == pytest.approx(exact, abs=0.02)


FIFTHS = (-0.4, -0.2, 0.0, 0.2, 0.4)


# The bound and the gap


def steep(k: float, scale: float) -> tuple[Decode, NDArray, NDArray, NDArray, float]:
    """Four pixels that see one coordinate, k z₁ − 0.3; x, loc, log_scale; and E_q[log p(x|z)] by SciPy."""
    loc = np.array([0.1, 0.4])

    def decode(z: NDArray) -> NDArray:
        return np.repeat(k * np.asarray(z)[:, :1] - 0.3, 4, axis=1)

    def log_p(z: float) -> float:
        return float(2 * special.log_expit(k * z - 0.3) + 2 * special.log_expit(0.3 - k * z))

    q = stats.norm(loc[0], scale)
    mean, _ = integrate.quad(
        lambda z: q.pdf(z) * log_p(z),
        loc[0] - 12 * scale,
        loc[0] + 12 * scale,
        points=[0.3 / k],
        limit=500,
        epsabs=1e-11,
    )
    return decode, np.array([1, 0, 1, 0], np.uint8), loc, np.full(2, np.log(scale)), mean


@pytest.mark.parametrize(("k", "scale"), [(5.0, 1.0), (10.0, 1.0), (20.0, 0.3), (20.0, 1.0), (40.0, 0.3)])
def test_the_bound_and_the_gap_settle_within_their_tolerance(k: float, scale: float) -> None:
    """Where q is wide beside the steps of the decoder: rules that stop early are hundredths of a nat off."""
    decode, x, loc, log_scale, mean = steep(k, scale)
    assert elbo(decode, x, loc, log_scale).reconstruction == pytest.approx(mean, abs=4e-5)
    entropy = 1 + np.log(2 * np.pi) + log_scale.sum()
    cross = -sum(stats.norm.logpdf(m) - scale**2 / 2 for m in loc)
    gap = kl_to_posterior(decode, x, loc, log_scale, -7.0)
    assert gap == pytest.approx(cross - entropy - mean - 7, abs=4e-5)


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_and_the_gap_of_wide_q_on_rough_networks_are_a_dense_sums(seed: int) -> None:
    """Rules that trust any two that agree were more than 1e-4 nat off on one such q of six."""
    rng = np.random.default_rng(seed)
    inward, bias, outward = rng.normal(0, 1.2, (2, 16)), rng.normal(0, 1, 16), rng.normal(0, 9, (16, 12))

    def decode(z: NDArray) -> NDArray:
        return np.tanh(z @ inward + bias) @ outward

    axis = np.arange(-6.5, 6.5, 0.06) + 0.02
    noise = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = 0.06**2 * stats.norm.pdf(noise).prod(axis=1)
    for _ in range(4):
        x = (rng.random(12) < 0.5).astype(np.uint8)
        loc, log_scale = rng.normal(0, 1.2, 2), rng.uniform(-3, -0.5, 2)
        z = loc + np.exp(log_scale) * noise
        log_p_x_given_z = special.log_expit((2.0 * x - 1) * decode(z)).sum(axis=1)
        log_ratio = stats.norm(loc, np.exp(log_scale)).logpdf(z).sum(axis=1) - stats.norm.logpdf(z).sum(axis=1)
        assert elbo(decode, x, loc, log_scale).reconstruction == pytest.approx(weights @ log_p_x_given_z, abs=1e-4)
        gap = kl_to_posterior(decode, x, loc, log_scale, -50.0)
        assert gap == pytest.approx(weights @ (log_ratio - log_p_x_given_z) - 50, abs=1e-4)


# Sampling and the window


def test_draws_are_the_generators_noise_scaled_and_shifted() -> None:
    decode, x, loc, _, _ = steep(5.0, 0.3)
    log_scale = np.array([-0.5, -2.0])
    noise = np.random.default_rng(11).standard_normal((7, 2))
    draws = draw(decode, x, loc, log_scale, 7, np.random.default_rng(11))
    np.testing.assert_allclose(draws.z, loc + np.exp(log_scale) * noise, rtol=1e-14)


def told(*squares: tuple[Place, float, float]) -> Account:
    """An account of these squares: (centre, width, nats of their mass below log p(x) = −5)."""
    centres, widths, below = zip(*squares, strict=True)
    cells = Cells(np.array(centres), np.array(widths), -5.0 - np.array(below))
    return Account(AdaptiveIntegral(-5.0, cells, 0.0, 9), Elbo(-6.0, 0.0), 1.0)


WINDOWS = {
    "the posterior alone": ((0.0, 0.0), (-4.0, -4.0), (-1.1, 1.3, -2.2, 2.1)),
    "q to the left": ((-4.0, 0.0), (-1.0, -2.0), (-4 - 3 * np.exp(-1), 1.3, -2.2, 2.1)),
    "q to the right": ((3.0, 0.0), (-1.0, -2.0), (-1.1, 3 + 3 * np.exp(-1), -2.2, 2.1)),
    "q below": ((0.0, -4.0), (-2.0, -1.0), (-1.1, 1.3, -4 - 3 * np.exp(-1), 2.1)),
    "q above": ((0.0, 4.0), (-2.0, -1.0), (-1.1, 1.3, -2.2, 4 + 3 * np.exp(-1))),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_the_window_is_the_square_around_the_heavy_cells_and_three_sigma_of_q(name: str) -> None:
    """The cells of 6.5 nats below all belong to it, those of 7.5 do not; a rim of at most a tenth is left around."""
    loc, log_scale, (left, right, low, high) = WINDOWS[name]
    exact = told(
        ((-1.0, 0.0), 0.2, 1.0),
        ((1.0, 0.5), 0.6, 6.5),
        ((0.3, -2.0), 0.4, 2.0),
        ((0.2, 2.0), 0.2, 3.0),
        ((7.0, 0.0), 0.2, 7.5),
        ((-7.0, 6.0), 0.2, 9.0),
    )
    decode, x, *_ = steep(5.0, 0.3)
    window = posterior_window(decode, x, exact, np.array(loc), np.array(log_scale))
    assert window.log_posterior.shape == (61, 61)
    needed = max(right - left, high - low) / 2
    for axis, centre in ((window.axis1, (left + right) / 2), (window.axis2, (low + high) / 2)):
        np.testing.assert_allclose(np.diff(axis), np.ptp(axis) / 60, rtol=1e-9)
        assert axis.mean() == pytest.approx(centre, abs=1e-9)
        assert needed < np.ptp(axis) / 2 < 1.1 * needed
    for row, column in ((0, 0), (0, 60), (60, 0), (12, 41)):
        z = np.array([[window.axis1[column], window.axis2[row]]])
        assert window.log_posterior[row, column] == pytest.approx(log_joint(decode, x, z)[0] + 5, abs=1e-9)


# The table


@pytest.mark.parametrize("n", [5, 7, 13, 21, 31])
def test_coarse_grids_are_all_that_share_the_tables_corners(n: int) -> None:
    spots = Spots((((0.1, -0.2), 0.5, 0.9),))
    table = DecoderTable.build(spots, Grid(3, n))
    nodes, log_p_x = coarse_grids(table, INK)
    assert nodes.tolist() == [m for m in range(5, n + 1) if (n - 1) % (m - 1) == 0]
    for m, value in zip(nodes, log_p_x, strict=True):
        grid = Grid(3, int(m))
        assert value == pytest.approx(float(grid.log_integral(log_joint(spots, INK, grid.points))), abs=1e-4)


@pytest.mark.parametrize("ink", [0, 1, 7, 8, 9, 16, 17, 20])
def test_the_table_adds_up_whatever_is_inked(ink: int) -> None:
    rng = np.random.default_rng(ink)
    weights = rng.normal(0, 2, (2, 20))
    table = DecoderTable.build(lambda z: z @ weights + 0.3, Grid(2, 7))
    x = np.zeros(20, np.uint8)
    x[rng.permutation(20)[:ink]] = 1
    np.testing.assert_allclose(
        table.log_joint(x), log_joint(lambda z: z @ weights + 0.3, x, table.grid.points), atol=1e-4
    )


def test_an_account_is_its_three_terms() -> None:
    decode, x, loc, log_scale, _ = steep(5.0, 0.3)
    exact = account(table_of(decode, Grid(4, 41)), decode, x, loc, log_scale)
    assert exact.log_p_x == log_evidence(table_of(decode, Grid(4, 41)), decode, x).value
    assert exact.elbo == elbo(decode, x, loc, log_scale)
    assert exact.gap == kl_to_posterior(decode, x, loc, log_scale, exact.log_p_x)
    assert exact.residual == pytest.approx(0, abs=1e-4)
