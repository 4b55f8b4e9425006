"""The rules behind `settled_mean`, against SciPy and brute force; more of integrate is in test_integrate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import integrate, special, stats

from demo.integrate import Refinement, gauss_hermite, hermite_rules, lattice_rules, settled_mean


@pytest.mark.parametrize("order", [99, 100, 101, 102, 104, 145, 288, 1152])
def test_gauss_hermite_of_high_order_is_scipys(order: int) -> None:
    nodes, weights = gauss_hermite(order, 1)
    with np.errstate(all="ignore"):
        expected, expected_weights = special.roots_hermitenorm(order)
    near = np.abs(expected) <= 9 if order > 100 else np.ones(order, bool)
    np.testing.assert_allclose(nodes[:, 0], expected[near], atol=1e-12)
    np.testing.assert_allclose(weights, expected_weights[near] / np.sqrt(2 * np.pi), rtol=1e-9)
    for k in range(0, 14, 2):
        assert weights @ nodes[:, 0] ** k == pytest.approx(special.factorial2(max(k - 1, 1)), rel=1e-9)
    again = gauss_hermite(order, 1)
    np.testing.assert_array_equal(nodes, again[0])


@pytest.mark.parametrize("negligible", [1e-3, 1e-10])
def test_what_is_pruned_is_the_lightest_and_weighs_no_more_than_allowed(negligible: float) -> None:
    whole, all_weights = gauss_hermite(48, 2)
    nodes, weights = gauss_hermite(48, 2, negligible=negligible)
    gone = all_weights.sum() - weights.sum()
    assert len(nodes) < len(whole)
    assert gone <= negligible * (1 + 1e-9) + 1e-15
    assert gone + weights.min() > negligible
    kept = {tuple(z) for z in nodes.tolist()}
    left = [w for z, w in zip(whole.tolist(), all_weights, strict=True) if tuple(z) not in kept]
    assert max(left) <= weights.min()


def test_each_lattice_is_a_square_lattice_with_all_nodes_of_the_last() -> None:
    """Level by level: spacing 1/√2^k to the nearest neighbour, an equal weight of area times density, mass 1."""
    nodes, weights = np.empty((0, 2)), np.empty(0)
    for level, rule in enumerate(itertools.islice(lattice_rules(), 7)):
        assert rule.kept == (0.5 if level else 0.0)
        nodes, weights = np.concatenate([nodes, rule.nodes]), np.concatenate([rule.kept * weights, rule.weights])
        spacing = 1 / np.sqrt(2) ** level
        apart = np.sort(np.hypot(*(nodes[:, None] - nodes[:40]).T), axis=1)
        assert apart[:, 1] == pytest.approx(np.full(len(apart), spacing), rel=1e-9)
        np.testing.assert_allclose(weights, spacing**2 * stats.norm.pdf(nodes).prod(axis=1), rtol=1e-12)
        assert np.hypot(*nodes.T).max() <= 6.8
        ways = nodes.round(9) + 0.0
        assert {tuple(z) for z in ways.tolist()} == {tuple(z) for z in (0.0 - ways).tolist()}
        assert len(nodes) == pytest.approx(np.pi * 6.8**2 / spacing**2, rel=0.02)
        assert weights.sum() == pytest.approx(1, abs=2e-9 if level else 2e-8)
    assert len(list(lattice_rules())) == 11


@pytest.mark.parametrize("rules", [lambda: hermite_rules(2), lattice_rules])
@pytest.mark.parametrize("k", [0.3, 3.0, 12.0])
def test_a_wave_settles_at_its_closed_form(rules: object, k: float) -> None:
    """E[cos(k·ε₁ + 1)] = cos 1 · exp(−k²/2), whatever the wave's length; E[ε₁² ε₂²] = 1 beside it."""
    mean = settled_mean(lambda z: 50 + np.cos(k * z[:, 0] + 1) + (z**2).prod(axis=1), rules(), 1e-6)  # type: ignore[operator]
    assert mean == pytest.approx(51 + np.cos(1) * np.exp(-(k**2) / 2), abs=2e-6)


def rules_of_ones(sizes: list[int]) -> list[Refinement]:
    return [Refinement(0.0, np.full((n, 1), float(n)), np.full(n, 1 / n)) for n in sizes]


def test_a_mean_settles_when_two_rules_agree_and_not_before() -> None:
    seen: list[float] = []

    def g(z: np.ndarray) -> np.ndarray:
        seen.append(z[0, 0])
        return 1 / z[:, 0]

    assert settled_mean(g, iter(rules_of_ones([2, 4, 8, 16])), 0.2) == pytest.approx(1 / 8)
    assert seen == [2, 4, 8]


