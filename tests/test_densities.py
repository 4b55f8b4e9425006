"""Every density integrates to 1 with its constant, and each closed form agrees with another computation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import integrate, special, stats

from demo.densities import (
    kl_to_prior,
    kl_to_prior_per_dimension,
    log_bernoulli,
    log_normal,
    log_standard_normal,
    sigmoid,
    sum_softplus,
)

finite = st.floats(-30, 30)


def test_prior_mass_is_one_in_one_dimension() -> None:
    mass, _ = integrate.quad(lambda z: float(np.exp(log_standard_normal([z]))), -np.inf, np.inf)
    assert mass == pytest.approx(1, abs=1e-9)


def test_prior_mass_is_one_in_the_plane() -> None:
    axis = np.linspace(-9, 9, 181)
    z = np.stack(np.meshgrid(axis, axis), axis=-1)
    values = np.exp(log_standard_normal(z))
    assert integrate.simpson(integrate.simpson(values, x=axis), x=axis) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_log_standard_normal_is_scipys(d: int) -> None:
    z = np.random.default_rng(d).normal(0, 3, (5, d))
    expected = stats.multivariate_normal(np.zeros(d), np.eye(d)).logpdf(z)
    np.testing.assert_allclose(log_standard_normal(z), expected, rtol=1e-12)
    np.testing.assert_allclose(log_normal(z, np.zeros(d), np.zeros(d)), expected, rtol=1e-12)


@pytest.mark.parametrize(("loc", "log_scale"), [(0.0, 0.0), (-3.0, -4.0), (2.0, 1.5), (100.0, -1.0)])
def test_log_normal_integrates_to_one_with_its_constant(loc: float, log_scale: float) -> None:
    scale = np.exp(log_scale)
    mass, _ = integrate.quad(
        lambda z: float(np.exp(log_normal([z], [loc], [log_scale]))), loc - 12 * scale, loc + 12 * scale, points=[loc]
    )
    assert mass == pytest.approx(1, abs=1e-9)


def test_log_normal_is_a_product_over_dimensions_and_broadcasts() -> None:
    rng = np.random.default_rng(0)
    z, loc, log_scale = rng.normal(size=(6, 1, 3)), rng.normal(size=(4, 3)), rng.normal(size=3)
    expected = stats.norm(loc, np.exp(log_scale)).logpdf(z).sum(axis=-1)
    actual = log_normal(z, loc, log_scale)
    assert actual.shape == (6, 4)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("z", [[0.3, -2.0], np.zeros((3, 2)), np.zeros((0, 2)), np.zeros((2, 5, 2))])
def test_one_number_an_example(z: object) -> None:
    z = np.asarray(z, float)
    for value in (log_standard_normal(z), log_normal(z, 0 * z, 0 * z), kl_to_prior(z, z), sum_softplus(z)):
        assert value.shape == z.shape[:-1]
        assert value.dtype == np.float64
    assert log_bernoulli(np.ones(2), z).shape == z.shape[:-1]


def sum_logaddexp(logits: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, np.asarray(logits, np.float64)).sum(axis=-1)


@pytest.mark.parametrize("pixels", [1, 2, 511, 512, 513, 784, 1023, 1024, 1025, 2000])
@pytest.mark.parametrize("rows", [0, 1, 95, 96, 97, 193])
def test_sum_softplus_whatever_the_blocks(pixels: int, rows: int) -> None:
    logits = np.random.default_rng(pixels).normal(0, 8, (rows, pixels))
    np.testing.assert_allclose(sum_softplus(logits), sum_logaddexp(logits), rtol=1e-13, atol=1e-13)
    in_float32 = logits.astype(np.float32)
    np.testing.assert_allclose(sum_softplus(in_float32), sum_logaddexp(in_float32), rtol=1e-9, atol=3e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, int])
@pytest.mark.parametrize("fill", [0.0, -0.0, 1.0, -1.0, 1e4, -1e4, 88.0, -88.0, -104.0, 709.0, -745.0])
def test_sum_softplus_of_equal_and_extreme_logits(dtype: type, fill: float) -> None:
    logits = np.full((2, 784), fill).astype(dtype)
    np.testing.assert_allclose(sum_softplus(logits), sum_logaddexp(logits), rtol=1e-14, atol=784 * 6e-8)
    if dtype != np.float32:
        np.testing.assert_allclose(sum_softplus(logits), sum_logaddexp(logits), rtol=1e-13, atol=1e-12)


@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.floats(-1e4, 1e4)))
def test_sum_softplus_of_anything(logits: np.ndarray) -> None:
    np.testing.assert_allclose(sum_softplus(logits), sum_logaddexp(logits), rtol=1e-13, atol=1e-13)


def test_sum_softplus_costs_float32_at_most_what_it_says() -> None:
    """Equal pixels add the roundings of exp up; this is the worst that we could find."""
    fills = np.linspace(-8, 8, 4001).astype(np.float32)
    logits = np.repeat(fills[:, None], 784, axis=1)
    assert np.abs(sum_softplus(logits) - sum_logaddexp(logits)).max() <= 784 * 6e-8


def test_sum_softplus_leaves_its_argument_alone() -> None:
    logits = np.array([[1.0, -2.0]])
    logits.setflags(write=False)
    sum_softplus(logits)
    assert logits.tolist() == [[1.0, -2.0]]


def every_image(pixels: int) -> np.ndarray:
    return np.array(list(itertools.product((0, 1), repeat=pixels)))


@given(arrays(np.float64, 4, elements=finite))
def test_a_four_pixel_model_summed_over_all_sixteen_images_is_one(logits: np.ndarray) -> None:
    assert np.exp(log_bernoulli(every_image(4), logits)).sum() == pytest.approx(1, abs=1e-12)


def test_a_four_pixel_latent_model_sums_to_one_and_so_does_each_marginal() -> None:
    """Σ_x ∫ p(z) p(x|z) dz = 1, the integral by Simpson's rule, for a small nonlinear decoder."""
    rng = np.random.default_rng(1)
    hidden, out = rng.normal(0, 1.5, (2, 6)), rng.normal(0, 1.5, (6, 4))
    axis = np.linspace(-8, 8, 161)
    z = np.stack(np.meshgrid(axis, axis), axis=-1)
    joint = np.exp(log_standard_normal(z) + log_bernoulli(every_image(4)[:, None, None], np.tanh(z @ hidden) @ out))
    p_x = integrate.simpson(integrate.simpson(joint, x=axis), x=axis)
    assert p_x.shape == (16,)
    assert (p_x > 0).all()
    assert p_x.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("x_type", [bool, np.uint8, int, float, np.float32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_bernoulli_is_scipys_and_broadcasts(x_type: type, dtype: type) -> None:
    rng = np.random.default_rng(2)
    x, logits = rng.random((5, 1, 9)) < 0.5, rng.normal(0, 4, (7, 9)).astype(dtype)
    expected = stats.bernoulli(special.expit(logits.astype(np.float64))).logpmf(x.astype(int)).sum(axis=-1)
    actual = log_bernoulli(x.astype(x_type), logits)
    assert actual.shape == (5, 7)
    np.testing.assert_allclose(actual, expected, rtol=1e-6 if dtype == np.float32 else 1e-10)


def test_log_bernoulli_does_not_clamp() -> None:
    """A pixel of logit −40 with ink costs 40 nats; a clamped probability would charge 16 at most."""
    assert log_bernoulli([1], [-40.0]) == pytest.approx(-40, abs=1e-12)
    assert log_bernoulli([0, 1], [-40.0, 40.0]) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("loc", "log_scale"), [(0.0, 0.0), (1.7, -2.0), (-4.0, -4.5), (0.3, 1.1), (0.0, 1e-3)])
def test_kl_to_prior_is_the_integral_it_stands_for(loc: float, log_scale: float) -> None:
    q, p = stats.norm(loc, np.exp(log_scale)), stats.norm()
    reach = 15 * np.exp(log_scale)
    expected, _ = integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), loc - reach, loc + reach, points=[loc], epsabs=1e-12
    )
    assert float(kl_to_prior_per_dimension(loc, log_scale)) == pytest.approx(expected, abs=1e-9)


