"""The evidence page through every lens: it survives every move of every widget, and SciPy and brute force agree."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats
from streamlit.testing.v1 import AppTest

from demo import address, digits, pretrained
from demo.components.ellipse import Exact, Ground, Rival, chosen, ellipse
from tests.site import brute_force, checked, decoded, numbers, open_page, plain_elbo

PLANAR, DEEP = "z2", "z32"
pytestmark = pytest.mark.skipif(
    not {PLANAR, DEEP} <= set(pretrained.available()), reason="demo/assets has no z2 and z32 yet"
)
LENSES = {
    PLANAR: ("identity", "grid", "sampling", "bayes", "dimensions", "contest"),
    DEEP: ("identity", "grid", "sampling", "dimensions"),
}
SEED = 5


def sample(model: str, seed: int = SEED) -> tuple[pretrained.PretrainedVAE, NDArray, NDArray, NDArray]:
    """The model, the x of the link's seed, drawn here anew, and q's loc and scale."""
    vae = pretrained.load(model)
    z = np.random.default_rng([seed, 0]).standard_normal((1, vae.latent_dim))
    probability = special.expit(vae.decode(z).astype(np.float64))
    x = (np.random.default_rng([seed, 1]).random((1, 784)) < probability).astype(np.uint8)[0]
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    return vae, x, loc, np.exp(log_scale)


def log_joint(vae: pretrained.PretrainedVAE, x: NDArray, z: NDArray) -> NDArray:
    logits = vae.decode(z).astype(np.float64)
    ink = x.astype(float)
    return special.log_expit(logits) @ ink + special.log_expit(-logits) @ (1 - ink) + stats.norm.logpdf(z).sum(-1)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value.replace("−", "-").replace(",", "") for metric in app.metric}


def number(text: str) -> float:
    """The first number of a metric."""
    return float(text.replace("≤ ", "").split()[0])


def spec(app: AppTest, index: int = 0) -> dict:
    return json.loads(app.get("plotly_chart")[index].proto.spec)


def test_the_first_x_shows_a_gap_that_is_in_sight() -> None:
    """A nat at least, to be seen, and q close enough to the posterior that both fit one map."""
    vae, x, loc, scale = sample(PLANAR, address.SEED.default)
    reconstruction, kl = plain_elbo(vae, x, loc, np.log(scale))
    assert 1 < brute_force(vae, x, loc) - (reconstruction - kl) < 8
    shown = metrics(open_page("evidence"))
    assert 1 < number(shown["gap, nats"]) < 8


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


def test_a_drawing_in_a_link_becomes_the_x() -> None:
    x = np.zeros(784, np.uint8)
    x.reshape(28, 28)[6:22, 13:15] = 1
    app = open_page("evidence", x="drawing", bits=digits.pack(x))
    assert "log p(x), nats" in metrics(app)
    assert app.query_params["bits"] in (digits.pack(x), [digits.pack(x)])


def test_a_blank_pad_shows_words_and_no_numbers() -> None:
    app = open_page("evidence", x="drawing")
    assert not app.metric
    assert any("Give it an x" in text.value for text in app.markdown)


def test_the_map_shows_q_of_the_encoder() -> None:
    """tests/test_drawings.py holds the map to its scale; here: that it was given this x's q."""
    app = open_page("evidence", x="sample", seed="5")
    shown = next(html for html in (element.proto.body for element in app.get("html")) if "The posterior" in html)
    svg = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1]).decode()  # type: ignore[index]
    inner, _ = re.findall(r'<ellipse cx="([\d.]+)" cy="([\d.]+)" rx="([\d.]+)" ry="([\d.]+)"', svg)
    vae = pretrained.load(pretrained.available()[0])
    x = digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, 5)), 5)[0]
    loc, log_scale = (part[0] for part in vae.encode(x[None]))
    words = [
        float(number.replace("−", "-")) for number in re.findall(r"−?\d+\.\d+", re.search(r'alt="([^"]+)"', shown)[1])
    ]  # type: ignore[index]
    assert words == pytest.approx([*loc, *np.exp(log_scale)], abs=0.006)
    assert float(inner[2]) / float(inner[3]) == pytest.approx(np.exp(log_scale[0] - log_scale[1]), rel=2e-3)


# Every widget, through every lens.


