"""Theorems of the toys: Z and ∫_A f by SciPy and in closed form, samples that keep to p, costs in exact integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from demo import toys
from demo.toys import BY_NAME, TOYS, Region, Toy

ids = [toy.name for toy in TOYS]
REGIONS: dict[int, tuple[Region, ...]] = {
    1: (((-0.7, 1.9),), ((-5.0, 5.0),), ((0.33, 0.34),)),
    2: (((-0.5, 2.5), (-2.0, 0.5)), ((-5.0, 5.0), (-5.0, 5.0)), ((1.0, 1.1), (-5.0, 5.0))),
}


def f(toy: Toy, *x: float) -> float:
    return float(np.exp(toy.log_density(np.array([x]))[0]))


@cache
def by_scipy(toy: Toy, region: Region) -> float:
    """∫_A f by quad along a line, and by Simpson's rule on 601 × 601 points in the plane."""
    if toy.dimension == 1:
        return integrate.quad(lambda x: f(toy, x), *region[0], limit=400, epsabs=1e-12, epsrel=1e-11)[0]
    axes = [np.linspace(a, b, 601) for a, b in region]
    values = np.exp(toy.log_density(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)))
    return float(integrate.simpson(integrate.simpson(values.reshape(601, 601), x=axes[1]), x=axes[0]))


CASES = [(toy, region) for toy in TOYS for region in REGIONS[toy.dimension]]


@pytest.mark.parametrize(("toy", "region"), CASES, ids=[f"{t.name} {r}" for t, r in CASES])
def test_the_reference_is_what_scipy_finds(toy: Toy, region: Region) -> None:
    found = toys.reference(toy, region)
    assert math.exp(found.log_value) == pytest.approx(by_scipy(toy, region), rel=1e-6)
    assert 0 <= found.error < 1e-4


def test_dblquad_agrees_in_the_plane() -> None:
    toy = BY_NAME["bumps2"]
    value = integrate.dblquad(lambda y, x: f(toy, x, y), -0.5, 2.5, -2.0, 0.5, epsabs=1e-8, epsrel=1e-8)[0]
    assert math.exp(toys.reference(toy, REGIONS[2][0]).log_value) == pytest.approx(value, rel=1e-7)


def test_z_in_closed_form() -> None:
    root = math.sqrt(2 * math.pi)
    ratio = 2.5 / 0.35
    known = {
        "bumps1": root * (1 * 0.5 + 2.5 * 0.35 + 0.7 * 0.5),
        "bumps2": root**2 * (1 * 0.6**2 + 2 * 0.5**2 + 0.6 * 0.6**2),
        # ∫ 2πr exp(−(r − r₀)²/2w²) dr over r > 0
        "ring": 2 * math.pi * (2.5 * 0.35 * root * special.ndtr(ratio) + 0.35**2 * math.exp(-0.5 * ratio**2)),
    }
    for name, z in known.items():
        assert math.exp(toys.reference(BY_NAME[name]).log_value) == pytest.approx(z, rel=1e-6)


def test_hardly_anything_lies_outside_the_box() -> None:
    for toy in TOYS:
        wide: Region = ((-9.0, 9.0),) * toy.dimension
        outside = -math.expm1(toys.reference(toy).log_value - math.log(by_scipy(toy, wide)))
        assert abs(outside) < 1e-6, toy.name


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_z_converges(toy: Toy) -> None:
    table = toys.convergence(toy)
    z = by_scipy(toy, toy.box)
    assert table.error == pytest.approx(np.abs(table.value / z - 1), abs=1e-6)
    assert table.error[table.n >= 40].max() < 1e-3
    assert table.error[table.n == 200] < 1e-6
    assert table.error[0] > 0.1  # two cells an axis do not do
    for n, value in zip(table.n.astype(int), table.value, strict=True):
        assert math.log(value) == pytest.approx(toys.log_normaliser(toy, n), abs=1e-12)


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_the_midpoint_rule_is_a_plain_sum(toy: Toy) -> None:
    n, h = 7, 10 / 7
    total = sum(f(toy, *(-5 + (k + 0.5) * h for k in cell)) for cell in product(range(n), repeat=toy.dimension))
    assert math.exp(toys.log_normaliser(toy, n)) == pytest.approx(total * h**toy.dimension, rel=1e-12)


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_p_of_a_region_is_that_of_scipy(toy: Toy) -> None:
    for region in REGIONS[toy.dimension][:2]:
        exact = by_scipy(toy, region) / by_scipy(toy, toy.box)
        assert toys.probability(toy, region, 200) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("n", [2, 3, 40, 199])
