"""Beat the encoder: the best q in closed form where it has one, and by scipy on bounds of another rule elsewhere.

`Quadratic` is a decoder of one pixel whose p(x=1|z) is a normal bump, or a sum of them: its posterior is a normal, or
a mixture, with everything known. The trained model is judged by scipy's search on a trapezoidal bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from demo import digits, pretrained
from demo.contest import _LEAST_SHARE, Fit, Gaps, _Point, best_q, mode_starts
from demo.evidence import Decode, DecoderTable, elbo, log_evidence
from demo.integrate import AdaptiveIntegral, Cells, Grid

INKED = np.ones(1, np.uint8)


@dataclass(frozen=True)
class Bump:
    """height · exp(−½ (z − centre)ᵀ A (z − centre)), a part of p(x=1|z)."""

    height: float
    centre: np.ndarray
    A: np.ndarray

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and precision I + A of the normal that this bump makes of the prior."""
        precision = np.eye(2) + self.A
        return np.linalg.solve(precision, self.A @ self.centre), precision

    @property
    def log_mass(self) -> float:
        """log ∫ N(z; 0, I) bump(z) dz = log(height · (2π)^{d/2} |A|^{−½} N(centre; 0, I + A⁻¹))."""
        around = stats.multivariate_normal(np.zeros(2), np.eye(2) + np.linalg.inv(self.A))
        return float(np.log(self.height * 2 * np.pi) - 0.5 * np.linalg.slogdet(self.A)[1] + around.logpdf(self.centre))


@dataclass(frozen=True)
class Quadratic:
    """One pixel, p(x=1|z) = Σ bumps; a logit is log p − log(1 − p)."""

    bumps: tuple[Bump, ...]

    def __call__(self, z: np.ndarray) -> np.ndarray:
        parts = []
        for bump in self.bumps:
            away = np.asarray(z, np.float64) - bump.centre
            parts.append(np.log(bump.height) - 0.5 * np.einsum("mi,ij,mj->m", away, bump.A, away))
        log_p = special.logsumexp(parts, axis=0)
        return (log_p - np.log(-np.expm1(log_p)))[:, None]


def tilted(height: float, centre: tuple[float, float], sd: float, correlation: float) -> Bump:
    A = np.linalg.inv(sd**2 * np.array([[1, 1.5 * correlation], [1.5 * correlation, 2.25]]))
    return Bump(height, np.array(centre), A)


ONE = Quadratic((tilted(0.6, (0.9, -1.4), 0.1, 0.8),))
TWO = Quadratic((tilted(0.3, (0.9, -1.4), 0.05, 0.3), tilted(0.6, (-1.1, 0.2), 0.05, -0.5)))


def integral_of(decode: Decode, x: np.ndarray = INKED) -> AdaptiveIntegral:
    return log_evidence(DecoderTable.build(decode, Grid(5, 161)), decode, x)


def trapezoid_elbo(decode: Decode, x: np.ndarray, q: np.ndarray, n: int = 21) -> float:
    """E_q[log p(x, z) − log q] on loc ± 7σ, in scipy's densities: neither our rule nor our closed form of the KL."""
    loc, scale = q[:2], np.exp(q[2:])
    axis = np.linspace(-7, 7, n)
    noise = np.stack([e.ravel() for e in np.meshgrid(axis, axis)], axis=1)
    z = loc + scale * noise
    log_joint = special.log_expit((2.0 * x - 1) * decode(z)).sum(axis=1, dtype=np.float64)
    log_ratio = log_joint + (stats.norm.logpdf(z) - stats.norm(loc, scale).logpdf(z)).sum(axis=1)
    weight = stats.norm.pdf(noise).prod(axis=1)
    return float(weight @ log_ratio / weight.sum())


# Closed forms


