"""Units against codes of known length, ranks against scipy's, the grey pixel's missing constant against quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from demo.densities import log_bernoulli
from demo.units import bits, bits_per_pixel, grey_log_mass, percentile


def test_a_fair_coin_is_one_bit() -> None:
    assert bits(np.log(2)) == pytest.approx(1, rel=1e-15)
    assert bits(0) == 0
    assert bits(-np.log(8)) == pytest.approx(-3, rel=1e-15)


@pytest.mark.parametrize("pixels", [1, 4, 784])
def test_uniform_images_cost_one_bit_a_pixel(pixels: int) -> None:
    assert bits_per_pixel(float(np.log(0.5**pixels)), pixels) == pytest.approx(1, rel=1e-14)


def test_bits_per_pixel_is_the_length_of_the_perfect_code() -> None:
    """Independent pixels of probability λ: on average their entropy, by scipy."""
    x = np.array([1, 0, 0, 0])
    log_p_x = float(log_bernoulli(x, np.full(4, special.logit(0.25))))
    assert bits_per_pixel(log_p_x, 4) == pytest.approx(stats.entropy([0.25, 0.75], base=2), rel=1e-14)


@pytest.mark.parametrize("pixels", [0, -1])
def test_no_pixels_have_no_bits(pixels: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bits_per_pixel(-1.0, pixels)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(-6, 6))
def test_percentile_is_scipys_mean_rank(scores: list[int], value: int) -> None:
    assert percentile(value, scores) == pytest.approx(stats.percentileofscore(scores, value, kind="mean") / 100)


def test_percentile_of_ties_and_ends() -> None:
    assert percentile(3, np.full(7, 3.0)) == 0.5
    assert percentile(-1, np.arange(10)) == 0
    assert percentile(10, np.arange(10)) == 1
    assert percentile(-np.inf, np.arange(10)) == 0


@pytest.mark.parametrize(("value", "scores"), [(0.0, []), (np.nan, [1.0]), (0.0, [1.0, np.nan])])
def test_percentile_needs_numbers(value: float, scores: list[float]) -> None:
    with pytest.raises(ValueError, match="no NaN"):
        percentile(value, scores)


@pytest.mark.parametrize("logit", [0.0, 1e-300, 1e-9, -1e-4, 1e-3, 0.1, -1.0, 3.0, 20.0, -35.0, 300.0])
def test_the_mass_of_a_grey_pixel_is_scipys_integral(logit: float) -> None:
    """exp(−BCE) as it is defined, in probabilities' logarithms; its layer at one end has the width 1/|l|."""
    edge = min(1, 20 / max(abs(logit), 1e-9))
    mass, error = integrate.quad(
        lambda x: np.exp(x * special.log_expit(logit) + (1 - x) * special.log_expit(-logit)),
        0,
        1,
        points=[edge, 1 - edge],
        epsabs=0,
        epsrel=1e-12,
        limit=200,
    )
    assert error < 1e-10
    assert grey_log_mass([logit]) == pytest.approx(np.log(mass), abs=1e-11)


@pytest.mark.parametrize("lam", [0.1, 0.49, 0.4999999, 0.51, 0.9])
def test_the_mass_is_the_papers_formula_and_far_from_one(lam: float) -> None:
    expected = (2 * lam - 1) / special.logit(lam)
    assert float(grey_log_mass([special.logit(lam)])) == pytest.approx(np.log(expected), rel=1e-7)
    assert expected <= 0.5


def test_the_mass_of_an_image_is_an_integral_over_all_images_of_it() -> None:
    """Two pixels, integrated over the square by scipy; and the axis that is summed is the last."""
    logits = np.array([0.7, -2.0])
    mass, _ = integrate.dblquad(lambda a, b: float(np.exp(log_bernoulli(np.array([a, b]), logits))), 0, 1, 0, 1)
    assert float(grey_log_mass(logits)) == pytest.approx(np.log(mass), abs=1e-9)
    batch = np.random.default_rng(0).normal(0, 4, (3, 5, 7))
    total = grey_log_mass(batch)
    assert total.shape == (3, 5)
    assert total[1, 2] == pytest.approx(sum(float(grey_log_mass([value])) for value in batch[1, 2]))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=9))
def test_no_image_has_more_than_half_its_mass_a_pixel(logits: list[float]) -> None:
    total = float(grey_log_mass(logits))
    assert np.isfinite(total)
    assert total <= -len(logits) * np.log(2) + 1e-12
    assert total == pytest.approx(float(grey_log_mass(np.negative(logits))), rel=1e-15)
