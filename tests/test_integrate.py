"""Each rule against antiderivatives, which it does not share: exact where it claims to be, honest where it errs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import integrate, special, stats

from demo.integrate import (
    AdaptiveIntegral,
    Cells,
    Grid,
    LogFunction,
    Refinement,
    adaptive_integral,
    gauss_hermite,
    gauss_legendre,
    hermite_rules,
    lattice_rules,
    log_integral,
    log_sum_exp,
    settled_mean,
)


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.floats(-800, 800)))
def test_log_sum_exp_is_scipys(a: np.ndarray) -> None:
    for axis in (None, 0, 1, -1):
        np.testing.assert_allclose(log_sum_exp(a, axis), special.logsumexp(a, axis=axis), rtol=1e-13, atol=1e-13)


def test_log_sum_exp_of_nothing_but_zeros_is_minus_infinity() -> None:
    assert log_sum_exp([-np.inf, -np.inf]) == -np.inf
    np.testing.assert_array_equal(log_sum_exp([[-np.inf, -np.inf], [0.0, -np.inf]], axis=-1), [-np.inf, 0])
    assert log_sum_exp([1e6, 1e6]) == pytest.approx(1e6 + np.log(2), rel=1e-15)
    assert log_sum_exp([np.inf, 0.0]) == np.inf
    assert np.isnan(log_sum_exp([np.nan, 0.0]))


def test_log_integral_weighs_each_node() -> None:
    values, weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0.2, 0.5, 3.0])
    np.testing.assert_allclose(log_integral(np.log(values), weights), np.log(values @ weights), rtol=1e-14)
    for shape in ((3,), (2, 1, 3), (4, 1, 2, 3)):
        log_f = np.resize(np.log(values), shape)
        np.testing.assert_allclose(log_integral(log_f, weights), np.log(np.exp(log_f) @ weights), rtol=1e-14)


def normal_moment(k: int) -> float:
    return 0.0 if k % 2 else float(special.factorial2(k - 1)) if k else 1.0


@pytest.mark.parametrize("order", [1, 2, 3, 4, 8, 24])
def test_gauss_hermite_is_exact_below_twice_its_order(order: int) -> None:
    nodes, weights = gauss_hermite(order, 1)
    assert nodes.shape == (order, 1)
    for k in range(2 * order):
        assert weights @ nodes[:, 0] ** k == pytest.approx(
            normal_moment(k), rel=1e-11, abs=1e-11 * normal_moment(k + k % 2)
        )
    k = 2 * order
    if order < 9:
        assert weights @ nodes[:, 0] ** k != pytest.approx(normal_moment(k), rel=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6, 8])
def test_gauss_legendre_is_exact_below_twice_its_order(order: int) -> None:
    nodes, weights = gauss_legendre(order, 1)
    assert (np.abs(nodes) < 0.5).all()
    for k in range(2 * order + 2):
        mean = 0.0 if k % 2 else 0.5**k / (k + 1)
        exact = abs(float(weights @ nodes[:, 0] ** k) - mean) < 1e-15
        assert exact == (k < 2 * order or k % 2 == 1)


@pytest.mark.parametrize("rule", [gauss_hermite, gauss_legendre])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_tensor_rules_factor(rule: object, d: int) -> None:
    nodes, weights = rule(5, d)  # type: ignore[operator]
    line, line_weights = rule(5, 1)  # type: ignore[operator]
    assert nodes.shape == (5**d, d)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    powers = (2, 4, 6)[:d]
    product = np.prod([line_weights @ line[:, 0] ** k for k in powers])
    assert weights @ np.prod(nodes ** np.array(powers), axis=1) == pytest.approx(product, rel=1e-12)


def test_grid_says_where_its_points_are() -> None:
    grid = Grid(half_width=2, n=5)
    assert grid.axis.tolist() == [-2, -1, 0, 1, 2]
    assert grid.step == 1
    assert grid.points.shape == (25, 2)
    z1, z2 = grid.points.T.reshape(2, 5, 5)
    assert z1[3].tolist() == grid.axis.tolist()
    assert z2[:, 3].tolist() == grid.axis.tolist()
    assert Grid().step == pytest.approx(0.05)
    assert Grid().n == 201
    assert Grid(2, 9).log_cell == pytest.approx(np.log(0.25))


@pytest.mark.parametrize("sd", [0.1, 0.4, 0.9])
def test_grid_integrates_a_normal_to_one(sd: float) -> None:
    grid = Grid(6, 241)
    log_f = stats.norm(0.3, sd).logpdf(grid.points).sum(axis=1)
    assert float(grid.log_integral(log_f)) == pytest.approx(0, abs=1e-8)
    assert grid.log_integral(np.stack([log_f, log_f + 1])).tolist() == pytest.approx([0, 1], abs=1e-8)


def tiles(low: int, high: int, width: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    axis = width * (np.arange(low, high) + 0.5)
    z2, z1 = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([z1.ravel(), z2.ravel()], axis=-1), np.full(z1.size, width)


def normal(loc: object, sd: object, rho: float = 0.0) -> LogFunction:
    """Log-density of a bivariate normal, written out here and not taken from the site."""
    loc, sd = np.asarray(loc, float), np.asarray(sd, float)

    def log_f(z: np.ndarray) -> np.ndarray:
        u, v = ((z - loc) / sd).T
        square = (u**2 - 2 * rho * u * v + v**2) / (1 - rho**2)
        return -0.5 * square - np.log(2 * np.pi * sd[0] * sd[1] * np.sqrt(1 - rho**2))

    return log_f


def honest(integral: AdaptiveIntegral, exact: float) -> bool:
    """The error told is no strict bound: on these needles the true one was up to 12 times as large."""
    return abs(integral.value - exact) <= 20 * integral.error + 1e-9


def test_cells_quarter_into_four_that_tile_them() -> None:
    cells = Cells.integrate(normal((0.1, 0.2), (0.3, 0.2)), *tiles(-2, 2), order=4)
    centres, widths = cells.quarters()
    assert centres.shape == (64, 2)
    assert (widths == 0.025).all()
    np.testing.assert_allclose(centres.reshape(-1, 4, 2).mean(axis=1), cells.centres, atol=1e-15)
    assert len({tuple(c) for c in centres.round(12).tolist()}) == 64
    assert np.abs(centres.reshape(-1, 4, 2) - cells.centres[:, None]) == pytest.approx(0.0125)


def test_cells_hold_the_mass_of_their_square() -> None:
    loc, sd = np.array([0.1, -0.2]), np.array([0.3, 0.2])
    cells = Cells.integrate(normal(loc, sd), *tiles(-9, 7, 0.1), order=5)
    edges = stats.norm(loc, sd)
    half = cells.widths[:, None] / 2
    mass = (edges.cdf(cells.centres + half) - edges.cdf(cells.centres - half)).prod(axis=1)
    np.testing.assert_allclose(np.exp(cells.log_mass), mass, rtol=1e-7, atol=1e-15)
    both = cells[np.array([0, 1])] + cells[np.array([5])]
    assert len(both) == 3
    np.testing.assert_array_equal(both.log_mass, cells.log_mass[[0, 1, 5]])
    np.testing.assert_array_equal(both.centres, cells.centres[[0, 1, 5]])


def test_no_cells_add_nothing() -> None:
    cells = Cells.integrate(normal((0.1, 0.2), (0.3, 0.2)), *tiles(-2, 2), order=4)
    assert len(Cells.none()) == 0
    for both in (Cells.none() + cells, cells + Cells.none()):
        for part in ("centres", "widths", "log_mass"):
            np.testing.assert_array_equal(getattr(both, part), getattr(cells, part))


@pytest.mark.parametrize("order", [3, 4, 5])
def test_squares_meet_the_exponential_of_a_low_polynomial_exactly(order: int) -> None:
    """log f of degree below `order` in each coordinate is interpolated without error: no evaluation is wasted on it."""
    coefficients = np.random.default_rng(order).normal(0, 2, (order, order))

    def log_f(z: np.ndarray) -> np.ndarray:
        return np.polynomial.polynomial.polyval2d(z[:, 0], z[:, 1], coefficients)

    centres, widths = tiles(0, 4, 0.25)
    cells = Cells.integrate(log_f, centres, widths, order)
    for (c1, c2), w, log_mass in zip(centres, widths, cells.log_mass, strict=True):
        exact, _ = integrate.dblquad(
            lambda y, x: np.exp(log_f(np.array([[x, y]]))[0]), c1 - w / 2, c1 + w / 2, c2 - w / 2, c2 + w / 2
        )
        assert log_mass == pytest.approx(np.log(exact), abs=1e-10)


def test_a_narrow_normal_density_is_met_from_wide_squares() -> None:
    sd = 0.004
    integral = adaptive_integral(lambda z: stats.norm.logpdf(z, 0.41, sd).sum(-1), *tiles(0, 4, 0.25))
    assert integral.value == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("sd", [3e-3, 5e-3, 1e-2, 3e-2, 0.1, 0.2])
@pytest.mark.parametrize("loc", [(0.0, 0.0), (0.025, 0.025), (0.049, 0.01), (-0.11, 0.0371)])
def test_adaptive_integral_of_a_needle(sd: float, loc: tuple[float, float]) -> None:
    side = 12 if sd < 0.05 else 30
    box = 0.05 * side
    integral = adaptive_integral(normal(loc, (sd, sd)), *tiles(-side, side))
    edges = stats.norm(loc, sd)
    exact = np.log(np.prod(edges.cdf(box) - edges.cdf(-box)))
    assert integral.value == pytest.approx(exact, abs=1e-4)
    assert honest(integral, exact)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.floats(-2.3, -0.9), st.floats(-2.3, -0.9), st.floats(-0.9, 0.9), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))
def test_adaptive_integral_of_correlated_needles(a: float, b: float, rho: float, z1: float, z2: float) -> None:
    """Where the narrowest cut through the normal is a fifteenth of a square or wider, as trained posteriors are."""
    sd = np.array([10**a, 10**b])
    if sd.min() * np.sqrt(1 - rho**2) < 0.05 / 15:
        sd *= 0.05 / 15 / (sd.min() * np.sqrt(1 - rho**2))
    side = int(np.ceil((0.25 + 7 * sd.max()) / 0.05))
    integral = adaptive_integral(normal((z1, z2), sd, rho), *tiles(-side, side))
    assert abs(integral.value) <= 1e-3
    assert abs(integral.value) <= 30 * integral.error + 1e-9 or abs(integral.value) < 2e-5


def test_squares_that_look_light_at_first_are_looked_at_again() -> None:
    """A thin ridge: in the first round most of its squares seem to hold less than 3e-3 of the total, and hold more."""
    integral = adaptive_integral(normal((0.013, 0.021), (0.052, 0.0054), -0.87), *tiles(-10, 10))
    assert integral.value == pytest.approx(0, abs=2e-4)


def test_many_needles_each_too_light_to_be_split_are_not_called_exact() -> None:
    """900 needles, one in each square, a ninth of a percent of the whole each: an error of 0 would be a lie."""
    sd = 0.004

    def log_f(z: np.ndarray) -> np.ndarray:
        phase = (z / 0.05 - np.floor(z / 0.05) - 0.5) * 0.05
        return normal((0, 0), (sd, sd))(phase) - np.log(900)

    integral = adaptive_integral(log_f, *tiles(-15, 15))
    assert integral.value == pytest.approx(0, abs=1e-3)
    assert honest(integral, 0.0)


def test_refining_further_moves_nothing() -> None:
    log_f = normal((0.031, -0.02), (0.02, 0.012), 0.7)
    coarse = adaptive_integral(log_f, *tiles(-8, 8))
    fine = adaptive_integral(log_f, *tiles(-8, 8), order=8, tolerance=1e-9)
    assert coarse.value == pytest.approx(fine.value, abs=1e-4)
    assert fine.value == pytest.approx(0, abs=1e-9)
    assert fine.error < 1e-9
    assert fine.evaluations > coarse.evaluations


def test_the_report_of_the_work_is_true() -> None:
    calls = []
    log_f = normal((0.01, 0.02), (0.01, 0.01))
    centres, widths = tiles(-5, 5)

    def counted(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return log_f(z)

    integral = adaptive_integral(counted, centres, widths)
    assert integral.evaluations == sum(calls)
    assert calls[0] == 9 * len(centres)
    assert (integral.cells.widths**2).sum() == pytest.approx((widths**2).sum(), rel=1e-12)
    assert float(log_sum_exp(integral.cells.log_mass)) == pytest.approx(integral.value, abs=1e-12)


def test_a_broad_function_is_quartered_once_and_no_more() -> None:
    calls = []

    def counted(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return normal((0, 0), (0.3, 0.3))(z)

    integral = adaptive_integral(counted, *tiles(-40, 40))
    assert len(calls) == 2
    assert integral.error < 1e-6


def test_rounds_are_bounded_and_an_unfinished_integral_says_so() -> None:
    centres, widths = tiles(-2, 2)
    log_f = normal((0.0213, 0.0187), (1e-5, 1e-5))
    unfinished = adaptive_integral(log_f, centres, widths, max_rounds=2)
    assert unfinished.error > 0.1
    assert unfinished.cells.widths.min() == pytest.approx(0.05 / 4)
    assert adaptive_integral(log_f, centres, widths).cells.widths.min() == pytest.approx(0.05 / 2**8)
    none = adaptive_integral(log_f, centres, widths, max_rounds=0)
    assert none.error == np.inf
    assert len(none.cells) == 16


def quartered(
    log_f: LogFunction,
    centres: np.ndarray,
    widths: np.ndarray,
    log_rest: float = -np.inf,
    promised: np.ndarray | None = None,
) -> tuple[AdaptiveIntegral, list[set[tuple[float, ...]]]]:
    """The integral, and the centres of the squares that each round quartered: the means of the nodes asked for."""
    calls: list[np.ndarray] = []

    def noted(z: np.ndarray) -> np.ndarray:
        calls.append(z)
        return log_f(z)

    integral = adaptive_integral(noted, centres, widths, log_rest=log_rest, promised=promised)
    return integral, [rounded(z.reshape(-1, 4 * 9, 2).mean(axis=1)) for z in calls[1:]]


def rounded(centres: np.ndarray) -> set[tuple[float, ...]]:
    return set(map(tuple, (centres.round(9) + 0.0).tolist()))


def midpoints(log_f: LogFunction, centres: np.ndarray, widths: np.ndarray, n: int = 48) -> np.ndarray:
    """∫ f over each square by n² midpoints."""
    side = (np.arange(n) + 0.5) / n - 0.5
    offsets = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    z = centres[:, None] + widths[:, None, None] * offsets
    return np.exp(log_f(z.reshape(-1, 2))).reshape(len(centres), -1).mean(axis=1) * widths**2


def waves_on_the_right(z: np.ndarray) -> np.ndarray:
    """A normal density; where z₁ > 0 it carries waves that no parabola follows over a square of 0.05."""
    return normal((0, 0), (0.12, 0.12))(z) + np.where(z[:, 0] > 0, 1 - np.cos(100 * z[:, 0]), 0)


@pytest.mark.parametrize("rest", [0.0, 2.0])
def test_what_is_quartered_is_what_weighs_and_what_moved(rest: float) -> None:
    """Round by round, with the squares' masses from midpoints and a fifth of a threshold left to either rule."""
    centres, widths = tiles(-14, 14)
    with np.errstate(divide="ignore"):
        integral, rounds = quartered(waves_on_the_right, centres, widths, np.log(rest))
    mass = midpoints(waves_on_the_right, centres, widths)
    total = mass.sum() + rest
    share = mass / total
    first, second = rounded(centres[share > 1.2e-2]), rounded(centres[share > 0.8e-2])
    assert 5 < len(first) < 100
    assert first <= rounds[0] <= second
    cells = Cells.integrate(waves_on_the_right, centres, widths, 3)
    quarters = Cells.integrate(waves_on_the_right, *cells.quarters(), 3)
    moved = np.abs(np.exp(quarters.log_mass).reshape(-1, 4).sum(axis=1) - np.exp(cells.log_mass)) / total
    tested = np.array([tuple(c) in rounds[0] for c in (centres.round(9) + 0.0).tolist()])
    assert rounded(centres[~tested & (share > 1.2e-4)]) <= rounds[1]
    assert not rounds[1] & rounded(centres[tested | (share < 0.8e-4)])
    assert ((moved[tested] > 1.2e-4) & (moved[tested] < 0.8e-2)).sum() >= 5
    quarter_centres = quarters.centres.reshape(-1, 4, 2)
    assert rounded(quarter_centres[tested & (moved > 1.2e-4)].reshape(-1, 2)) <= rounds[1]
    assert not rounds[1] & rounded(quarter_centres[tested & (moved < 0.8e-4)].reshape(-1, 2))
    assert integral.error < 1e-3
    assert integral.value == pytest.approx(np.log(total), abs=1e-4)


