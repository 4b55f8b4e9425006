"""Both routes start and end where they should; the great circle keeps its plane, its length and its pace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import spatial

from demo.paths import ROUTES, along, great_circle, straight, tour

T = np.linspace(0, 1, 11)
vectors = st.integers(2, 32).flatmap(lambda d: st.tuples(*[arrays(np.float64, d, elements=st.floats(-5, 5))] * 2))


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@given(vectors)
def test_every_route_joins_its_ends(route: object, ends: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = ends
    path = route(a, b, T)  # type: ignore[operator]
    assert path.shape == (11, len(a))
    assert np.isfinite(path).all()
    np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-9)
    np.testing.assert_allclose(route(b, a, T)[::-1], path, atol=1e-6)  # type: ignore[operator]


def test_straight_is_even() -> None:
    np.testing.assert_allclose(straight([0, 2], [4, -2], [0, 0.25, 1]), [[0, 2], [1, 1], [4, -2]])


@given(vectors)
def test_great_circle_is_scipys_slerp_with_lengths_between(ends: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = ends
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    assume(min(length_a, length_b) > 1e-3)
    cosine = a @ b / (length_a * length_b)
    assume(abs(cosine) < 0.999)
    path = great_circle(a, b, T)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), (1 - T) * length_a + T * length_b, rtol=1e-9)
    np.testing.assert_allclose(
        path / np.linalg.norm(path, axis=1)[:, None], spatial.geometric_slerp(a / length_a, b / length_b, T), atol=1e-7
    )


def test_where_no_great_circle_is_shortest_the_line_is_taken() -> None:
    a = np.array([1.0, 2.0])
    for b in (np.zeros(2), -a, -3 * a, 2 * a, a):
        np.testing.assert_allclose(great_circle(a, b, T), straight(a, b, T), atol=1e-12)
        np.testing.assert_allclose(great_circle(b, a, T), straight(b, a, T), atol=1e-12)


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_tour_passes_every_stop_at_an_even_pace_and_may_end_where_it_began(route: object) -> None:
    stops = np.random.default_rng(3).standard_normal((3, 5))
    path = tour([*stops, stops[0]], 4, route)  # type: ignore[arg-type]
    assert path.shape == (13, 5)
    np.testing.assert_allclose(path[::4], [*stops, stops[0]], atol=1e-12)
    np.testing.assert_allclose(path[5:8], route(stops[1], stops[2], [0.25, 0.5, 0.75]), atol=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_a_share_of_the_way_is_where_the_tour_is_then(route: object) -> None:
    stops = np.random.default_rng(4).standard_normal((4, 5))
    path = tour(stops, 8, route)  # type: ignore[arg-type]
    np.testing.assert_allclose(along(stops, np.linspace(0, 1, 25), route), path, atol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(along(stops, [0.5], route)[0], route(stops[1], stops[2], [0.5])[0])  # type: ignore[operator, arg-type]
