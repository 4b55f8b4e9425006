"""The race against its theorems: never above log p(x), rising with K, the ELBO at K = 1; each column by scipy.

`lognormal` draws have weights whose mean, log-mean and every quantile are known: log w ~ N(−s²/2, s²) has E[w] = 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import integrate, special, stats

from demo.estimators import N_SAMPLES, POOL, Race, draw_mixture, kl_per_dimension, race, widened
from demo.evidence import Draws, draw, elbo, importance_bound

LOC, LOG_SCALE = np.array([0.3, -0.8]), np.array([-0.2, -0.2])
X = np.array([1, 0, 1, 1, 0, 0], np.uint8)
WEIGHTS = np.random.default_rng(2).normal(0, 3, (2, 6))


def decode(z: np.ndarray) -> np.ndarray:
    return np.asarray(z) @ WEIGHTS


def log_p_x() -> float:
    """By the trapezoidal rule over the plane, in scipy's densities."""
    axis = np.linspace(-8, 8, 401)
    z = np.stack([a.ravel() for a in np.meshgrid(axis, axis)], axis=1)
    log_joint = special.log_expit((2.0 * X - 1) * (z @ WEIGHTS)).sum(axis=1) + stats.norm.logpdf(z).sum(axis=1)
    return float(special.logsumexp(log_joint) + 2 * np.log(axis[1] - axis[0]))


def lognormal(s: float, n: int, seed: int) -> Draws:
    log_w = np.random.default_rng(seed).normal(-(s**2) / 2, s, n)
    return Draws(np.zeros((n, 2)), np.zeros(n), log_w, np.zeros(n))


def columns(found: Race) -> list[tuple[str, np.ndarray]]:
    return [(field.name, getattr(found, field.name)) for field in dataclasses.fields(found)]


def test_the_standard_race_has_four_repeats_of_the_largest_block() -> None:
    found = race(lognormal(1, POOL, 0))
    assert N_SAMPLES == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
    assert found.n_samples.tolist() == list(N_SAMPLES)
    assert (found.repeats * found.n_samples == POOL).all()
    assert found.repeats[-1] == 4
    for name, column in columns(found):
        assert column.shape == (12,), name
        assert np.isfinite(column).all(), name