@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_p_is_a_probability_at_any_resolution(toy: Toy, n: int) -> None:
    rest = toy.box[1:]
    parts = [toys.probability(toy, ((a, b), *rest), n) for a, b in ((-5.0, -1.3), (-1.3, 0.45), (0.45, 5.0))]
    assert sum(parts) == pytest.approx(1, abs=1e-12)
    assert min(parts) >= 0
    assert toys.probability(toy, toy.box, n) == pytest.approx(1, abs=1e-12)
    assert toys.probability(toy, ((0.4, 0.4), *rest), n) == 0
    assert toys.log_mass(toy, ((0.4, 0.4), *rest), n) == -math.inf
    assert toys.log_mass(toy, ((6.0, 7.0), *rest), n) == -math.inf
    assert toys.reference(toy, ((0.4, 0.4), *rest)) == (-math.inf, 0)


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_the_share_of_samples_is_p_within_four_standard_errors(toy: Toy) -> None:
    region = REGIONS[toy.dimension][0]
    p = by_scipy(toy, region) / by_scipy(toy, toy.box)
    points = toys.sample(toy, 200, 20_000, seed=11)
    share = toys.share(points, region, p)
    assert share.standard_error == pytest.approx(stats.binom(20_000, p).std() / 20_000, rel=1e-9)
    assert abs(share.value - p) < 4 * share.standard_error
    assert share.hits == sum(all(a <= x < b for x, (a, b) in zip(point, region, strict=True)) for point in points)
    assert share.value == share.hits / 20_000
    assert np.array_equal(points, toys.sample(toy, 200, 20_000, seed=11))
    assert not np.array_equal(points, toys.sample(toy, 200, 20_000, seed=12))


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_samples_fall_into_cells_as_often_as_f_says(toy: Toy) -> None:
    n = 6
    points = toys.sample(toy, n, 20_000, seed=3)
    assert np.all(np.abs(points) <= 5)
    cells = np.histogramdd(points, bins=n, range=[(-5, 5)] * toy.dimension)[0].ravel()
    weight = np.exp(toys.log_values(toy, n))
    p = weight / weight.sum()
    rare = p * 20_000 < 10
    observed, expected = (np.append(v[~rare], v[rare].sum()) for v in (cells, p * 20_000))
    kept = expected > 0.5
    z = (observed - expected)[kept] / np.sqrt(expected[kept])
    assert (z**2).sum() < stats.chi2(max(kept.sum() - 1, 1)).ppf(1 - 1e-5)
    place = (points - -5) / (10 / n) % 1  # where in its cell a point lies: evenly
    assert stats.kstest(place.ravel(), "uniform").pvalue > 1e-5


@pytest.mark.parametrize("toy", TOYS, ids=ids)
def test_the_nearest_normal_has_the_moments_and_a_divergence_of_scipys(toy: Toy) -> None:
    axes = [np.linspace(-5, 5, 1001 if toy.dimension == 1 else 401)] * toy.dimension
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, toy.dimension)
    p = np.exp(toy.log_density(x))
    p /= p.sum()
    found = toys.best_normal(toy)
    assert found.loc == pytest.approx(np.average(x, axis=0, weights=p), abs=1e-6)
    covariance = np.atleast_2d(np.cov(x.T, aweights=p, ddof=0))
    assert found.scale == pytest.approx(np.sqrt(covariance.diagonal()), rel=1e-6)
    log_p = toy.log_density(x) - math.log(by_scipy(toy, toy.box))

    def divergence(loc: NDArray, scale: NDArray) -> float:
        return float(p @ (log_p - stats.norm(loc, scale).logpdf(x).sum(-1)))

    assert found.kl == pytest.approx(divergence(found.loc, found.scale), abs=1e-5)
    for nudge in (0.97, 1.03):
        assert divergence(found.loc, found.scale * nudge) > found.kl
        assert divergence(found.loc + nudge - 1, found.scale) > found.kl


@pytest.mark.parametrize("n", [2, 3, 10, 40, 200])
@pytest.mark.parametrize("d", [1, 2, 3, 10, 784])
def test_counts_agree_with_exact_integers(n: int, d: int) -> None:
    exact = n**d
    assert toys.log10_evaluations(n, d) == pytest.approx(math.log10(exact), rel=1e-13)
    rate = 2_500_000
    seconds = math.log10(exact) - math.log10(rate)
    assert toys.log10_seconds(n, d, rate) == pytest.approx(seconds, abs=1e-9)
    amount, unit = toys.in_human_terms(toys.log10_seconds(n, d, rate))
    scale = {name: size for size, name in toys._UNITS}[unit]
    assert amount + math.log10(scale) == pytest.approx(seconds, abs=1e-9)
    assert amount >= 0 or unit == "microseconds"