@pytest.mark.parametrize(("jump", "used"), [(0.49, 3), (-0.49, 3), (0.505, 4), (-0.505, 4)])
def test_two_rules_that_agree_are_believed_where_the_one_before_was_near(jump: float, used: int) -> None:
    """Of a tolerance of 0.01 no more than fifty."""
    means = iter([1 + jump, 1.0, 1.0, 1.0, 1.0])
    seen: list[float] = []

    def g(z: np.ndarray) -> np.ndarray:
        seen.append(next(means))
        return np.full(len(z), seen[-1])

    assert settled_mean(g, iter(rules_of_ones([4] * 5)), 0.01) == pytest.approx(1)
    assert len(seen) == used


def test_the_last_of_too_few_rules_stands() -> None:
    seen: list[float] = []

    def g(z: np.ndarray) -> np.ndarray:
        seen.append(z[0, 0])
        return 1 / z[:, 0]

    assert settled_mean(g, iter(rules_of_ones([2, 4])), 1e-9) == pytest.approx(1 / 4)


def counted(g: Callable[[np.ndarray], np.ndarray], rules: list[Refinement], tolerance: float = 2e-5) -> list[int]:
    """How many nodes each rule that is used asks for, were it summed in one block."""
    calls: list[int] = []

    def noted(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return g(z)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.integrate._BLOCK", 10_000)
        settled_mean(noted, iter(rules), tolerance)
    return calls


def level(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda z: np.full(len(z), value)


@pytest.mark.parametrize(("nats", "last"), [(40.0, 20), (4000.0, 150), (-4000.0, 150)])
def test_roundings_ask_for_more_nodes_though_all_rules_agree(nats: float, last: int) -> None:
    """A constant of 4000 nats: 2^−24 · 4000 / √n lies below 2e-5 from n = 143 on; of 40 nats, at once."""
    assert counted(level(nats), rules_of_ones([5, 10, 20, 140, 150, 400]))[-1] == last


@pytest.mark.parametrize("sign", [1, -1])
def test_of_a_huge_mean_a_share_is_asked_and_not_nats(sign: int) -> None:
    assert counted(lambda z: sign * (1e6 + 1 / z[:, 0]), rules_of_ones([250, 500, 1000, 2000])) == [250, 500, 1000]


@pytest.mark.parametrize(("n", "used"), [(60, 4), (80, 3)])
def test_roundings_average_over_the_nodes_that_a_rule_keeps(n: int, used: int) -> None:
    """Two rules of n nodes, half and half, are one of 2n: 2^−24 · 4000 / √(2n) lies below 2e-5 from n = 72 on."""
    early, first, second = rules_of_ones([n, n, n])
    halves = [early, first, Refinement(0.5, second.nodes, second.weights / 2), *rules_of_ones([400, 800])]
    assert len(counted(level(4000.0), halves)) == used


def test_blocks_of_nodes_are_summed_as_one() -> None:
    nodes, weights = np.arange(10_000.0)[:, None], np.random.default_rng(0).random(10_000)
    rule = Refinement(0.0, nodes, weights)
    calls: list[int] = []

    def square(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return z[:, 0] ** 2

    mean = settled_mean(square, iter([rule]), 1e-9)
    assert mean == pytest.approx(float((weights * np.arange(10_000) ** 2.0).sum()), rel=1e-12)
    assert max(calls) <= 4096
    assert sum(calls) == 10_000


@pytest.mark.parametrize("rules", [lambda: hermite_rules(2), lattice_rules])
@pytest.mark.parametrize("along", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
@pytest.mark.parametrize("steepness", [5.0, 20.0])
def test_a_ridge_along_a_coordinate_or_a_diagonal_settles_at_scipys_integral(
    rules: Callable[[], Iterator[Refinement]], along: tuple[float, float], steepness: float
) -> None:
    """A g of one direction alone: a refinement that adds no node in that direction agrees with what it refines. So the
    upright lattice did, which settled up to half a nat off."""
    direction = np.array(along) / np.linalg.norm(along)

    def ridge(t: np.ndarray) -> np.ndarray:
        return 4 * special.log_expit(steepness * t - 0.3) + 4 * special.log_expit(0.3 - steepness * t)

    exact, _ = integrate.quad(lambda t: stats.norm.pdf(t) * ridge(t), -9, 9, points=[0.3 / steepness], epsabs=1e-10)
    assert settled_mean(lambda z: ridge(z @ direction), rules(), 2e-5) == pytest.approx(exact, abs=6e-5)
