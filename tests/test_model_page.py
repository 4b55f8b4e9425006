"""The model page says what the manifest says, and the manifest what the shipped scores and MNIST give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from demo import digits, mnist, pretrained
from tests.site import checked, numbers, open_page


@pytest.mark.parametrize("model", pretrained.available())
def test_equation_3_has_the_manifests_numbers(model: str) -> None:
    app = open_page("model", model=model)
    vae = pretrained.load(model)
    test = vae.manifest["test"]
    figure = test.get("log_p_x", test["importance_weighted"])
    shown = numbers(app.latex[0].value)
    assert shown == pytest.approx([figure["value"], test["independent_pixels"]["value"]], abs=0.006)
    assert (r"\ge" in app.latex[0].value) == ("log_p_x" not in test), "a bound is called one"
    assert vae.scores is not None
    assert figure["value"] == pytest.approx(float(vae.scores.log_p_x.astype(float).mean()), abs=1e-3)
    assert figure["standard_error"] == pytest.approx(stats.sem(vae.scores.log_p_x.astype(float)), abs=1e-3)
    card = next(m.value for m in app.markdown if m.value.startswith("| figure"))
    assert len(card.splitlines()) == 2 + len(test)


def test_independent_pixels_are_those_of_mnist(mnist_test: tuple[np.ndarray, np.ndarray]) -> None:
    vae = pretrained.load(pretrained.available()[0])
    held_out = vae.manifest["data"]["validation_images"]
    train = mnist.load("train")[0][:-held_out] / 255.0
    mean = (train.sum(0) + 1) / (len(train) + 2)
    log_p_x = stats.bernoulli.logpmf(digits.binarised_test_set(), mean).sum(1)
    figure = vae.manifest["test"]["independent_pixels"]
    assert figure["value"] == pytest.approx(log_p_x.mean(), abs=1e-3)
    assert figure["standard_error"] == pytest.approx(stats.sem(log_p_x), abs=1e-4)


def test_other_samples_can_be_drawn_and_the_link_keeps_them() -> None:
    app = open_page("model", seed="7")
    next(b for b in app.button if b.label == "Draw again").click()
    checked(app.run())
    assert app.session_state["seed"] == 8


@pytest.mark.parametrize("model", pretrained.available())
def test_train_it_again_is_every_run_of_the_recipe(model: str) -> None:
    """One command a run, each but the first from the folder of the one before; options are those of Config."""
    app = open_page("model", model=model)
    manifest = pretrained.load(model).manifest
    code = next(block.value for block in app.code if "python -m vae.train" in block.value)
    commands = [line for line in code.splitlines() if "vae.train" in line]
    before = manifest.get("before", [])
    assert len(commands) == len(before) + 1
    for i, (command, config) in enumerate(
        zip(commands, [*(r["config"] for r in before), manifest["config"]], strict=True)
    ):
        words = command.split()
        said = dict(zip(words[3::2], words[4::2], strict=True))
        assert said.pop("--out") == ("RUN" if i == len(before) else f"RUN{i + 1}")
        if i:
            assert said.pop("--init") == f"RUN{i}"
        expected = {f"--{name.replace('_', '-')}": str(value) for name, value in config.items()}
        if i:
            del expected["--init"]
        assert said == expected
    assert ("vae.judge" in code) == ("samples" in manifest)


@pytest.mark.parametrize("model", [m for m in pretrained.available() if "samples" in pretrained.load(m).manifest])
def test_the_card_says_what_a_judge_makes_of_the_samples(model: str) -> None:
    app = open_page("model", model=model)
    found = pretrained.load(model).manifest["samples"]
    words = next(m.value for m in app.markdown if "**Samples.**" in m.value)
    said = words.split("**Samples.**")[1].split("**Limits.**")[0]
    for count in found["classes"]:
        assert f"{count:,} for" in said
    assert f"{found['frechet']['ratio']:.1f} times" in said
    assert f"{found['nearest_training_digit']['samples']['median']:.2f} away at the median" in said