def test_the_heaviest_square_is_quartered_whatever_it_holds() -> None:
    centres, widths = tiles(-40, 40)
    _, rounds = quartered(normal((0.31, -0.24), (0.3, 0.3)), centres, widths)
    assert rounds == [{(0.325, -0.225)}]


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("log_rest", [-np.inf, 2.5, 4.0])
@pytest.mark.parametrize("scale", [0.0, 50.0])
def test_the_error_is_the_share_that_quartering_moved(rounds: int, log_rest: float, scale: float) -> None:
    """A bell in the middle of one square: its four quarters are mirror images, so that nothing moved cancels. A factor
    of f changes no share; what lies elsewhere makes every share smaller."""

    def log_f(z: np.ndarray) -> np.ndarray:
        return scale + 3 - 40 * (z**2).sum(axis=1) ** 2

    square = np.zeros((1, 2)), np.ones(1)
    before, after = (
        adaptive_integral(log_f, *square, log_rest=scale + log_rest, max_rounds=n) for n in (rounds - 1, rounds)
    )
    assert after.error > 1e-3
    moved = abs(np.exp(after.value - scale) - np.exp(before.value - scale))
    assert after.error == pytest.approx(moved / np.exp(max(after.value, before.value) - scale), rel=1e-9)


@pytest.mark.parametrize(("side", "tested"), [(10, 1), (4, 64)])
def test_the_first_round_speaks_for_the_squares_that_it_does_not_test(side: int, tested: int) -> None:
    """Squares alike but for a hair, so that of 400 one alone is the heaviest, and of 64 each holds more than 1e-2:
    the error is as if all had been tested."""

    def log_f(z: np.ndarray) -> np.ndarray:
        return -0.5 * np.cos(2 * np.pi / 0.05 * z).sum(axis=1) - 1e-5 * ((z - 0.075) ** 2).sum(axis=1)

    centres, widths = tiles(-side, side)
    told = adaptive_integral(log_f, centres, widths, max_rounds=1)
    assert len(told.cells) == len(widths) + 3 * tested
    cells = Cells.integrate(log_f, centres, widths, 3)
    all_quarters = Cells.integrate(log_f, *cells.quarters(), 3)
    moved = np.exp(log_sum_exp(all_quarters.log_mass)) / np.exp(log_sum_exp(cells.log_mass)) - 1
    assert abs(moved) > 1e-3
    assert told.error == pytest.approx(abs(moved), rel=0.02)


