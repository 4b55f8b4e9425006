"""The enemy's page: it survives every move of every widget, and its formulae hold the numbers that SciPy finds."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from scipy import integrate, special, stats
from streamlit.testing.v1 import AppTest

from demo import toys
from demo.toys import BY_NAME
from tests.site import checked, open_page


def numbers(latex: str) -> list[float]:
    """Every number of a formula that stands outside subscripts, colours and spaces, powers of ten multiplied out."""
    plain = re.sub(r"\\textcolor\{#\w+\}|_\{\d+\}|\[0\.5em\]", "", latex)
    found = re.findall(r"(?<![\w.^])(\d+(?:\.\d+)?)(?: \\cdot 10\^\{(-?\d+)\})?", plain)
    return [float(mantissa) * 10.0 ** int(exponent or 0) for mantissa, exponent in found]


def formula(app: AppTest, part: str) -> list[float]:
    (latex,) = [element.value for element in app.latex if part in element.value]
    return numbers(latex)


def integral(name: str, region: tuple[tuple[float, float], ...]) -> float:
    toy = BY_NAME[name]
    if toy.dimension == 1:
        return integrate.quad(lambda x: math.exp(toy.log_density(np.array([[x]]))[0]), *region[0], limit=400)[0]
    axes = [np.linspace(a, b, 601) for a, b in region]
    values = np.exp(toy.log_density(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)))
    return float(integrate.simpson(integrate.simpson(values.reshape(601, 601), x=axes[1]), x=axes[0]))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_formulae_hold_what_scipy_finds(name: str) -> None:
    app = open_page("enemy", toy=name, a1="-0.70..1.90", a2="-2.50..0.40", cells="200", draws="20000", seed="5")
    d = BY_NAME[name].dimension
    region, box = ((-0.7, 1.9), (-2.5, 0.4))[:d], ((-5.0, 5.0),) * d
    mass, z = integral(name, region), integral(name, box)
    assert formula(app, "Z = ") == pytest.approx([mass, z], rel=2e-3)
    top, bottom, p, count, draws, share, error = formula(app, r"x \in")
    assert (top, bottom) == pytest.approx((mass, z), rel=2e-3)
    assert p == pytest.approx(mass / z, abs=1e-3)
    assert draws == 20_000
    assert share == pytest.approx(count / draws, abs=5.1e-5)
    assert error == pytest.approx(stats.binom(20_000, mass / z).std() / 20_000, abs=1e-4)
    assert abs(share - mass / z) < 4 * error + 1e-3
    ratio = formula(app, r"\approx \frac{Z_{200}}")
    assert ratio == pytest.approx([z, z, 1], rel=1e-3)
    assert ratio[-1] == pytest.approx(1, abs=2e-6)


def test_a_coarse_grid_shows_that_it_is_wrong() -> None:
    z_n, z, ratio = formula(open_page("enemy", toy="ring", cells="3"), r"\approx \frac{Z_{3}}")
    points = [-10 / 3, 0, 10 / 3]
    cell = sum(math.exp(-0.5 * ((math.hypot(x, y) - 2.5) / 0.35) ** 2) for x in points for y in points) * (10 / 3) ** 2
    assert z_n == pytest.approx(cell, rel=1e-3)
    assert z == pytest.approx(2 * math.pi * 2.5 * 0.35 * math.sqrt(2 * math.pi), rel=1e-3)
    assert ratio == pytest.approx(cell / z, rel=1e-3)


def test_the_nearest_normal_misses_by_what_scipy_finds() -> None:
    app = open_page("enemy", toy="bumps1")
    z = integral("bumps1", ((-5, 5),))

    def mean(g: object) -> float:
        log_f = BY_NAME["bumps1"].log_density
        return integrate.quad(lambda x: math.exp(log_f(np.array([[x]]))[0]) / z * g(x), -5, 5, limit=400)[0]  # type: ignore[operator]

    loc = mean(lambda x: x)
    normal = stats.norm(loc, math.sqrt(mean(lambda x: (x - loc) ** 2)))
    log_f = BY_NAME["bumps1"].log_density
    kl = mean(lambda x: log_f(np.array([[x]]))[0] - math.log(z) - normal.logpdf(x))
    assert formula(app, "D_{KL}") == [pytest.approx(kl, abs=5.1e-4)]


def test_sixteen_tiles_and_their_sum() -> None:
    app = open_page("enemy", contrast="2.0")
    html = next(e.proto.body for e in app.get("html") if "pixels" in e.proto.body)
    tiles = dict(re.findall(r'aria-label="pixels (\d{4})".*?>(\d\.\d{4})<', html))
    assert len(tiles) == 16
    logits = 2 * np.array([1.1, -0.6, -0.9, 0.4])
    for image, p in tiles.items():
        bits = np.array(list(image), int)
        assert float(p) == pytest.approx(float(special.expit(np.where(bits, logits, -logits)).prod()), abs=5.1e-5)
    assert html.count("currentColor") == 32
    top, bottom, total = formula(app, r"\sum_x p(x)")[-3:]
    assert top == bottom == pytest.approx(math.prod(1 + math.exp(logit) for logit in logits), rel=1e-3)
    assert total == 1


def test_the_cost_is_what_exact_integers_say() -> None:
    rates = toys.measured_rates()
    app = open_page("enemy", cells="37")
    table = next(element.value for element in app.markdown if "784" in element.value and "|" in element.value)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 10, 784]
    for row, d in zip(rows, (1, 2, 3, 10, 784), strict=True):
        assert log10_of(row[1]) == pytest.approx(math.log10(37**d), abs=0.022)
        seconds = math.log10(37**d) - math.log10(rates[min(d, 3)])
        amount, unit = re.fullmatch(r"(.*?) ([a-z ]+)", row[3]).groups()  # type: ignore[union-attr]
        assert log10_of(amount) + math.log10(SECONDS[unit]) == pytest.approx(seconds, abs=0.022)


SECONDS = {
    "microseconds": 1e-6, "milliseconds": 1e-3, "seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400,
    "years": 31_557_600, "thousand years": 31_557_600e3, "million years": 31_557_600e6,
    "thousand million years": 31_557_600e9, "ages of the universe": 13.8e9 * 31_557_600,
}  # fmt: skip


def log10_of(shown: str) -> float:
    mantissa, _, exponent = shown.replace(",", "").partition(" × 10")
    return math.log10(float(mantissa)) + int(exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")) or 0)


def test_every_widget_can_be_moved_and_leaves_no_nonsense() -> None:
    app = open_page("enemy")
    for name in BY_NAME:
        app.selectbox[0].set_value(name)
        checked(app.run())
        for axis in range(BY_NAME[name].dimension):
            for ends in ((5.0, 5.0), (-5.0, 5.0)):
                app.slider(key=f"a{axis + 1}").set_range(*ends)
                checked(app.run())
        for n in (2, 200):
            app.slider(key="cells").set_value(n)
            checked(app.run())
    for key, values in {"draws": (100, 20_000), "contrast": (0.0, 4.0)}.items():
        for value in values:
            app.slider(key=key).set_value(value)
            checked(app.run())
    app.number_input(key="seed").set_value(999_999)
    checked(app.run())
    assert len(app.selectbox) + len(app.slider) - 1 <= 5  # the number of samples stands behind “More”


def test_an_empty_region_has_no_mass_and_no_samples() -> None:
    app = open_page("enemy", toy="bumps1", a1="1.00..1.00", cells="24")
    assert formula(app, "Z = ")[0] == 0
    top, _, p, count, _, share, error = formula(app, r"x \in")
    assert top == p == count == share == error == 0


@pytest.mark.parametrize("nonsense", ["", "NaN", "1e999", "..", "2..1", "-9..9", "<b>x</b>", "z" * 4000])
def test_nonsense_in_a_link_gets_a_sentence_and_the_page(nonsense: str) -> None:
    keys = ("toy", "a1", "a2", "cells", "draws", "seed", "contrast")
    app = open_page("enemy", **dict.fromkeys(keys, nonsense))
    assert len(app.info) == len(keys)
    assert all("The link asks for" in note.value and "<" not in note.value for note in app.info)
    assert app.latex


def test_the_state_comes_back_from_a_link_and_goes_into_it() -> None:
    app = open_page("enemy", toy="ring", a1="-1.00..3.00", cells="64", seed="9", contrast="3.5")
    state = app.session_state
    assert (state["toy"], state["a1"], state["a2"]) == ("ring", (-1.0, 3.0), (-2.0, 0.5))
    assert (state["cells"], state["seed"], state["contrast"]) == (64, 9, 3.5)
    app.slider(key="a2").set_range(-1.5, 2.0)
    checked(app.run())
    assert app.query_params["a2"] in ("-1.50..2.00", ["-1.50..2.00"])


def test_a_region_drawn_on_the_figure_moves_the_sliders() -> None:
    app = open_page("enemy", toy="ring")
    app.session_state[figure_key(app)] = drawn({"x": [3.14, -1.26], "y": [-9.0, 1.0]})
    checked(app.run())
    assert app.slider(key="a1").value == (-1.3, 3.1)
    assert app.slider(key="a2").value == (-5.0, 1.0)
    app = open_page("enemy", toy="bumps1")
    app.session_state[figure_key(app)] = drawn({"x": [0.5, 2.5], "y": [0.0, 1.0]})
    checked(app.run())
    assert app.slider(key="a1").value == (0.5, 2.5)
    assert app.session_state["a2"] == (-2.0, 0.5)


def figure_key(app: AppTest) -> str:
    state = app.session_state
    low, high = state["a1"], state["a2"]
    return f"before {state['toy']} {low[0]:.2f}..{low[1]:.2f} {high[0]:.2f}..{high[1]:.2f}"


def drawn(box: dict[str, list[float]]) -> dict[str, object]:
    return {"selection": {"box": [{"xref": "x", "yref": "y", **box}], "points": [], "point_indices": [], "lasso": []}}


def test_the_figures_are_to_one_scale_and_show_the_region() -> None:
    app = open_page("enemy", toy="ring", a1="-1.00..3.00", a2="0.00..2.00", cells="20")
    for chart in app.get("plotly_chart")[:2]:
        layout = json.loads(chart.proto.spec)["layout"]
        assert layout["yaxis"]["scaleanchor"] == "x"
        (shape,) = layout["shapes"]
        assert [shape[k] for k in ("x0", "x1", "y0", "y1")] == [-1, 3, 0, 2]