@pytest.mark.parametrize("start", [((0.0, 0.0), (0.0, 0.0)), ((1.0, -1.0), (-3.0, -3.0)), ((-2.0, 2.0), (-5.0, 1.0))])
def test_the_best_q_of_a_normal_posterior_is_the_textbooks(start: tuple) -> None:
    """loc is the mean, σ_j² = 1/Λ_jj, and the approximation gap ½ (Σ log Λ_jj − log |Λ|), with Λ the precision."""
    (bump,) = ONE.bumps
    mean, precision = bump.posterior
    fit = best_q(ONE, INKED, [start], tolerance=1e-12)
    np.testing.assert_allclose(fit.loc, mean, atol=1e-6)
    np.testing.assert_allclose(fit.log_scale, -0.5 * np.log(np.diag(precision)), atol=1e-6)
    gap = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
    assert gap > 0.4
    assert fit.elbo.value == pytest.approx(bump.log_mass - gap, abs=1e-8)
    assert best_q(ONE, INKED, [start]).elbo.value == pytest.approx(bump.log_mass - gap, abs=1e-6)
    assert Gaps(bump.log_mass, fit.elbo.value, -99.0).approximation == pytest.approx(gap, abs=1e-6)


def test_a_posterior_with_axes_along_z_leaves_no_approximation_gap() -> None:
    decode = Quadratic((tilted(0.6, (0.9, -1.4), 0.1, 0.0),))
    fit = best_q(decode, INKED, [((0.5, -1.0), (-2.0, -2.0))])
    assert fit.elbo.value == pytest.approx(decode.bumps[0].log_mass, abs=1e-6)


def test_of_two_modes_the_better_wins_though_the_encoder_sits_on_the_other() -> None:
    """Far apart, each mode is a contest of its own; its bound is log of its mass less its own approximation gap."""
    lesser, heavier = TWO.bumps
    encoder = (lesser.posterior[0], np.full(2, -3.2))
    integral = integral_of(TWO)
    assert integral.value == pytest.approx(np.logaddexp(lesser.log_mass, heavier.log_mass), abs=1e-3)
    alone, fit = (best_q(TWO, INKED, starts) for starts in ([encoder], [encoder, *mode_starts(integral)]))
    for found, bump in ((alone, lesser), (fit, heavier)):
        mean, precision = bump.posterior
        np.testing.assert_allclose(found.loc, mean, atol=1e-4)
        gap = 0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1])
        assert found.elbo.value == pytest.approx(bump.log_mass - gap, abs=1e-4)
    assert fit.elbo.value > alone.elbo.value + 0.4


def test_gaps_are_their_differences() -> None:
    gaps = Gaps(log_p_x=-90.0, best=-90.5, encoder=-93.0)
    assert gaps.approximation == 0.5
    assert gaps.amortisation == 2.5


# Derivatives


@pytest.mark.parametrize("seed", range(4))
def test_hermite_polynomials_give_the_derivatives_of_the_bound(seed: int) -> None:
    """Against finite differences of the trapezoidal bound, for a crooked decoder and a q that is no optimum."""
    rng = np.random.default_rng(seed)
    inward, outward = rng.normal(0, 0.8, (2, 16)), rng.normal(0, 9, (16, 12))

    def decode(z: np.ndarray) -> np.ndarray:
        return np.tanh(np.asarray(z) @ inward) @ outward

    x = rng.integers(0, 2, 12)
    q = np.concatenate([rng.normal(0, 0.5, 2), rng.normal(-2.7, 0.3, 2)])
    unit = np.concatenate([np.exp(q[2:]), np.ones(2)])

    def bound(step: np.ndarray) -> float:
        return trapezoid_elbo(decode, x, q + unit * step, 61)

    point, h, axes = _Point.at(decode, x, q[:2], q[2:], 72), 1e-3, np.eye(4)
    assert point.bound == pytest.approx(bound(np.zeros(4)), abs=1e-6)
    slope = [(bound(h * e) - bound(-h * e)) / (2 * h) for e in axes]
    np.testing.assert_allclose(point.gradient, slope, atol=2e-4)
    curvature = [
        [sum(a * b * bound(h * (a * e + b * f)) for a in (1, -1) for b in (1, -1)) / (4 * h**2) for f in axes]
        for e in axes
    ]
    np.testing.assert_allclose(point.hessian, curvature, atol=2e-3)
    assert np.abs(point.hessian).min() > 4e-3  # no entry is so small that its absence would pass