@pytest.mark.parametrize("log_rest", [-np.inf, -20.0, -1.0, 5.0])
def test_what_lies_elsewhere_joins_in(log_rest: float) -> None:
    integral = adaptive_integral(normal((0, 0), (0.02, 0.02)), *tiles(-5, 5), log_rest=log_rest)
    assert integral.value == pytest.approx(np.logaddexp(0, log_rest), abs=1e-5)


# Rules for means under N(0, I) that rise until they settle


@pytest.mark.parametrize("order", [101, 144, 288, 577, 1152])
def test_high_orders_are_scipys_where_the_weight_is(order: int) -> None:
    nodes, weights = gauss_hermite(order, 1)
    expected, mass = special.roots_hermitenorm(order)
    inside = np.abs(expected) <= 9
    # the phase may leave out or take in a node at the very rim, of no weight
    assert abs(len(nodes) - inside.sum()) <= 2
    near = np.abs(expected[:, None] - nodes[:, 0]).argmin(axis=0)
    np.testing.assert_allclose(nodes[:, 0], expected[near], atol=1e-9)
    np.testing.assert_allclose(weights, mass[near] / np.sqrt(2 * np.pi), rtol=1e-7, atol=1e-19)
    assert weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("order", [20, 72, 288])
def test_left_out_nodes_weigh_what_was_allowed_and_are_the_lightest(order: int) -> None:
    nodes, weights = gauss_hermite(order, 2)
    kept, heavy = gauss_hermite(order, 2, negligible=1e-6)
    assert len(kept) < len(nodes)
    assert 0 <= weights.sum() - heavy.sum() <= 1e-6
    lightest = np.sort(weights)[: len(weights) - len(heavy)]
    assert lightest.max() <= heavy.min()
    assert lightest.sum() + heavy.min() > 1e-6, "no more could go"
    rows = {tuple(row) for row in nodes}
    assert all(tuple(row) in rows for row in kept)


