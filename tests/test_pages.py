"""Every page runs, survives every move of every widget, and shows the numbers that another implementation computes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from streamlit.testing.v1 import AppTest

from demo import digits, pretrained
from demo.pages import PAGES

ROOT = Path(__file__).resolve().parents[1]
FILES = {page.name: str(page.file.relative_to(ROOT)) for page in PAGES}


def open_page(name: str, **query: str) -> AppTest:
    """The page as a visitor opens it from a link with that query."""
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    if FILES[name] != FILES["home"]:
        app.switch_page(FILES[name])
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    shown = " ".join(str(e.value) for kind in (app.markdown, app.latex, app.caption, app.metric) for e in kind)
    assert not re.search(r"\b(nan|NaN|inf|Infinity|None|undefined)\b", shown), shown
    return app


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
    for i, widget in enumerate(app.button):
        found.append((f"button {widget.label}", lambda a, i=i: a.button[i].click()))
    return found


def choose(app: AppTest, kind: str, index: int, option: int) -> None:
    widget = getattr(app, kind)[index]
    if kind == "button_group":
        key = widget.key
        values = {"model": pretrained.available(), "shown": ("mean", "draw"), "route": ("straight", "great circle")}[
            key
        ]
        widget.set_value(values[option])
    else:
        widget.set_value(((*"0123456789", "prior") if kind == "selectbox" else ("sample", "drawing", "test"))[option])


@pytest.mark.parametrize("name", sorted(set(FILES) - {"enemy", "derivation"}))  # those have files of their own
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
    keys = ("model", "seed", "n", "shown", "picked", "a", "b", "a_n", "route", "steps", "t", "x", "digit", "bits", "z1")
    app = open_page(name, **dict.fromkeys(keys, nonsense))
    assert app.title
    assert len(app.info) >= 1 or (name, nonsense) == ("home", "-1"), "a place on the plane is no nonsense"
    assert all("The link asks for" in note.value and "<" not in note.value for note in app.info)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]


def log_bernoulli(x: NDArray, logits: NDArray) -> float:
    """By SciPy, pixel by pixel, in another form than the site's."""
    signs = np.where(np.asarray(x) > 0, 1.0, -1.0)
    return float(special.log_expit(signs * np.asarray(logits, np.float64)).sum())


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


def test_the_evidence_page_shows_what_brute_force_finds() -> None:
    app = open_page("evidence", x="sample", seed="5")
    vae = pretrained.load(pretrained.available()[0])
    x = digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, 5)), 5)[0]
    metrics = {metric.label: metric.value.replace("−", "-") for metric in app.metric}
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    log_p_x = brute_force(vae, x, loc)
    reconstruction, kl = plain_elbo(vae, x, loc, log_scale)
    assert float(metrics["log p(x), nats"]) == pytest.approx(log_p_x, abs=0.006)
    assert float(metrics["ELBO, nats"]) == pytest.approx(reconstruction - kl, abs=0.006)
    assert float(metrics["gap, nats"]) == pytest.approx(log_p_x - reconstruction + kl, abs=0.012)
    mantissa, _, exponent = metrics["left over, nats"].partition(" × 10")
    power = int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    assert abs(float(mantissa)) * 10**power < 1e-3


def brute_force(vae: pretrained.PretrainedVAE, x: NDArray, loc: NDArray) -> float:
    """log p(x) by uniform grids only, zooming twice onto where the mass is; SciPy's densities."""
    centre, half = np.zeros(2), 7.0
    for _ in range(6):
        axis = np.linspace(-half, half, 161)
        z = centre + np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        logits = vae.decode(z).astype(np.float64)
        log_p_x_given_z = special.log_expit(logits) @ x + special.log_expit(-logits) @ (1 - x.astype(float))
        log_joint = log_p_x_given_z + stats.norm.logpdf(z).sum(-1)
        total = float(special.logsumexp(log_joint) + 2 * np.log(axis[1] - axis[0]))
        mass = z[log_joint > log_joint.max() - 18]
        low, high = mass.min(0), mass.max(0)
        new = (high - low).max() / 2 + 2 * (axis[1] - axis[0])
        if new > 0.7 * half:
            return total
        centre, half = (low + high) / 2, new
    return total


def plain_elbo(vae: pretrained.PretrainedVAE, x: NDArray, loc: NDArray, log_scale: NDArray) -> tuple[float, float]:
    """E_q[log p(x|z)] by a plain trapezoid over ±6σ and the KL by SciPy's entropies."""
    axis = np.linspace(-6, 6, 61)
    noise = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = stats.norm.pdf(noise).prod(-1)
    logits = vae.decode(loc + np.exp(log_scale) * noise).astype(np.float64)
    log_p = special.log_expit(logits) @ x + special.log_expit(-logits) @ (1 - x.astype(float))
    scale = np.exp(log_scale)
    cross_entropy = 0.5 * (np.log(2 * np.pi) + loc**2 + scale**2).sum()
    return float(weights @ log_p / weights.sum()), float(cross_entropy - stats.norm(loc, scale).entropy().sum())


def test_a_drawing_in_a_link_becomes_the_x() -> None:
    x = np.zeros(784, np.uint8)
    x.reshape(28, 28)[6:22, 13:15] = 1
    app = open_page("evidence", x="drawing", bits=digits.pack(x))
    assert len(app.metric) == 4
    assert app.query_params["bits"] in (digits.pack(x), [digits.pack(x)])


def test_a_blank_pad_shows_words_and_no_numbers() -> None:
    app = open_page("evidence", x="drawing")
    assert not app.metric
    assert any("Give it an x" in text.value for text in app.markdown)


def test_q_is_drawn_to_the_scale_of_its_plane() -> None:
    app = open_page("evidence", x="sample", seed="5")
    spec = json.loads(app.get("plotly_chart")[-1].proto.spec)
    vae = pretrained.load(pretrained.available()[0])
    x = digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, 5)), 5)[0]
    loc, log_scale = (part[0] for part in vae.encode(x[None]))
    ellipse = next(trace for trace in spec["data"] if trace["type"] == "scatter" and trace["mode"] == "lines")
    values = [decoded(ellipse[axis]) for axis in ("x", "y")]
    extent = [(v.max() - v.min()) / 2 for v in values]
    assert extent == pytest.approx(np.exp(log_scale), rel=2e-3)
    assert [(v.max() + v.min()) / 2 for v in values] == pytest.approx(loc, abs=1e-3)
    assert spec["layout"]["yaxis"]["scaleanchor"] == "x"


def decoded(values: object) -> NDArray:
    """Plotly's JSON array, which may be base64."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).astype(float)
    return np.asarray(values, float)


@pytest.mark.parametrize("kind", ["straight", "great circle"])
def test_ends_route_and_t_come_back_from_a_link(kind: str) -> None:
    app = open_page("interpolate", a="7", a_n="3", b="prior", b_n="12", route=kind, steps="21", t="0.5")
    state = app.session_state
    assert (state["a"], state["a_n"], state["b"], state["b_n"], state["route"], state["steps"], state["t"]) == (
        "7", 3, "prior", 12, kind, 21, 0.5,
    )  # fmt: skip


def test_choices_survive_a_change_of_page() -> None:
    app = open_page("sample", seed="41", n="16")
    app.switch_page(FILES["interpolate"]).run()
    app.switch_page(FILES["sample"])
    for key in list(app.query_params):
        del app.query_params[key]
    checked(app.run())
    assert (app.session_state["seed"], app.session_state["n"]) == (41, 16)
