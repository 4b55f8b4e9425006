"""The likeness of draws to digits: its distance beside SciPy's, its pull on a decoder, its refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import linalg

from tests.workshop.test_train import TINY
from vae.checkpoint import merit
from vae.config import Config
from vae.likeness import Likeness
from vae.train import Trainer, main

WATCHED = dataclasses.replace(TINY, likeness=5.0, likeness_draws=40, likeness_every=2, epochs=2)


def strokes(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Upright bars of class 0 and level ones of class 1, somewhere: uint8 [n, 784] and [n]."""
    rng = np.random.default_rng(seed)
    images, labels = np.zeros((n, 28, 28), np.uint8), rng.integers(0, 2, n).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(6, 20)
        image[(slice(6, 22), slice(at, at + 3)) if label else (slice(at, at + 3), slice(6, 22))] = 255
    return images.reshape(n, -1), labels


@pytest.fixture(scope="module")
def likeness() -> Likeness:
    return Likeness.learned(*strokes(600, 0), seed=0, quiet=True)


@pytest.mark.parametrize("which", [0, 1])
def test_a_distance_is_scipys(which: int, likeness: Likeness) -> None:
    eye, p = likeness.eyes[which], torch.rand(200, 784, generator=torch.Generator().manual_seed(1))
    theirs = eye.classifier.features(torch.tensor(strokes(600, 0)[0]) / 255).double().numpy()
    ours = eye.classifier.features(p).double().numpy()
    s, t = np.cov(ours.T), np.cov(theirs.T)
    values, vectors = linalg.eigh(t)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    rim = 1e-8 * np.diag(t).mean() ** 2 * np.eye(len(s))  # which keeps the gradient finite
    wanted = ((ours.mean(0) - theirs.mean(0)) ** 2).sum() + np.trace(
        s + t - 2 * linalg.sqrtm(root @ s @ root + rim).real
    )
    assert eye.distance(p).item() == pytest.approx(wanted / np.trace(t), rel=1e-4)


def test_images_of_the_kind_are_near_and_noise_is_far(likeness: Likeness) -> None:
    alike = torch.tensor(strokes(400, 2)[0]) / 255
    noise = torch.rand(400, 784)
    near, far = (likeness.distance(torch.logit(p.clamp(1e-4, 1 - 1e-4))).item() for p in (alike, noise))
    assert 0 <= near < 0.1 < far


def test_a_gradient_leads_there(likeness: Likeness) -> None:
    """Logits alone, pulled for a few steps, come nearer to the strokes."""
    logits = torch.randn(64, 784, generator=torch.Generator().manual_seed(0)).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    first = likeness.distance(logits).item()
    for _ in range(10):
        optimiser.zero_grad()
        likeness.distance(logits).backward()
        optimiser.step()
    assert likeness.distance(logits).item() < 0.7 * first


def test_the_same_seed_learns_the_same_eyes(likeness: Likeness) -> None:
    again = Likeness.learned(*strokes(600, 0), seed=0, quiet=True)
    for a, b in zip(likeness.eyes, again.eyes, strict=True):
        assert all(map(torch.equal, a.classifier.state_dict().values(), b.classifier.state_dict().values()))
        assert torch.equal(a.root, b.root)


def test_a_run_says_how_far_its_draws_are_and_keeps_the_best_of_both(tmp_path: Path) -> None:
    images, labels = strokes(260, 3)
    run = Trainer(WATCHED, images, tmp_path, labels=labels)
    tmp_path.mkdir(exist_ok=True)
    run.run()
    for record in run.history:
        assert record["likeness"] > 0
        assert record["validation_likeness"] > 0
        assert merit(WATCHED, record) == record["validation_bound"] - 5 * record["validation_likeness"]
    resumed = Trainer(WATCHED, images, tmp_path, labels=labels)
    resumed.resume()
    assert resumed.history == run.history
    plain = Trainer(dataclasses.replace(WATCHED, likeness=0, likeness_draws=384), images, tmp_path / "plain")
    plain.out.mkdir()
    plain.run()
    assert all("likeness" not in record for record in plain.history)
    assert run.history[-1]["validation_likeness"] != pytest.approx(0)


def test_the_price_turns_the_decoder_alone(tmp_path: Path) -> None:
    """The first step, its noise the same: the encoder's gradient is that without a likeness, the decoder's is not."""
    images, labels = strokes(260, 3)
    gradients = []
    for config in (WATCHED, dataclasses.replace(WATCHED, likeness=0, likeness_draws=384)):
        run = Trainer(config, images, tmp_path, labels=labels)
        x = torch.tensor(images[:20]).float() / 255
        own, prior, _ = run.noise(20, torch.Generator().manual_seed(0))
        z = torch.randn(40, 2, generator=torch.Generator().manual_seed(1)) if config.likeness else torch.empty(0, 2)
        run.optimiser.step = lambda: None  # type: ignore[method-assign]
        run.take_step(0, x, own, prior, z)
        gradients.append([weight.grad.clone() for weight in run.model.parameters() if weight.grad is not None])
    encoders = len(list(run.model.encoder.parameters()))
    same = [torch.equal(a, b) for a, b in zip(*gradients, strict=True)]
    assert all(same[:encoders])
    assert not all(same[encoders:]), "inner layers of residual blocks begin without a gradient"


def test_steps_between_two_measurements_draw_nothing_for_it(tmp_path: Path) -> None:
    run = Trainer(WATCHED, *strokes(260, 3)[:1], tmp_path, labels=strokes(260, 3)[1])
    drawn = [len(run.noise(8, torch.Generator(), step)[2]) for step in range(4)]
    assert drawn == [40, 0, 40, 0]


@pytest.mark.parametrize("labels", [None, np.zeros(260, np.uint8), np.full(260, 11, np.uint8)])
def test_images_without_labels_from_0_to_9_are_refused(labels: NDArray | None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--likeness needs images of 28 × 28 pixels with labels from 0 to 9"):
        Trainer(WATCHED, strokes(260, 0)[0], tmp_path, labels=labels)


def test_the_command_refuses_images_of_another_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--dataset", "digits", "--validation-images", "200", "--likeness", "1"]
    assert main(["--out", str(tmp_path / "run"), *options]) == 1
    assert "--likeness needs images of 28 × 28 pixels" in capsys.readouterr().err


def test_its_options_are_refused_without_it() -> None:
    with pytest.raises(ValueError, match="likeness_draws is 9, but only --likeness knows it"):
        Config(likeness_draws=9)
