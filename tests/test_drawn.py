"""What a visitor may draw that is no digit: nothing, one pixel, a sheet full of ink. Every page that takes a drawing
then shows sound numbers or one clear sentence; where there are two dimensions, the numbers of brute force.
"""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from streamlit.testing.v1 import AppTest

from demo import digits, pretrained
from tests.site import FILES, brute_force, checked, film, numbers, open_page, plain_elbo

PLANAR, DEEP = "z2", "z32"
pytestmark = pytest.mark.skipif(
    not {PLANAR, DEEP} <= set(pretrained.available()), reason="demo/assets has no z2 and z32 yet"
)
BLANK, ONE_PIXEL, FULL = (np.full(784, ink, np.uint8) for ink in (0, 0, 1))
ONE_PIXEL[400] = 1
extremes = pytest.mark.parametrize("x", [ONE_PIXEL, FULL], ids=["one pixel", "full"])
WAITS = {
    "evidence": ({"x": "drawing"}, "Give it an x to explain and the numbers appear here."),
    "interpolate": ({"b": "drawing"}, "Draw a digit, and the walk begins."),
    "explore": ({"a": "drawing"}, "Draw a digit, and the walk begins."),
}
HOLDS_THE_PAD = pytest.mark.parametrize("page", WAITS)


def given(app: AppTest, slot: str) -> dict[str, object]:
    """What the element of that slot was last given."""
    for element in app.get("bidi_component"):
        if element.proto.json:
            (data,) = json.loads(element.proto.json)
            if data.get("slot") == slot:
                return data
    raise AssertionError(f"there is no element {slot} on this page")


def draw(app: AppTest, x: NDArray | None) -> AppTest:
    """The hand on the pad, as its element tells it; None for a sheet wiped clean."""
    drawn = None if x is None else base64.b64encode(np.packbits(x).tobytes()).decode()
    app.session_state["pad"] = {"held": {"number": given(app, "pad")["number"], "value": drawn}}
    return checked(app.run())


def waits(app: AppTest, page: str) -> bool:
    """Whether the page says its sentence, once, and shows nothing of an x."""
    said = [text.value for text in app.markdown].count(WAITS[page][1])
    nothing = not app.metric and not app.latex and not app.exception and not app.error
    return said == 1 and nothing and not any("img" in html.proto.body for html in app.get("html"))


def metrics(app: AppTest) -> dict[str, list[float]]:
    """The numbers of each metric; what says anything but numbers, units and signs fails."""
    found = {}
    for metric in app.metric:
        plain = metric.value.replace(",", "").replace("−", "-")
        found[metric.label] = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", plain)]
        assert found[metric.label], metric.value
        assert np.isfinite(found[metric.label]).all(), metric.value
    return found


@HOLDS_THE_PAD
def test_a_blank_sheet_gets_one_sentence_also_after_there_was_a_drawing(page: str) -> None:
    app = open_page(page, **WAITS[page][0])
    assert waits(app, page)
    for x in (ONE_PIXEL, FULL):
        draw(app, x)
        assert not waits(app, page)
        assert not any(text.value == WAITS[page][1] for text in app.markdown)
        assert app.query_params["bits"] in (digits.pack(x), [digits.pack(x)])
    draw(app, None)
    assert waits(app, page)
    assert "bits" not in app.query_params
    draw(app, ONE_PIXEL)
    assert not waits(app, page)


@HOLDS_THE_PAD
def test_a_link_to_a_blank_drawing_is_a_blank_sheet(page: str) -> None:
    """`bits` of 784 noughts: what no pad writes, but anybody may type."""
    assert waits(open_page(page, **WAITS[page][0], bits=digits.pack(BLANK)), page)


@extremes
def test_in_two_dimensions_the_numbers_are_those_of_brute_force(x: NDArray) -> None:
    vae = pretrained.load(PLANAR)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    log_p_x = brute_force(vae, x, loc)
    reconstruction, kl = plain_elbo(vae, x, loc, log_scale)
    app = draw(open_page("evidence", x="drawing"), x)
    shown = metrics(app)
    assert shown["log p(x), nats"] == [pytest.approx(log_p_x, abs=0.006)]
    assert shown["ELBO, nats"] == [pytest.approx(reconstruction - kl, abs=0.006)]
    assert shown["gap, nats"] == [pytest.approx(log_p_x - reconstruction + kl, abs=0.012)]
    assert shown["−log₂ p(x), bits"] == [pytest.approx(-log_p_x / np.log(2), abs=0.06)]
    assert shown["gap, nats"][0] > 0
    assert 0 <= shown["likelier than"][0] <= 100
    assert not app.info, "nothing is left unsettled"


@extremes
def test_in_many_dimensions_the_bounds_are_sound(x: NDArray) -> None:
    vae = pretrained.load(DEEP)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    noise = np.random.default_rng(77).standard_normal((2000, vae.latent_dim))
    logits = vae.decode(loc + np.exp(log_scale) * noise).astype(np.float64)
    log_p = special.log_expit(np.where(x > 0, logits, -logits)).sum(axis=1)
    kl = 0.5 * (loc**2 + np.exp(2 * log_scale) - 1 - 2 * log_scale).sum()
    shown = metrics(draw(open_page("evidence", x="drawing", model=DEEP), x))
    elbo, error = shown["ELBO, nats"]
    assert abs(elbo - log_p.mean() + kl) < 6 * np.hypot(error, log_p.std() / np.sqrt(len(log_p)))
    bound, its_error = shown["importance-weighted, nats"]
    assert elbo < bound < 0 < its_error
    count, of = shown["draws that count"]
    assert 1 <= count <= of == 5000


@extremes
@pytest.mark.parametrize(
    ("model", "lens"),
    [(model, lens) for model in (PLANAR, DEEP) for lens in ("sampling", "dimensions")]
    + [(PLANAR, lens) for lens in ("grid", "bayes", "contest")],
)
def test_every_other_lens_shows_numbers(model: str, lens: str, x: NDArray) -> None:
    app = draw(open_page("evidence", x="drawing", model=model, lens=lens), x)
    assert app.session_state["lens"] == lens
    assert metrics(app) or lens == "bayes"
    assert not any(re.search(r"\b(nan|inf)\b", html.proto.body, re.IGNORECASE) for html in app.get("html"))


@pytest.mark.parametrize("x", [BLANK, ONE_PIXEL, FULL], ids=["blank", "one pixel", "full"])
def test_the_derivation_follows(x: NDArray) -> None:
    vae = pretrained.load(PLANAR)
    loc, _ = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    app = open_page("derivation", x="drawing", bits=digits.pack(x))
    assert numbers(app.latex[0].value) == [pytest.approx(brute_force(vae, x, loc), abs=2e-3)]
    assert not any("The rules differ by" in caption.value for caption in app.caption)


@extremes
@pytest.mark.parametrize("model", [PLANAR, DEEP])
def test_walks_begin_at_its_code(model: str, x: NDArray) -> None:
    loc = pretrained.load(model).encode(x[None])[0][0]
    app = draw(open_page("interpolate", model=model, a="drawing", t="0.5"), x)
    path = np.array(film(app)["path"])
    np.testing.assert_allclose(path[0], loc, atol=1e-5)
    assert np.isfinite(path).all()


def test_the_drawing_goes_along_to_the_next_page() -> None:
    app = draw(open_page("evidence", x="drawing"), FULL)
    app.switch_page(FILES["derivation"])
    checked(app.run())
    assert any("your drawing" in caption.value for caption in app.caption)