def moves(app: AppTest) -> list[tuple[str, Callable[[AppTest], object]]]:
    """Another value for every widget of the lens, and every button, as something to do to the page."""
    found: list[tuple[str, Callable[[AppTest], object]]] = []
    for i, widget in enumerate(app.select_slider):
        for j in (0, len(widget.options) // 2, len(widget.options) - 1):
            found.append((f"{widget.label} {j}", lambda a, i=i, j=j: a.select_slider[i].set_value(_option(a, i, j))))
    for kind in ("slider", "number_input"):
        for i, widget in enumerate(getattr(app, kind)):
            for value in (widget.min, widget.max):
                found.append((f"{widget.label} {value}", lambda a, k=kind, i=i, v=value: getattr(a, k)[i].set_value(v)))
    for i, widget in enumerate(app.button):
        if not widget.disabled:
            found.append((widget.label, lambda a, i=i: a.button[i].click()))
    return found


def _option(app: AppTest, i: int, j: int) -> object:
    """The j-th value of a select slider; AppTest has its options as texts, the state its values."""
    widget = app.select_slider[i]
    kind = type(widget.value)
    return kind(widget.options[j])


@pytest.mark.parametrize(("model", "lens"), [(model, lens) for model, lenses in LENSES.items() for lens in lenses])
def test_every_widget_of_a_lens_can_be_moved(model: str, lens: str) -> None:
    app = open_page("evidence", model=model, lens=lens, seed=str(SEED))
    assert app.session_state["lens"] == lens
    for what, move in moves(app):
        move(app)
        try:
            checked(app.run())
        except AssertionError as error:
            raise AssertionError(f"after {what}: {error}") from error


@pytest.mark.parametrize("lens", ["bayes", "contest"])
def test_a_lens_that_needs_the_plane_gives_way_to_the_identity(lens: str) -> None:
    app = open_page("evidence", model=DEEP, lens=lens)
    assert app.session_state["lens"] == "identity"


@pytest.mark.parametrize("lens", LENSES[PLANAR])
@pytest.mark.parametrize("ink", [0, 1])
def test_extreme_drawings_show_numbers_or_words(lens: str, ink: int) -> None:
    x = np.full(784, ink, np.uint8)
    x[400] = 1  # a blank pad has no numbers at all
    checked(open_page("evidence", x="drawing", bits=digits.pack(x), lens=lens))


# The numbers.


def test_the_deep_model_shows_bounds() -> None:
    app = open_page("evidence", model=DEEP, seed=str(SEED))
    vae, x, loc, scale = sample(DEEP)
    z = loc + scale * np.random.default_rng(0).standard_normal((5000, vae.latent_dim))
    log_w = log_joint(vae, x, z) - stats.norm.logpdf(z, loc, scale).sum(-1)
    shown = metrics(app)
    assert number(shown["importance-weighted, nats"]) == pytest.approx(
        special.logsumexp(log_w) - np.log(5000), abs=0.006
    )
    log_p_x_given_z = log_joint(vae, x, z) - stats.norm.logpdf(z).sum(-1)
    kl = (-stats.norm(loc, scale).entropy() + 0.5 * (np.log(2 * np.pi) + loc**2 + scale**2)).sum()
    assert number(shown["ELBO, nats"]) == pytest.approx(log_p_x_given_z.mean() - kl, abs=0.006)
    w = special.softmax(log_w)
    assert number(shown["draws that count"]) == pytest.approx(1 / (w**2).sum(), abs=0.51)


@pytest.mark.parametrize(("model", "label"), [(PLANAR, "log p(x), nats"), (DEEP, "importance-weighted, nats")])
def test_other_units_and_the_rank(model: str, label: str) -> None:
    shown = metrics(open_page("evidence", model=model, seed=str(SEED)))
    log_p_x = number(shown[label])
    assert number(shown["−log₂ p(x), bits"]) == pytest.approx(-log_p_x * np.log2(np.e), abs=0.06)
    assert number(shown["bits per pixel"]) == pytest.approx(-log_p_x * np.log2(np.e) / 784, abs=6e-4)
    scores = pretrained.load(model).scores
    if scores is None:
        pytest.skip(f"{model} has no scores.npz yet")
    rank = stats.percentileofscore(scores.log_p_x, log_p_x, kind="mean")
    assert number(shown["likelier than"]) == pytest.approx(rank, abs=0.11)


def test_the_grey_counter_example_integrates_to_what_it_says() -> None:
    app = open_page("evidence", seed=str(SEED))
    vae, _, loc, _ = sample(PLANAR)
    light = special.expit(vae.decode(loc[None])[0].astype(np.float64))
    grid = np.linspace(0, 1, 2001)
    masses = np.trapezoid(light[:, None] ** grid * (1 - light[:, None]) ** (1 - grid), grid, axis=1)
    equation = next(e.value for e in app.latex if "BCE" in e.value)
    assert numbers(equation)[-1] == pytest.approx(np.log(masses).sum(), abs=0.3)


@pytest.mark.parametrize("nodes", [5, 41, 201])
def test_a_coarse_grid_is_what_a_coarse_grid_gives(nodes: int) -> None:
    app = open_page("evidence", lens="grid", nodes=str(nodes), seed=str(SEED))
    vae, x, loc, _ = sample(PLANAR)
    axis = np.linspace(-5, 5, nodes)
    z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    value = special.logsumexp(log_joint(vae, x, z)) + 2 * np.log(axis[1] - axis[0])
    exact = brute_force(vae, x, loc)
    shown = metrics(app)
    assert number(shown[f"{nodes} × {nodes} nodes, nats"]) == pytest.approx(value, abs=2e-3)
    assert number(shown["exact, nats"]) == pytest.approx(exact, abs=2e-3)
    assert number(shown["off by, nats"]) == pytest.approx(value - exact, abs=4e-3)


@pytest.mark.parametrize("model", [PLANAR, DEEP])
@pytest.mark.parametrize("k", [1, 64, 2048])
def test_the_race_is_run_as_said(model: str, k: int) -> None:
    app = open_page("evidence", model=model, lens="sampling", k=str(k), seed=str(SEED))
    vae, x, loc, scale = sample(model)
    shown = metrics(app)
    for label, (mean, sd) in {
        f"draws of q, K = {k}": (loc, scale),
        f"draws of the prior, K = {k}": (np.zeros_like(loc), np.ones_like(loc)),
    }.items():
        z = mean + sd * np.random.default_rng(1).standard_normal((8192, vae.latent_dim))
        log_w = log_joint(vae, x, z) - stats.norm.logpdf(z, mean, sd).sum(-1)
        estimates = special.logsumexp(log_w.reshape(-1, k), axis=1) - np.log(k)
        value, _, error = shown[label].partition(" ± ")
        assert float(value) == pytest.approx(estimates.mean(), abs=0.006)
        assert float(error) == pytest.approx(stats.sem(estimates), abs=0.006)
    z = loc + scale * np.random.default_rng(1).standard_normal((8192, vae.latent_dim))
    w = special.softmax((log_joint(vae, x, z) - stats.norm.logpdf(z, loc, scale).sum(-1)).reshape(-1, k), axis=1)
    assert number(shown["of them count, q"]) == pytest.approx((1 / (w**2).sum(axis=1)).mean(), abs=0.051)


def test_bayes_rule_divides_by_the_evidence() -> None:
    app = open_page("evidence", lens="bayes", seed=str(SEED))
    vae, x, loc, _ = sample(PLANAR)
    log_p_x = brute_force(vae, x, loc)
    line = next(e.value for e in app.latex if "at the peak" in e.value)
    *logs, z1, z2 = numbers(line)[-5:]
    peak = float(log_joint(vae, x, np.array([[z1, z2]]))[0])
    assert logs == pytest.approx([peak, log_p_x, peak - log_p_x], abs=0.03)  # z has three digits
    before, after = (spec(app, i)["data"][0] for i in (0, 1))
    left, right = (decoded(trace["z"]) for trace in (before, after))
    assert left / left.max() == pytest.approx(right / right.max(), abs=1e-9)
    step = np.diff(decoded(after["x"]))[0] * np.diff(decoded(after["y"]))[0]
    volume = next(numbers(e.value)[-1] for e in app.latex if "{peak }" in e.value and "10^" not in e.value)
    assert volume == pytest.approx(right.sum() * step, abs=2e-4)
    assert volume == pytest.approx(1, abs=0.05)
    (shown,) = [e.value for e in app.latex if e.value.strip("$\n ").startswith("p(x) =")]
    mantissa, exponent = numbers(shown)[0], int(shown.split("{")[-1].split("}")[0])
    assert np.log(mantissa) + exponent * np.log(10) == pytest.approx(log_p_x, abs=0.01)


@pytest.mark.parametrize("model", [PLANAR, DEEP])
def test_the_divergence_per_dimension(model: str) -> None:
    app = open_page("evidence", model=model, lens="dimensions", seed=str(SEED))
    vae, _, loc, scale = sample(model)
    kl = -stats.norm(loc, scale).entropy() + 0.5 * (np.log(2 * np.pi) + loc**2 + scale**2)
    shown = metrics(app)
    assert number(shown["closed form, nats"]) == pytest.approx(kl.sum(), abs=6e-4)
    z = loc + scale * np.random.default_rng(2).standard_normal((2000, vae.latent_dim))
    ratio = stats.norm.logpdf(z, loc, scale) - stats.norm.logpdf(z)
    sampled, error = (float(part) for part in shown["2,000 draws, nats"].split(" ± "))
    assert sampled == pytest.approx(ratio.mean(axis=0).sum(), abs=6e-4)
    assert error == pytest.approx(np.sqrt((stats.sem(ratio, axis=0) ** 2).sum()), abs=6e-4)
    assert shown["dimensions in use"] == f"{(kl > 0.01).sum()} of {vae.latent_dim}"
    bars = decoded(spec(app)["data"][0]["y"])
    assert bars == pytest.approx(np.sort(kl)[::-1] if model == DEEP else kl, abs=1e-6)


def test_the_visitors_q_gets_its_bound_and_never_passes_the_evidence() -> None:
    vae, x, loc, scale = sample(PLANAR)
    q = {"m1": loc[0] + 0.4 * scale[0], "m2": loc[1] - 0.3 * scale[1], "s1": 1.3 * scale[0], "s2": 0.8 * scale[1]}
    app = open_page("evidence", lens="contest", seed=str(SEED), **{key: f"{value:.5f}" for key, value in q.items()})
    q = {key: round(value, 5) for key, value in q.items()}
    mean, sd = np.array([q["m1"], q["m2"]]), np.array([q["s1"], q["s2"]])
    log_p_x = brute_force(vae, x, loc)
    reconstruction, kl = plain_elbo(vae, x, mean, np.log(sd))
    assert numbers(app.latex[0].value)[-4:] == pytest.approx(
        [log_p_x, reconstruction, kl, reconstruction - kl], abs=0.011
    )
    assert number(metrics(app)["your gap, nats"]) == pytest.approx(log_p_x - reconstruction + kl, abs=2e-3)


def test_both_gaps_are_those_of_an_optimiser_that_knows_nothing_of_ours() -> None:
    app = open_page("evidence", lens="contest", seed=str(SEED))
    vae, x, loc, scale = sample(PLANAR)
    log_p_x = brute_force(vae, x, loc)

    def loss(q: NDArray, nodes: int = 61) -> float:
        reconstruction, kl = plain_elbo(vae, x, loc + q[:2] * scale, np.log(scale) + q[2:], nodes)
        return kl - reconstruction

    rough = {"args": (25,), "method": "Nelder-Mead", "options": {"xatol": 1e-4, "fatol": 1e-5}}  # half a σ apart
    found = loss(optimize.minimize(loss, np.zeros(4), **rough).x)
    shown = {label: number(value) for label, value in metrics(app).items()}
    assert shown["approximation gap"] <= log_p_x + found + 3e-3, "ours is at least as good"
    assert shown["approximation gap"] + shown["amortisation gap"] == pytest.approx(shown["the encoder’s gap"], abs=2e-3)
    assert shown["the encoder’s gap"] == pytest.approx(log_p_x + loss(np.zeros(4)), abs=3e-3)
    before = shown["your gap, nats"]
    click(app, "Show the best q")
    assert number(metrics(app)["your gap, nats"]) == before, "the best q is shown, not taken"
    assert contested(app)["revealed"]
    click(app, "Take the best q")
    shown = {label: number(value) for label, value in metrics(app).items()}
    assert shown["your gap, nats"] == pytest.approx(shown["approximation gap"], abs=1.1e-3)
    assert shown["your gap, nats"] <= before
    assert {"m1", "m2", "s1", "s2"} <= set(app.query_params)
    assert contested(app)["record"] is None, "what was handed over is no record"
    dragged(app, contested(app)["number"], None)
    assert number(metrics(app)["your gap, nats"]) == before
    assert "m1" not in app.query_params


# The element of the contest, as Python sees it.


def contested(app: AppTest) -> dict:
    """What the browser was last given of the contest."""
    found = [json.loads(element.proto.json) for element in app.get("bidi_component") if element.proto.json]
    (data,) = next(sent for sent in found if isinstance(sent, list) and "encoder" in sent[0])
    return data


def dragged(app: AppTest, number: object, value: object) -> AppTest:
    """The page after the browser has sent this q."""
    app.session_state["ellipse"] = {"held": {"number": number, "value": value}}
    return checked(app.run())


def click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click()
    checked(app.run())


def test_a_q_that_was_let_go_gets_its_exact_figures_and_a_record() -> None:
    app = open_page("evidence", lens="contest", seed=str(SEED))
    vae, x, loc, scale = sample(PLANAR)
    first = contested(app)
    assert first["exact"]["q"] == first["encoder"]["q"] == pytest.approx([*loc, *scale], rel=1e-6)
    assert first["record"] is None
    better = [round(value, 5) for value in first["best"]["q"]]  # by hand, nearly
    dragged(app, 0, better)
    reconstruction, kl = plain_elbo(vae, x, np.array(better[:2]), np.log(better[2:]))
    now = contested(app)
    assert now["exact"]["q"] == better
    assert [now["exact"][part] for part in ("reconstruction", "kl", "elbo")] == pytest.approx(
        [reconstruction, kl, reconstruction - kl], abs=2e-3
    )
    assert now["record"] == now["exact"]["elbo"] > first["encoder"]["elbo"]
    assert now["exact"]["elbo"] <= now["best"]["elbo"] + 1e-4
    assert (now["number"], now["base"]) == (0, None), "the hand is not answered with a new place"
    assert numbers(app.latex[0].value)[-1] == pytest.approx(reconstruction - kl, abs=6e-3)
    assert any(text.value.startswith("You beat the encoder by") for text in app.markdown)
    dragged(app, 0, [round(better[0] + 3 * better[2], 5), *better[1:]])
    assert contested(app)["record"] == now["record"], "a worse try leaves the record"


@pytest.mark.parametrize(
    "value",
    [
        "q", 7, True, {}, [], [0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 1, None], [0, 0, 1, "1"], [0, 0, 1, True],
        [0, 0, 1, float("nan")], [float("inf"), 0, 1, 1], [0, -12.001, 1, 1], [0, 0, 0, 1], [0, 0, 1, -1],
        [0, 0, 1, 9e-5], [0, 0, 8.001, 1], [10**400, 0, 1, 1], [[0], [0], [1], [1]],
    ],
)  # fmt: skip
def test_a_q_that_is_none_is_not_believed(value: object) -> None:
    with pytest.raises(ValueError, match="q must"):
        chosen(value)


def test_bad_and_late_messages_leave_the_page_as_it_was() -> None:
    app = open_page("evidence", lens="contest", seed=str(SEED))
    good = [-0.8, -1.35, 0.03, 0.04]
    dragged(app, 0, good)
    for message in ((0, [0, 0, 1]), (0, [0, 0, 1, float("nan")]), ("0", good[::-1])):
        dragged(app, *message)
        assert contested(app)["exact"]["q"] == good
        assert app.session_state["m1"] == good[0]
    widget = next(w for w in app.number_input if w.label == "mean μ₁")
    widget.set_value(-0.75)
    checked(app.run())
    assert contested(app)["base"] == [-0.75, *good[1:]], "a typed number is the page's word"
    dragged(app, 0, good)
    assert contested(app)["exact"]["q"] == [-0.75, *good[1:]], "an answer to what stood there before is late"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros(783, np.uint8)}, "784"),
        ({"x": np.full(784, 2, np.uint8)}, "0 or 1"),
        ({"ground": Ground(np.zeros(5), np.zeros(4), np.zeros((5, 4)))}, "ground"),
    ],
)
def test_what_does_not_fit_the_contest_is_refused(change: dict, words: str) -> None:
    axis = np.linspace(-1, 1, 5)
    fitting = {"x": np.zeros(784, np.uint8), "ground": Ground(axis, axis, np.zeros((5, 5)))}
    rival = Rival((0.0, 0.0, 1.0, 1.0), -2.0)
    with pytest.raises(ValueError, match=words):
        ellipse(
            "z2", log_p_x=-1.0, encoder=rival, best=rival, revealed=False, given=None,
            exact=lambda _: Exact(-1.0, 1.0, None), key="k", **fitting | change,
        )  # fmt: skip


def test_another_x_hands_q_back_to_the_encoder() -> None:
    app = open_page("evidence", lens="contest", seed=str(SEED), s1="0.5")
    assert app.session_state["s1"] == 0.5
    next(b for b in app.button if b.label == "Imagine another").click()
    checked(app.run())
    assert app.session_state["s1"] is None


@pytest.mark.skipif("z32" not in pretrained.available(), reason="needs the deep model")
def test_a_bound_that_hangs_on_few_draws_says_so() -> None:
    """A full sheet is like no digit; a digit that the model imagined is what its encoder knows."""
    full = digits.pack(np.ones((28, 28), np.uint8))
    for query, expected in (({"x": "drawing", "bits": full}, True), ({"seed": "5"}, False)):
        app = open_page("evidence", model="z32", lens="identity", **query)
        count = next(metric.value for metric in app.metric if metric.label == "draws that count")
        assert (float(count.split(" of ")[0].replace(",", "")) < 10) == expected
        assert any("Hardly any draw counts" in caption.value for caption in app.caption) == expected
