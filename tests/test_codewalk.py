"""The walk without a plane: what it believes of a browser and of a link, its directions, and what its page shows."""

from __future__ import annotations

import json
from base64 import b64decode

import numpy as np
import pytest
from scipy import special, stats
from streamlit.testing.v1 import AppTest

from demo import digits, ends, paths, pretrained, walks
from demo.components import JS
from demo.components.codewalk import placed
from demo.lenses.dimensions import INACTIVE
from demo.walks import Place
from tests.receipts import opened
from tests.site import checked, log_bernoulli, open_page
from tests.test_components import node

MODELS = pretrained.available()
needs_models = pytest.mark.skipif(not MODELS, reason="no model in demo/assets has been exported yet")


# What is believed of a browser


def test_a_place_is_sorted_and_has_the_decimals_of_a_link() -> None:
    assert placed([0.12345, [[3, 1.004], [1, -3]], [[32, 4]]]) == Place(0.123, ((1, -3.0), (3, 1.0)), ((32, 4.0),))
    assert placed([1, [], []]) == Place(1.0, (), ())


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "0,,",
        {"t": 0},
        [0, [], [], []],
        [-0.1, [], []],
        [1.1, [], []],
        [True, [], []],
        [float("nan"), [], []],
        [0, "1", []],
        [0, [[1, 3.5]], []],
        [0, [[0, 1]], []],
        [0, [[1.0, 1]], []],
        [0, [[True, 1]], []],
        [0, [[1, 1], [1, 2]], []],
        [0, [[1, float("inf")]], []],
        [0, [[1, "1"]], []],
        [0, [[1]], []],
        [0, [], [[1, 4.5]]],
        [0, [], [[10**9, 0]]],
        [0, [], [[1, 0]] * 5000],
    ],
    ids=lambda sent: repr(sent)[:30],
)
def test_anything_else_is_no_place(sent: object) -> None:
    with pytest.raises(ValueError, match=r"place|between|amount|number"):
        placed(sent)


# Walks


def wavy(z: np.ndarray) -> np.ndarray:
    """Logits of four pixels, their derivatives known: [m, 3] → [m, 4]."""
    return np.stack([np.sin(z[:, 0]), z[:, 1] ** 2, z[:, 0] * z[:, 2], np.exp(-z[:, 2])], axis=-1)


def test_the_jacobian_is_that_of_the_chances() -> None:
    z = np.array([0.3, -0.8, 1.1])
    slopes = np.array([[np.cos(0.3), 0, 0], [0, -1.6, 0], [1.1, 0, 0.3], [0, 0, -np.exp(-1.1)]])
    p = special.expit(wavy(z[None])[0])
    found, error = walks.jacobian(wavy, z)
    np.testing.assert_allclose(found, (p * (1 - p))[:, None] * slopes, atol=1e-9)
    assert error < 1e-9


def test_an_error_is_no_smaller_than_the_rounding_of_the_decoder() -> None:
    """With logits rounded to steps of 1e-4 the stated error still covers the truth."""
    z = np.array([0.3, -0.8, 1.1])
    exact, _ = walks.jacobian(wavy, z)
    rough, error = walks.jacobian(lambda z: np.round(wavy(z), 4), z)
    assert 1e-5 < np.abs(rough - exact).max() < 3 * error < 1e-2


def test_directions_are_orthonormal_falling_and_of_one_sign() -> None:
    z = np.array([0.3, -0.8, 1.1])
    slopes, _ = walks.jacobian(wavy, z)
    values, vectors, _ = walks.principal_directions(wavy, z)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(values**2, np.linalg.eigvalsh(slopes.T @ slopes)[::-1], rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(slopes @ vectors.T, axis=0), values)
    assert (np.diff(values) <= 0).all()
    assert all(v[np.abs(v).argmax()] > 0 for v in vectors)
    one, _ = walks.principal_directions(lambda z: wavy(np.hstack([z, z, z])), [0.2])[:2]
    assert len(one) == 1, "one dimension has one direction"