@pytest.mark.parametrize("k", [1, 3, 8, 100])
def test_a_column_is_the_textbooks(k: int) -> None:
    """Each block's estimate one by one, by scipy; 1000 draws leave a rest at K = 3 that is left out."""
    draws = draw(decode, X, LOC, LOG_SCALE, 1000, np.random.default_rng(4))
    blocks = [draws.log_w[i * k : (i + 1) * k] for i in range(1000 // k)]
    estimates = [special.logsumexp(block, b=1 / k) for block in blocks]
    found = race(draws, [k])
    assert found.repeats.tolist() == [len(blocks)]
    assert found.mean[0] == pytest.approx(np.mean(estimates), rel=1e-12)
    assert found.standard_error[0] == pytest.approx(stats.sem(estimates), rel=1e-10)
    assert found.low[0] == pytest.approx(stats.scoreatpercentile(estimates, 10), rel=1e-12)
    assert found.high[0] == pytest.approx(stats.scoreatpercentile(estimates, 90), rel=1e-12)
    parts = [special.softmax(block) for block in blocks]
    assert found.effective_sample_size[0] == pytest.approx(np.mean([1 / (p**2).sum() for p in parts]), rel=1e-10)


def test_blocks_are_the_importance_bound_of_their_own_draws() -> None:
    draws = draw(decode, X, LOC, LOG_SCALE, 256, np.random.default_rng(5))
    halves_of = (slice(0, 128), slice(128, 256))
    halves = [Draws(*(getattr(draws, f.name)[part] for f in dataclasses.fields(Draws))) for part in halves_of]
    bounds = [importance_bound(half) for half in halves]
    found = race(draws, [128])
    assert found.mean[0] == pytest.approx(np.mean([bound.value for bound in bounds]), rel=1e-12)
    assert found.effective_sample_size[0] == pytest.approx(np.mean([b.effective_sample_size for b in bounds]))


@pytest.mark.parametrize("proposal", ["q", "prior"])
def test_the_mean_rises_from_the_elbo_to_log_p_x_and_never_passes_it(proposal: str) -> None:
    loc, log_scale = (LOC, LOG_SCALE) if proposal == "q" else (np.zeros(2), np.zeros(2))
    exact = log_p_x()
    found = race(draw(decode, X, loc, log_scale, 64 * POOL, np.random.default_rng(6)))
    assert (found.mean <= exact + 4 * found.standard_error).all()
    errors = np.hypot(found.standard_error[1:], found.standard_error[:-1])
    assert (np.diff(found.mean) > -4 * errors).all()
    assert (np.diff(found.mean)[:5] > 4 * errors[:5]).all()
    assert found.mean[0] == pytest.approx(elbo(decode, X, loc, log_scale).value, abs=4 * found.standard_error[0])
    assert found.mean[-1] == pytest.approx(exact, abs=0.01)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_the_spread_and_the_error_are_those_of_a_known_distribution() -> None:
    """At K = 1 a log-normal weight's estimate is normal: its mean, its 10 % and 90 % points and the error are known."""
    s, n = 1.7, 200_000
    found = race(lognormal(s, n, 7), [1])
    assert found.mean[0] == pytest.approx(-(s**2) / 2, abs=4 * s / np.sqrt(n))
    assert found.standard_error[0] == pytest.approx(s / np.sqrt(n), rel=0.01)
    for quantile, value in ((0.1, found.low[0]), (0.9, found.high[0])):
        assert value == pytest.approx(stats.norm(-(s**2) / 2, s).ppf(quantile), abs=0.02)
    assert found.effective_sample_size[0] == pytest.approx(1, rel=1e-12)


def test_the_standard_error_is_the_spread_of_races() -> None:
    races = [race(lognormal(1, 512, seed), [16]) for seed in range(400)]
    means = np.array([found.mean[0] for found in races])
    errors = np.array([found.standard_error[0] for found in races])
    assert means.std(ddof=1) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.15)


def test_equal_weights_win_at_once_and_a_heavy_one_takes_all() -> None:
    level = race(Draws(np.zeros((64, 2)), np.full(64, -800.0), np.full(64, -900.0), np.full(64, 3.0)), [1, 8, 32])
    np.testing.assert_allclose(level.mean, -1703)
    np.testing.assert_allclose(level.standard_error, 0, atol=1e-12)
    np.testing.assert_allclose(level.effective_sample_size, [1, 8, 32])
    heavy = race(Draws(np.zeros((8, 2)), np.tile([0.0, 0.0, 0.0, 900.0], 2), np.zeros(8), np.zeros(8)), [4])
    assert heavy.mean[0] == pytest.approx(900 - np.log(4))
    assert heavy.effective_sample_size[0] == pytest.approx(1)


@pytest.mark.parametrize("n_samples", [[], [0], [-1, 2], [33], [1, 64]])
def test_a_block_needs_a_draw_and_a_column_two_blocks(n_samples: list[int]) -> None:
    race(lognormal(1, 64, 0), [1, 32])
    with pytest.raises(ValueError, match="at most half of the 64 draws"):
        race(lognormal(1, 64, 0), n_samples)


# The divergence per dimension


def test_the_closed_form_is_scipys_and_the_mean_agrees_with_it() -> None:
    loc, log_scale = np.array([0.0, 1.3, -2.0, 0.5]), np.array([0.0, -3.0, 0.4, -0.1])
    found = kl_per_dimension(loc, log_scale, 40_000, np.random.default_rng(8))
    for j, (m, s) in enumerate(zip(loc, np.exp(log_scale), strict=True)):
        q = stats.norm(m, s)
        kl, _ = integrate.quad(
            lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z)), m - 12 * s, m + 12 * s, limit=200
        )
        assert found.exact[j] == pytest.approx(kl, abs=1e-8)
    assert (np.abs(found.mean - found.exact) <= 4 * found.standard_error + 1e-12).all()
    assert found.mean.shape == found.standard_error.shape == (4,)
    assert found.n_samples == 40_000
    assert found.mean[0] == found.standard_error[0] == 0  # there q is the prior, and each draw says so


def test_the_error_of_the_divergence_is_known_where_the_variance_is() -> None:
    """Var[log q/p] for z = m + σ ε is ½ (σ² − 1)² + m² σ²."""
    loc, log_scale, n = np.array([1.3, -0.4]), np.array([-1.0, 0.3]), 100_000
    variance = 0.5 * np.expm1(2 * log_scale) ** 2 + loc**2 * np.exp(2 * log_scale)
    found = kl_per_dimension(loc, log_scale, n, np.random.default_rng(9))
    np.testing.assert_allclose(found.standard_error, np.sqrt(variance / n), rtol=0.02)
    again = kl_per_dimension(loc, log_scale, n, np.random.default_rng(9))
    np.testing.assert_array_equal(found.mean, again.mean)


def test_one_draw_has_no_error() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        kl_per_dimension([0.0], [0.0], 1, np.random.default_rng(0))


def test_draws_of_a_mixture_have_its_density_and_its_moments() -> None:
    components = [(np.array([1.0, -2.0]), np.log([0.1, 0.4])), (np.array([-0.5, 0.3]), np.log([0.7, 0.2]))]
    x = np.array([1, 0, 1])
    draws = draw_mixture(
        lambda z: np.tile([0.3, -1.0, 2.0], (len(z), 1)), x, components, 20_000, np.random.default_rng(0)
    )
    density = np.mean([stats.norm.pdf(draws.z, m, np.exp(s)).prod(axis=1) for m, s in components], axis=0)
    np.testing.assert_allclose(draws.log_q_z_given_x, np.log(density), atol=1e-10)
    np.testing.assert_allclose(draws.log_p_z, stats.norm.logpdf(draws.z).sum(axis=1), atol=1e-12)
    mean = np.mean([m for m, _ in components], axis=0)
    assert draws.z.mean(axis=0) == pytest.approx(mean, abs=4.5 * draws.z.std() / np.sqrt(20_000))
    assert np.exp(widened(components)[0][1]) == pytest.approx([0.15, 0.6])