def waves(frequency: float) -> Callable[[np.ndarray], np.ndarray]:
    """cos(a·ε) + 3 with |a| = frequency: its mean is exp(−frequency²/2) + 3."""
    return lambda noise: np.cos(noise @ (frequency * np.array([0.6, 0.8]))) + 3


@pytest.mark.parametrize("rules", [lambda: hermite_rules(2), lattice_rules])
@pytest.mark.parametrize("frequency", [0.0, 0.5, 2.0, 6.0])
def test_means_settle_on_their_closed_form(rules: Callable[[], Iterator[Refinement]], frequency: float) -> None:
    asked = []
    g = waves(frequency)

    def counted(noise: np.ndarray) -> np.ndarray:
        asked.append(noise)
        return g(noise)

    mean = settled_mean(counted, rules(), 1e-7)
    assert mean == pytest.approx(np.exp(-(frequency**2) / 2) + 3, abs=2e-7)
    assert max(map(len, asked)) <= 4097, "no more nodes a call than fit the memory"


def test_each_lattice_refines_the_last_and_shares_no_node_with_it() -> None:
    seen: set[tuple[float, float]] = set()
    for i, rule in enumerate(lattice_rules(doublings=4)):
        nodes = {(round(float(a), 9), round(float(b), 9)) for a, b in rule.nodes}
        assert len(nodes) == len(rule.nodes)
        assert not nodes & seen
        assert rule.kept == (0.5 if i else 0.0)
        assert np.linalg.norm(rule.nodes, axis=1).max() <= 6.8
        if i:
            assert len(nodes) == pytest.approx(len(seen), rel=0.05), "the nodes double"
            assert rule.weights.sum() == pytest.approx(0.5, abs=1e-4)
        seen |= nodes