def test_each_mode_leads_where_it_says() -> None:
    rng = np.random.default_rng(2)
    a, b, vectors = rng.standard_normal(5), rng.standard_normal(5), np.eye(5)[[3, 0]]
    place = Place(0.25, ((1, 2.0), (2, -0.5)), ((2, 1.5), (5, -4.0)))

    def at(mode: str, route: str = "straight") -> np.ndarray:
        return walks.latent(mode, place, a, b, route, vectors)

    np.testing.assert_allclose(at("between"), 0.75 * a + 0.25 * b)
    np.testing.assert_allclose(at("between", "great circle"), paths.great_circle(a, b, [0.25])[0])
    np.testing.assert_allclose(at("directions") - a, [-0.5, 0, 0, 2, 0])
    np.testing.assert_allclose(at("coordinates"), [a[0], 1.5, a[2], a[3], -4])


def test_the_browser_walks_as_python_does() -> None:
    rng = np.random.default_rng(5)
    a, b, vectors = rng.standard_normal(7), rng.standard_normal(7), rng.standard_normal((6, 7))
    place = Place(0.37, ((2, -1.25), (6, 0.1)), ((1, 3.99), (7, -0.01)))
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ latentAt, messageOf, placeOf }} from "{(JS / "codewalkplace.js").as_uri()}";
        const {{ walks, place }} = JSON.parse(readFileSync(0, "utf8"));
        const here = placeOf(place);
        console.log(JSON.stringify({{ z: walks.map((walk) => [...latentAt(walk, here)]), sent: messageOf(here) }}));
    """
    shared = {"a": a.tolist(), "b": b.tolist(), "vectors": vectors.tolist()}
    asked = [{**shared, "mode": mode, "route": route} for mode in walks.MODES for route in paths.ROUTES]
    sent = [place.t, [list(pair) for pair in place.along], [list(pair) for pair in place.moved]]
    found = json.loads(node("--input-type=module", "--eval", script, stdin=json.dumps({"walks": asked, "place": sent})))
    expected = [walks.latent(mode, place, a, b, route, vectors) for mode in walks.MODES for route in paths.ROUTES]
    np.testing.assert_allclose(found["z"], expected, atol=1e-12)
    assert placed(found["sent"]) == place


# The page


def given(app: AppTest) -> dict:
    """What the element was given, by name."""
    for element in app.get("bidi_component"):
        if element.proto.json and "vectors" in element.proto.json:
            (data,) = json.loads(element.proto.json)
            return data
    raise AssertionError("there is no walk on this page")


def pixels(data: dict) -> np.ndarray:
    """The x that is pinned, [784]."""
    return np.unpackbits(np.frombuffer(b64decode(data["x"]), np.uint8))


@needs_models
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", walks.MODES)
def test_every_model_can_be_walked_in_every_mode(model: str, mode: str) -> None:
    app = open_page("explore", model=model, mode=mode, a="7", a_n="2", b="prior", b_n="3", t="0.250")
    vae, data = pretrained.load(model), given(app)
    number = ends.number_in_test_set(vae, "7", 2)
    assert vae.codes.label[number] == 7
    np.testing.assert_array_equal(data["a"], vae.codes.loc[number].astype(float))
    assert data["base"] == [0.25, [], []]
    if mode == "between":
        np.testing.assert_array_equal(data["b"], digits.sample_prior(1, vae.latent_dim, 3)[0])
    assert len(data["vectors"]) == (min(6, vae.latent_dim) if mode == "directions" else 0)
    assert data["names"][0] == "a test digit 7"


@needs_models
@pytest.mark.parametrize("model", MODELS)
def test_kl_and_idle_coordinates_are_those_of_the_test_digits(model: str) -> None:
    data = given(open_page("explore", model=model, mode="coordinates"))
    codes = pretrained.load(model).codes
    loc, scale = codes.loc.astype(float), np.exp(codes.log_scale.astype(float))
    normal = stats.norm(loc, scale)
    kl = (0.5 * np.log(2 * np.pi) + 0.5 * (loc**2 + scale**2) - normal.entropy()).mean(axis=0)  # cross-entropy less own
    np.testing.assert_allclose(data["kl"], kl, atol=1e-6)
    idle = kl < INACTIVE
    assert data["inactive"] == idle.tolist()
    assert ((loc.var(axis=0) <= 0.01) == idle).all(), "the activity of Burda et al. agrees on the shipped models"
    a = np.array(data["a"])
    decode = pretrained.load(model).decode
    for j in np.flatnonzero(idle):
        far = a.copy()
        far[j] = walks.REACH
        moved = np.abs(special.expit(decode(far[None])) - special.expit(decode(a[None]))).max()
        assert moved < 0.1, "an idle coordinate changes next to nothing"


@needs_models
def test_a_link_restores_the_whole_state_and_its_numbers_have_receipts() -> None:
    model = MODELS[-1]
    asked = {"model": model, "mode": "directions", "a": "5", "a_n": "4", "along": "1_1.50~2_-0.25", "moved": "1_2.00"}
    app, receipts = opened("explore", **asked)
    state = app.session_state
    assert (state["mode"], state["a"], state["a_n"]) == ("directions", "5", 4)
    assert (state["along"], state["moved"]) == (((1, 1.5), (2, -0.25)), ((1, 2.0),))
    assert given(app)["base"] == [0.0, [[1, 1.5], [2, -0.25]], [[1, 2.0]]]
    vae, data = pretrained.load(model), given(app)
    z = np.array(data["a"]) + np.array([1.5, -0.25]) @ np.array(data["vectors"])[:2]
    x = pixels(data)
    prior, likelihood = stats.norm.logpdf(z).sum(), log_bernoulli(x, vae.decode(z[None])[0])
    found = {receipt.name: receipt.value for receipt in receipts}
    expected = [prior + likelihood, prior, likelihood, np.linalg.norm(z)]
    assert [found[name] for name in ("log p(x, z)", "log p(z)", "log p(x|z)", "‖z‖")] == pytest.approx(
        expected, abs=1e-4
    )
    changed = {key: value for key, value in asked.items() if key not in ("model", "mode")}  # those are defaults
    assert {key: "".join(app.query_params[key]) for key in changed} == changed


@needs_models
def test_the_pinned_x_is_the_test_digit_itself(mnist_test: object) -> None:
    data = given(open_page("explore", a="9", a_n="1"))
    number = ends.number_in_test_set(pretrained.load(data["model"]), "9", 1)
    x = pixels(data)
    np.testing.assert_array_equal(x, digits.binarised_test_set()[number])
    assert data["x_name"] == f"test digit {number}"


@needs_models
def test_without_mnist_the_pinned_x_is_the_likeliest_at_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.cache.test_set", lambda: None)
    data = given(open_page("explore", a="9"))
    logits = pretrained.load(data["model"]).decode(np.array(data["a"])[None])[0]
    x = pixels(data)
    np.testing.assert_array_equal(x, logits > 0)
    assert data["x_name"] == "the likeliest picture at the start"


@needs_models
def test_a_drawing_is_a_start_and_until_there_is_one_the_page_waits() -> None:
    assert any("the walk begins" in text.value for text in open_page("explore", a="drawing").markdown)
    x = np.zeros(784, np.uint8)
    x[300:310] = 1
    data = given(open_page("explore", a="drawing", bits=digits.pack(x)))
    loc = pretrained.load(data["model"]).encode(x[None])[0][0]
    np.testing.assert_array_equal(data["a"], loc.astype(float))
    assert data["x_name"] == "your drawing"


@needs_models
@pytest.mark.parametrize(
    "query",
    [
        {"along": "1_9"},
        {"along": "1_1~1_2"},
        {"along": "x"},
        {"moved": "0_1.00"},
        {"moved": "1_nan"},
        {"moved": "1"},
        {"mode": "sideways"},
    ],
    ids=str,
)
def test_nonsense_in_a_link_gets_a_sentence(query: dict[str, str]) -> None:
    app = open_page("explore", **query)
    assert ["The link asks for" in note.value for note in app.info] == [True]
    assert given(app)["base"] == [0.0, [], []]


@needs_models
def test_amounts_beyond_the_model_are_dropped_and_another_start_begins_at_its_code() -> None:
    app = open_page("explore", model=MODELS[0], mode="coordinates", moved="1_1.00~999_2.00", a="3")
    assert given(app)["base"][2] == [[1, 1.0]]
    app.selectbox[0].set_value("4")
    checked(app.run())
    data = given(app)
    assert data["base"] == [0.0, [], []]
    assert data["names"][0] == "a test digit 4"
    assert app.session_state["moved"] == ()