def test_kl_to_prior_agrees_with_monte_carlo() -> None:
    rng = np.random.default_rng(3)
    loc, log_scale = np.array([0.8, -1.5, 0.0]), np.array([-1.0, 0.2, -3.0])
    z = loc + np.exp(log_scale) * rng.standard_normal((200_000, 3))
    ratio = stats.norm(loc, np.exp(log_scale)).logpdf(z).sum(axis=1) - stats.norm().logpdf(z).sum(axis=1)
    assert float(kl_to_prior(loc, log_scale)) == pytest.approx(ratio.mean(), abs=4 * ratio.std() / np.sqrt(len(z)))


@given(arrays(np.float64, 3, elements=st.floats(-10, 10)), arrays(np.float64, 3, elements=st.floats(-10, 5)))
def test_kl_to_prior_is_never_negative_and_adds_over_dimensions(loc: np.ndarray, log_scale: np.ndarray) -> None:
    parts = kl_to_prior_per_dimension(loc, log_scale)
    assert parts.shape == (3,)
    assert (parts >= -1e-15).all()
    assert float(kl_to_prior(loc, log_scale)) == pytest.approx(sum(parts.tolist()), rel=1e-14)


def test_kl_to_prior_is_zero_at_the_prior_and_only_there() -> None:
    assert float(kl_to_prior(np.zeros(40), np.zeros(40))) == 0
    for loc, log_scale in ((1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)):
        assert float(kl_to_prior([loc], [log_scale])) > 1e-7


@given(st.floats(-1e4, 1e4))
def test_sigmoid_is_scipys(logit: float) -> None:
    assert float(sigmoid(logit)) == pytest.approx(float(special.expit(logit)), rel=1e-13, abs=1e-300)


def test_sigmoid_keeps_shape_and_symmetry() -> None:
    logits = np.random.default_rng(4).normal(0, 9, (3, 4, 5)).astype(np.float32)
    assert sigmoid(logits).shape == logits.shape
    assert sigmoid(logits).dtype == np.float64
    np.testing.assert_allclose(sigmoid(logits) + sigmoid(-logits), 1, rtol=1e-15)
