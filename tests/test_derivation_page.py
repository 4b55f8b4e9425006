"""The derivation page: it survives every move of every widget, and its numbers are those of brute force."""

from __future__ import annotations

import inspect
import re
import textwrap

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from streamlit.testing.v1 import AppTest

from demo import cache, digits, pretrained
from demo.address import SEED
from demo.derivation import LINES
from tests import site

pytestmark = pytest.mark.skipif("z2" not in pretrained.available(), reason="demo/assets/z2 has not been exported yet")


def open_page(**query: str) -> AppTest:
    return checked(site.open_page("derivation", **query))


def checked(app: AppTest) -> AppTest:
    site.checked(app)
    shown = " ".join(str(e.value) for kind in (app.markdown, app.latex, app.caption, app.metric) for e in kind)
    assert not re.search(r"\{\w+_\w+\}", shown), shown
    assert len(app.latex) == len(app.code) == len(LINES)
    return app


def numbers(latex: str) -> list[float]:
    """The numbers with three decimals, in the order of the formula."""
    return [float(found) for found in re.findall(r"-?\d+\.\d{3}", latex)]


def sample(seed: int) -> NDArray[np.uint8]:
    vae = pretrained.load("z2")
    return digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, seed)), seed)[0]


def log_joint(x: NDArray, z: NDArray) -> NDArray:
    """By SciPy, pixel by pixel. [m, 2] → [m]."""
    logits = pretrained.load("z2").decode(z).astype(np.float64)
    return special.log_expit((2.0 * x - 1) * logits).sum(axis=1) + stats.norm.logpdf(z).sum(axis=1)


def brute_force(x: NDArray) -> float:
    """log p(x) by a uniform grid of 181 × 181, after coarser ones have zoomed onto where the mass is."""
    centre, half, n = np.zeros(2), 6.5, 101
    while True:
        axis = np.linspace(-half, half, n)
        z = centre + np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        values, step = log_joint(x, z), axis[1] - axis[0]
        if n == 181:
            return float(special.logsumexp(values) + 2 * np.log(step))
        mass = z[values > values.max() - 18]
        low, high = mass.min(0), mass.max(0)
        closer = (high - low).max() / 2 + 2 * step
        if closer > 0.7 * half:
            n = 181
        else:
            centre, half = (low + high) / 2, closer


def test_the_numbers_are_brute_forces() -> None:
    app = open_page(seed="5", at1="0.5", at2="-1.25")
    x, vae = sample(5), pretrained.load("z2")
    log_p_x = brute_force(x)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    axis = np.linspace(-6, 6, 61)
    noise = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = stats.norm.pdf(noise).prod(axis=1)
    z = loc + np.exp(log_scale) * noise
    log_q = stats.norm(loc, np.exp(log_scale)).logpdf(z).sum(axis=1)
    log_p_z, joint = stats.norm.logpdf(z).sum(axis=1), log_joint(x, z)
    bound, reconstruction, kl = (
        (weights @ v) / weights.sum() for v in (joint - log_q, joint - log_p_z, log_q - log_p_z)
    )
    here = float(log_joint(x, np.array([[0.5, -1.25]]))[0])
    expected = [
        [log_p_x],
        [log_p_x],
        [log_p_x - bound],
        [here, here - log_p_x, log_p_x],
        [-bound, log_p_x, log_p_x - bound],
        [log_p_x - bound, bound, log_p_x],
        [reconstruction, kl, bound],
    ]
    for block, values in zip(app.latex, expected, strict=True):
        assert numbers(block.value) == pytest.approx(values, abs=2e-3)
    metrics = [float(m.value.replace("−", "-")) for m in app.metric[:3]]
    assert metrics == pytest.approx([log_p_x, bound, log_p_x - bound], abs=0.007)


def test_every_widget_can_be_moved() -> None:
    app = open_page()
    assert app.button[1].disabled
    for i in (0, 1):
        for value in (-7.0, 7.0, 0.0):
            app.slider[i].set_value(value)
            checked(app.run())
    assert (app.session_state["at1"], app.session_state["at2"]) == (0.0, 0.0)
    checked(app.button[1].click().run())
    assert app.session_state["at1"] is None
    for seed in (0, 999_999):
        checked(app.number_input[0].set_value(seed).run())
    checked(app.button[0].click().run())
    assert app.session_state["seed"] == 0


def test_moving_z_moves_both_terms_of_bayes_rule_and_nothing_else() -> None:
    app = open_page(seed="3")
    before = [block.value for block in app.latex]
    app.slider[0].set_value(-6.0).run()
    after = [block.value for block in checked(app).latex]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, True, False, True, True, True]
    assert numbers(before[3])[2] == numbers(after[3])[2]
    assert numbers(before[3])[0] != numbers(after[3])[0]
    assert app.query_params["at1"] in ("-6.00", ["-6.00"])


def test_z_follows_the_mean_of_q_until_it_is_moved() -> None:
    app = open_page(seed="3")
    for seed in (3, 4):
        app.number_input[0].set_value(seed).run()
        loc = pretrained.load("z2").encode(sample(seed)[None])[0][0]
        assert [slider.value for slider in app.slider] == pytest.approx(loc, abs=0.006)
    app.slider[1].set_value(1.5).run()
    app.number_input[0].set_value(3).run()
    assert app.slider[1].value == 1.5


def test_an_x_from_elsewhere_comes_along() -> None:
    x = np.zeros((28, 28), np.uint8)
    for i in range(20):
        x[4 + i, 4 + i : 6 + i] = 1
    app = open_page(x="drawing", bits=digits.pack(x))
    assert any("your drawing" in caption.value for caption in app.caption)
    assert numbers(app.latex[0].value) == pytest.approx([brute_force(x.ravel())], abs=2e-3)
    checked(app.button[0].click().run())
    assert any(f"imagined, seed {SEED.default + 1}" in caption.value for caption in app.caption)
    blank_pad = open_page(x="drawing")
    assert any(f"imagined, seed {SEED.default}" in caption.value for caption in blank_pad.caption)


def test_a_test_digit_comes_along(mnist_test: tuple[NDArray, NDArray]) -> None:
    app = open_page(x="test", digit="1994")
    assert any("test digit 1994" in caption.value for caption in app.caption)
    x = digits.binarised_test_set()[1994]
    assert numbers(app.latex[0].value) == pytest.approx([cache.exact_account("z2", x.tobytes()).log_p_x], abs=6e-4)


@pytest.mark.parametrize("nonsense", ["NaN", "-1e999", "<b>x</b>"])
def test_nonsense_in_a_link_gets_a_sentence_and_the_page(nonsense: str) -> None:
    app = open_page(**dict.fromkeys(("x", "seed", "digit", "bits", "at1", "at2"), nonsense))
    assert len(app.info) == 6
    assert all("The link asks for" in note.value and "<" not in note.value for note in app.info)


def test_the_code_shown_is_the_code_that_ran() -> None:
    app = open_page()
    for block, line in zip(app.code, LINES, strict=True):
        for function in (line.compute, *line.code):
            assert textwrap.dedent(inspect.getsource(function)).strip() in block.value


def test_a_rule_that_cannot_follow_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page never claims an agreement that is not there."""
    monkeypatch.setattr("demo.derivation.kl_to_prior", lambda loc, log_scale: 5.0)
    app = open_page(seed="77")
    assert any("The rules differ by" in caption.value for caption in app.caption)
    assert not any("Below the evidence" in caption.value for caption in app.caption)