@pytest.mark.parametrize(
    ("seconds", "amount", "unit"),
    [
        (4e-8, 0.04, "microseconds"),
        (0.5, 500, "milliseconds"),
        (59.0, 59, "seconds"),
        (61.0, 61 / 60, "minutes"),
        (86_400 * 3.0, 3, "days"),
        (365.25 * 86_400 * 7, 7, "years"),
        (365.25 * 86_400 * 13.8e9 * 50, 50, "ages of the universe"),
    ],
)
def test_durations_in_human_terms(seconds: float, amount: float, unit: str) -> None:
    log10, name = toys.in_human_terms(math.log10(seconds))
    assert (10**log10, name) == (pytest.approx(amount, rel=1e-9), unit)


@pytest.mark.parametrize(("n", "d"), [(2, 1), (200, 3), (40, 2), (9, 11), (10, 12), (40, 10), (2, 784), (200, 784)])
def test_counts_in_words_are_the_leading_digits_of_the_integer(n: int, d: int) -> None:
    shown, exact = toys.count_in_words(toys.log10_evaluations(n, d)), n**d
    digits = str(exact)
    if exact < 10**12:
        assert shown == f"{exact:,}"
    else:
        tenths = (int(digits[:3]) + 5) // 10
        superscript = str(len(digits) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        assert shown == f"{tenths / 10:.1f} × 10{superscript}"


def test_a_count_never_shows_ten_before_its_power() -> None:
    assert toys.count_in_words(math.log10(9.97e15)) == "1.0 × 10¹⁶"
    assert toys.count_in_words(math.log10(9.94e15)) == "9.9 × 10¹⁵"


def test_durations_in_words() -> None:
    assert toys.duration_in_words(math.log10(90)) == "1.5 minutes"
    assert toys.duration_in_words(math.log10(90e-3)) == "90 milliseconds"
    assert (
        toys.duration_in_words(1000 + math.log10(2 * 13.8e9 * 365.25 * 86_400)) == "2.0 × 10¹⁰⁰⁰ ages of the universe"
    )


def test_a_rate_is_points_by_the_best_time() -> None:
    ticks = iter([0.0, 3.0, 3.0, 5.0, 5.0, 9.0, 9.0, 12.0, 12.0, 15.0])
    calls: list[NDArray] = []

    def counted(x: NDArray) -> NDArray:
        calls.append(x)
        return x[:, 0]

    clock: Callable[[], float] = lambda: next(ticks)  # noqa: E731
    assert toys._rate(counted, 3, clock) == 10_000 / 2.0
    assert {x.shape for x in calls} == {(10_000, 3)}


def test_measured_rates_are_of_this_process() -> None:
    rates = toys.measured_rates()
    assert set(rates) == {1, 2, 3}
    assert all(1e3 < rate < 1e10 for rate in rates.values())
    assert toys.measured_rates() is rates


@pytest.mark.parametrize("contrast", [0.0, 1.0, 40.0, -900.0])
def test_sixteen_images_sum_to_one(contrast: float) -> None:
    logits = contrast * np.array([1.1, -0.6, -0.9, 0.4])
    found = toys.bernoulli_total(logits)
    assert found.total == pytest.approx(1, abs=1e-12)
    assert sorted(map(tuple, found.images)) == sorted(product((0.0, 1.0), repeat=4))
    for image, p in zip(found.images, found.probability, strict=True):
        exact = math.prod(special.expit(logit if pixel else -logit) for pixel, logit in zip(image, logits, strict=True))
        assert p == pytest.approx(exact, rel=1e-9, abs=1e-300)


def test_the_networks_are_what_their_formula_says() -> None:
    for name, d, seed in (("net1", 1, 2), ("net2", 2, 1)):
        rng = np.random.default_rng(seed)
        W, b, v = rng.normal(0, 1.6, (d, 16)), rng.normal(0, 2.0, 16), rng.normal(0, 1.7, 16)
        assert BY_NAME[name].parameters == W.size + b.size + v.size
        x = np.linspace(-1, 2, d)
        height = 1 + sum(v[k] * math.tanh(x @ W[:, k] + b[k]) for k in range(16)) - 0.7 * float(x @ x)
        assert BY_NAME[name].log_density(x[None])[0] == pytest.approx(height, abs=1e-12)


def test_the_registry_is_sound() -> None:
    assert len(BY_NAME) == len(TOYS)
    assert {toy.dimension for toy in TOYS} == {1, 2}
    for toy in TOYS:
        assert toy.box == ((-5.0, 5.0),) * toy.dimension
        assert not toys.log_values(toy, 5).flags.writeable
