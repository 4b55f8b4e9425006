"""Every page runs, survives every move of every widget, and shows the numbers that another implementation computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from streamlit.testing.v1 import AppTest

from demo import digits, pretrained
from tests.site import FILES, checked, film, log_bernoulli, numbers, open_page


def moves(app: AppTest) -> list[tuple[str, Callable[[AppTest], object]]]:
    """Every other value of every widget (ends and middle of a range), as something to do to a page."""
    found: list[tuple[str, Callable[[AppTest], object]]] = []
    for kind in ("button_group", "selectbox", "radio"):
        for i, widget in enumerate(getattr(app, kind)):
            options = list(getattr(widget, "options", []))
            for j in range(len(options)):
                found.append((f"{kind} {widget.label} → {options[j]}", lambda a, k=kind, i=i, j=j: choose(a, k, i, j)))
    for kind in ("number_input", "slider"):
        for i, widget in enumerate(getattr(app, kind)):
            for value in {widget.min, widget.max, (widget.min + widget.max) // 2}:
                found.append(
                    (f"{kind} {widget.label} → {value}", lambda a, k=kind, i=i, v=value: getattr(a, k)[i].set_value(v))
                )
    for i, widget in enumerate(app.multiselect):
        for some in (widget.options[:1], widget.options[-3:], []):
            found.append((f"multiselect {widget.label} → {some}", lambda a, i=i, s=some: a.multiselect[i].set_value(s)))
    for i, widget in enumerate(app.button):
        found.append((f"button {widget.label}", lambda a, i=i: a.button[i].disabled or a.button[i].click()))
    return found


def choose(app: AppTest, kind: str, index: int, option: int) -> None:
    widget = getattr(app, kind)[index]
    if kind == "button_group":
        key = widget.key
        values = {
            "model": pretrained.available(), "shown": ("mean", "draw"), "route": ("straight", "great circle"),
            "closed": ("no", "yes"), "mode": ("between", "directions", "coordinates"),
        }[key]  # fmt: skip
        widget.set_value(values[option])
    else:
        widget.set_value(
            ((*"0123456789", "prior", "drawing") if kind == "selectbox" else ("sample", "drawing", "test"))[option]
        )


@pytest.mark.parametrize("name", sorted(set(FILES) - {"enemy", "derivation", "evidence"}))  # with files of their own
def test_every_widget_of_a_page_can_be_moved(name: str) -> None:
    app = open_page(name)
    for what, move in moves(app):
        move(app)
        try:
            checked(app.run())
        except AssertionError as error:
            raise AssertionError(f"after {what}: {error}") from error


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("nonsense", ["", "NaN", "-1", "1e999", "<b>x</b>", "𝟙", "z" * 4000])
def test_nonsense_in_a_link_gets_a_sentence_and_the_page(name: str, nonsense: str) -> None:
    keys = (
        "model",
        "seed",
        "n",
        "shown",
        "picked",
        "a",
        "b",
        "a_n",
        "route",
        "steps",
        "t",
        "x",
        "digit",
        "bits",
        "z1",
        "via",
        "closed",
        "mode",
        "along",
        "moved",
    )
    app = open_page(name, **dict.fromkeys(keys, nonsense))
    assert app.title
    assert len(app.info) >= 1 or (name, nonsense) == ("home", "-1"), "a place on the plane is no nonsense"
    assert all("The link asks for" in note.value and "<" not in note.value for note in app.info)


@pytest.mark.parametrize("model", pretrained.available())
def test_the_three_logarithms_of_a_sample_are_right(model: str) -> None:
    app = open_page("sample", model=model, seed="7", n="9", picked="4")
    vae = pretrained.load(model)
    z = np.random.default_rng([7, 0]).standard_normal((9, vae.latent_dim))[4]
    logits = vae.decode(z[None])[0]
    uniform = np.random.default_rng([7, 1]).random((9, 784))[4]
    x = uniform < 1 / (1 + np.exp(-logits.astype(np.float64)))
    log_p_z = float(stats.norm.logpdf(z).sum())
    log_p_x_given_z = log_bernoulli(x, logits)
    shown = numbers(app.latex[-1].value)
    assert shown == pytest.approx([log_p_z + log_p_x_given_z, log_p_z, log_p_x_given_z], abs=0.00501)


@pytest.mark.parametrize("kind", ["straight", "great circle"])
def test_ends_route_and_t_come_back_from_a_link(kind: str) -> None:
    app = open_page("interpolate", a="7", a_n="3", b="prior", b_n="12", route=kind, steps="21", t="0.5")
    state = app.session_state
    assert (state["a"], state["a_n"], state["b"], state["b_n"], state["route"], state["steps"], state["t"]) == (
        "7", 3, "prior", 12, kind, 21, 0.5,
    )  # fmt: skip


def test_a_tour_goes_past_the_digits_on_the_way_and_back() -> None:
    app = open_page("interpolate", a="7", b="1", via="24", closed="yes", steps="21", t="0.5")
    vae = pretrained.load(app.session_state["model"])
    path = np.array(film(app)["path"])
    assert path.shape == (21, 2)
    for frame, kind in ((0, 7), (5, 2), (10, 4), (15, 1), (20, 7)):
        codes = vae.codes.loc[vae.codes.label == kind]
        assert np.abs(codes - path[frame]).max(axis=1).min() < 1e-6, kind
    np.testing.assert_allclose(path[0], path[20])
    assert any("must be at most 4" in info.value for info in open_page("interpolate", via="1234567").info)


def test_a_drawing_is_an_end_of_the_walk_and_until_there_is_one_the_page_waits() -> None:
    app = open_page("interpolate", a="drawing")
    assert any("the walk begins" in text.value for text in app.markdown)
    x = np.zeros(784, np.uint8)
    x[300:310] = 1
    path = film(open_page("interpolate", a="drawing", bits=digits.pack(x)))["path"]
    loc = pretrained.load("z2").encode(x[None])[0][0]
    np.testing.assert_allclose(path[0], loc, atol=1e-6)


def test_choices_survive_a_change_of_page() -> None:
    app = open_page("sample", seed="41", n="16")
    app.switch_page(FILES["interpolate"]).run()
    app.switch_page(FILES["sample"])
    for key in list(app.query_params):
        del app.query_params[key]
    checked(app.run())
    assert (app.session_state["seed"], app.session_state["n"]) == (41, 16)