def test_a_rule_that_agrees_by_chance_is_not_believed_where_the_values_are_rough() -> None:
    """Three rules of one node agree exactly; values of 1e6 nats carry float32 roundings that one node cannot tell."""
    rules = [Refinement(0.0, np.zeros((1, 2)), np.ones(1))] * 3 + [
        Refinement(0.0, np.ones((10_000, 2)), np.full(10_000, 1e-4))
    ]
    assert settled_mean(lambda z: 1e6 + z[:, 0], iter(rules), 1e-7) == pytest.approx(1e6 + 1, rel=0, abs=0.01)
    assert settled_mean(lambda z: 1e-3 + z[:, 0], iter(rules), 1e-7) == pytest.approx(1e-3, rel=1e-9)


def test_the_last_rule_stands_where_nothing_settles() -> None:
    rules = [Refinement(0.0, np.full((1, 2), float(k)), np.ones(1)) for k in range(4)]
    assert settled_mean(lambda z: z[:, 0] ** 2, iter(rules), 1e-7) == 9


def test_a_square_that_holds_other_than_promised_is_looked_at_again() -> None:
    """A hundredth is no share to be quartered by itself; here the promise says that three nodes a side missed some."""

    def log_light(z1: NDArray) -> NDArray:
        return np.log(4e-3) + 2 * np.sin(7 * (z1 - 1.5))

    def log_f(z: NDArray) -> NDArray:
        return np.where(z[:, 0] > 1, log_light(z[:, 0]), 0.0)

    centres, widths = np.array([[0.5, 0.5], [1.5, 0.5]]), np.ones(2)
    exact = 1 + integrate.quad(lambda z1: np.exp(log_light(z1)), 1, 2)[0]
    alone = adaptive_integral(log_f, centres, widths)
    asked = adaptive_integral(log_f, centres, widths, promised=np.array([0.0, np.log(1e-2)]))
    unknown = adaptive_integral(log_f, centres, widths, promised=np.full(2, np.nan))
    kept = adaptive_integral(log_f, centres, widths, promised=np.array([0.0, alone.cells.log_mass[0]]))
    assert len(alone.cells) == len(unknown.cells) == len(kept.cells) == 5
    assert len(asked.cells) > 5
    assert unknown.value == alone.value
    assert abs(np.exp(asked.value) - exact) < abs(np.exp(alone.value) - exact)


@pytest.mark.parametrize("rest", [0.0, 0.6])
@pytest.mark.parametrize("scale", [0.0, 40.0])
def test_squares_off_their_promise_by_more_than_the_tolerance_are_quartered(rest: float, scale: float) -> None:
    """Beside the heaviest; a share of the whole is meant, either way, and no promise is none broken."""
    centres, widths = tiles(-20, 20)
    log_f = normal((0.225, -0.175), (0.3, 0.3))
    mass = midpoints(log_f, centres, widths)
    off = np.zeros(len(mass))
    off[[300, 700, 900, 1000]] = np.array([1.2e-3, 0.8e-3, -1.2e-3, -0.8e-3]) * (mass.sum() + rest)
    promised = np.log(np.maximum(mass + off, 1e-12)) + scale
    promised[[1, 50, 1200]] = np.nan
    assert mass[900] + off[900] > 0
    with np.errstate(divide="ignore"):
        _, rounds = quartered(lambda z: log_f(z) + scale, centres, widths, np.log(rest) + scale, promised)
    assert rounds[0] == rounded(centres[[300, 900]]) | {(0.225, -0.175)}