@pytest.mark.parametrize("q", [((0.9, -1.4), (-2.5, -2.5)), ((0.0, 0.0), (0.0, 0.0)), ((0.9, -1.4), (-9.0, 2.0))])
def test_a_step_goes_uphill_and_no_further_than_the_nodes_have_seen(q: tuple) -> None:
    point = _Point.at(ONE, INKED, np.array(q[0]), np.array(q[1]), 20)
    step = point.step()
    assert point.gradient @ step > 0
    assert np.abs(step[:2]).max() <= 3 + 1e-12
    assert np.abs(step[2:]).max() <= 1 + 1e-12


# Starts


def test_modes_are_found_heaviest_first_with_their_place_and_width() -> None:
    starts = mode_starts(integral_of(TWO))
    assert len(starts) == 2
    for (loc, log_scale), bump in zip(starts, reversed(TWO.bumps), strict=True):
        mean, precision = bump.posterior
        np.testing.assert_allclose(loc, mean, atol=2e-3)
        # wider by a third of a square
        np.testing.assert_allclose(log_scale, -0.5 * np.log(np.diag(precision)), atol=0.15)
    assert len(mode_starts(integral_of(TWO), n=1)) == 1


def test_one_mode_is_one_start_and_a_speck_is_none() -> None:
    assert len(mode_starts(integral_of(ONE))) == 1
    square = np.array([[0.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    cells = Cells(square, np.ones(3), np.log([1 - 3 * _LEAST_SHARE, 2 * _LEAST_SHARE, 0.5 * _LEAST_SHARE]))
    starts = mode_starts(AdaptiveIntegral(float(np.log(1)), cells, 0, 0))
    assert [loc.tolist() for loc, _ in starts] == [[0, 0], [3, 0]]
    for _, log_scale in starts:
        np.testing.assert_allclose(np.exp(log_scale), np.sqrt(1 / 12))  # the sd of a uniform density on a unit square


def test_modes_of_very_many_squares_are_found_in_bounded_memory() -> None:
    grid = Grid(5, 151)
    log_density = np.logaddexp(*(stats.norm([c, 0], 0.3).logpdf(grid.points).sum(axis=1) for c in (-2, 2)))
    cells = Cells(grid.points, np.full(151**2, grid.step), log_density + grid.log_cell)
    starts = mode_starts(AdaptiveIntegral(float(np.log(2)), cells, 0, 0))
    assert sorted(round(float(loc[0]), 2) for loc, _ in starts) == [-2, 2]


def test_no_start_is_refused_and_one_that_is_no_number() -> None:
    with pytest.raises(ValueError, match="at least one start"):
        best_q(ONE, INKED, [])
    for wrong in ((np.nan, 0.0), (0.0, np.inf)):
        for start in ((wrong, (0.0, 0.0)), ((0.0, 0.0), wrong)):
            with pytest.raises(ValueError, match="must be finite"):
                best_q(ONE, INKED, [start])


# Theorems, for a network with crooked posteriors


class Bent:
    """A network 2 → 16 → 12 with tanh."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.inward, self.bias = rng.normal(0, 1.2, (2, 16)), rng.normal(0, 1, 16)
        self.outward = rng.normal(0, 5, (16, 12))

    def __call__(self, z: np.ndarray) -> np.ndarray:
        return np.tanh(np.asarray(z, np.float64) @ self.inward + self.bias) @ self.outward


BENT = Bent(4)
BENT_X = np.random.default_rng(1).integers(0, 2, (4, 12)).astype(np.uint8)
BENT_INTEGRALS = [integral_of(BENT, x) for x in BENT_X]


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 3), st.tuples(*[st.floats(-2, 2)] * 2), st.tuples(*[st.floats(-5, 0.5)] * 2))
def test_the_bound_never_falls_below_a_start_nor_passes_log_p_x(i: int, loc: tuple, log_scale: tuple) -> None:
    encoder = elbo(BENT, BENT_X[i], np.array(loc), np.array(log_scale)).value
    fit = best_q(BENT, BENT_X[i], [(loc, log_scale), *mode_starts(BENT_INTEGRALS[i])])
    gaps = Gaps(BENT_INTEGRALS[i].value, fit.elbo.value, encoder)
    assert gaps.amortisation >= 0
    assert gaps.approximation >= -1e-3
    assert gaps.approximation + gaps.amortisation == pytest.approx(BENT_INTEGRALS[i].value - encoder)


def test_a_climb_that_a_coarse_rule_led_astray_is_outdone_by_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    start = mode_starts(BENT_INTEGRALS[0])[0]
    astray = _Point.at(BENT, BENT_X[0], start[0] + 0.5, start[1], 12)
    monkeypatch.setattr("demo.contest._climb", lambda *_: (astray, 3))
    fit = best_q(BENT, BENT_X[0], [start])
    np.testing.assert_array_equal([fit.loc, fit.log_scale], start)


def test_a_start_beside_another_reaches_the_same_optimum() -> None:
    for x, integral in zip(BENT_X, BENT_INTEGRALS, strict=True):
        (loc, log_scale), *_ = mode_starts(integral)
        values = [
            best_q(BENT, x, [(loc + np.exp(log_scale) * move, log_scale + move)]).elbo.value
            for move in (0, np.array([0.4, -0.3]), np.array([-0.5, 0.5]))
        ]
        assert np.ptp(values) < 1e-4


def test_a_start_that_is_the_optimum_already_stays() -> None:
    first = best_q(BENT, BENT_X[0], mode_starts(BENT_INTEGRALS[0]))
    again = best_q(BENT, BENT_X[0], [(first.loc, first.log_scale)])
    assert again.iterations <= 1
    assert 0 <= again.elbo.value - first.elbo.value < 1e-5


@pytest.mark.parametrize(
    "start",
    [
        ((40.0, -40.0), (0.0, 0.0)),
        ((1e30, 0.0), (-3.0, -3.0)),
        ((0.0, 0.0), (-800.0, -800.0)),
        ((0.0, 0.0), (900.0, 5.0)),
        ((-9.0, 9.0), (-30.0, 3.0)),
    ],
)
def test_an_absurd_start_ends_in_a_finite_bound(start: tuple) -> None:
    fit = best_q(BENT, BENT_X[1], [start])
    for part in (fit.loc, fit.log_scale, np.array(fit.elbo.value)):
        assert np.isfinite(part).all()
    assert fit.elbo.value <= BENT_INTEGRALS[1].value + 1e-3
    both = best_q(BENT, BENT_X[1], [start, *mode_starts(BENT_INTEGRALS[1])])
    assert both.elbo.value >= best_q(BENT, BENT_X[1], mode_starts(BENT_INTEGRALS[1])).elbo.value


def test_every_decoding_is_counted_and_steps_are_limited() -> None:
    rows = []

    def counting(z: np.ndarray) -> np.ndarray:
        rows.append(len(z))
        return BENT(z)

    fit = best_q(counting, BENT_X[2], [((0.0, 0.0), (-1.0, -1.0)), ((1.0, 1.0), (-2.0, -2.0))])
    assert fit.decodings == sum(rows)
    assert fit.iterations > 2
    assert best_q(BENT, BENT_X[2], [((0.0, 0.0), (-1.0, -1.0))], max_iterations=1).iterations == 1


# The trained model


@pytest.fixture(scope="module")
def z2() -> pretrained.PretrainedVAE:
    if "z2" not in pretrained.available():
        pytest.skip("demo/assets/z2 is not there: the model has not been exported yet")
    return pretrained.load("z2")


@pytest.fixture(scope="module")
def contests(z2: pretrained.PretrainedVAE) -> list[tuple[np.ndarray, tuple, AdaptiveIntegral, Fit]]:
    """Five samples of the model and full ink: x, the encoder's q, log p(x), the best q."""
    table = DecoderTable.build(z2.decode)
    images = [*digits.sample_pixels(z2.decode(digits.sample_prior(5, 2, 3)), 3), np.ones(784, np.uint8)]
    found = []
    for x in images:
        loc, log_scale = (v[0].astype(np.float64) for v in z2.encode(x[None]))
        integral = log_evidence(table, z2.decode, x)
        fit = best_q(z2.decode, x, [(loc, log_scale), *mode_starts(integral)])
        found.append((x, (loc, log_scale), integral, fit))
    return found


def test_the_trained_models_best_q_is_between_the_encoder_and_log_p_x(
    z2: pretrained.PretrainedVAE, contests: list
) -> None:
    for x, encoder, integral, fit in contests:
        gaps = Gaps(integral.value, fit.elbo.value, elbo(z2.decode, x, *encoder).value)
        assert gaps.amortisation > 0
        assert gaps.approximation >= -2e-3
        assert fit.elbo.value == elbo(z2.decode, x, fit.loc, fit.log_scale).value


def test_scipys_search_on_another_rule_finds_nothing_better(z2: pretrained.PretrainedVAE, contests: list) -> None:
    """Nelder and Mead, from beside our q and from the posterior's heaviest square; and it gets to the same value."""
    for x, _, integral, fit in contests[-2:]:
        ours = np.concatenate([fit.loc, fit.log_scale])
        ours_by_trapezoid = trapezoid_elbo(z2.decode, x, ours)
        assert ours_by_trapezoid == pytest.approx(fit.elbo.value, abs=2e-3)
        heaviest = integral.cells.centres[integral.cells.log_mass.argmax()]
        beside = ours + np.concatenate([np.exp(fit.log_scale) * [0.7, -0.7], [0.3, -0.3]])
        for start in (beside, np.concatenate([heaviest, np.full(2, -3.5)])):
            scale = np.concatenate([np.exp(start[2:]), [0.5, 0.5]])
            found = optimize.minimize(
                lambda q, x=x: -trapezoid_elbo(z2.decode, x, q),
                start,
                method="Nelder-Mead",
                options={
                    "initial_simplex": start + np.vstack([np.zeros(4), np.diag(scale)]),
                    "fatol": 1e-4,
                    "maxfev": 180,
                },
            )
            assert -found.fun <= ours_by_trapezoid + 1e-3
            if start is beside:
                assert -found.fun == pytest.approx(ours_by_trapezoid, abs=5e-3)
                np.testing.assert_allclose((found.x[:2] - fit.loc) / np.exp(fit.log_scale), 0, atol=0.05)
                np.testing.assert_allclose(found.x[2:], fit.log_scale, atol=0.05)


def test_the_trained_model_needs_few_decodings(contests: list) -> None:
    assert max(fit.decodings for *_, fit in contests[:-1]) <= 25_000


def test_a_blank_image_has_a_best_q_too(z2: pretrained.PretrainedVAE) -> None:
    x = np.zeros(784, np.uint8)
    loc, log_scale = (v[0].astype(np.float64) for v in z2.encode(x[None]))
    fit = best_q(z2.decode, x, [(loc, log_scale)])
    assert fit.elbo.value >= elbo(z2.decode, x, loc, log_scale).value
    by_trapezoid = trapezoid_elbo(z2.decode, x, np.concatenate([fit.loc, fit.log_scale]), 81)
    assert fit.elbo.value == pytest.approx(by_trapezoid, abs=0.02)
