"""The judge of samples: its distances beside SciPy's, its verdict on digits, on copies and on noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import linalg, spatial

from demo import digits, mnist, pretrained
from demo.densities import sigmoid
from vae import judge
from vae.classifiers import Classifier

needs_mnist = pytest.mark.skipif(not (mnist.available("train") and mnist.available("test")), reason="needs MNIST")


def test_frechet_is_scipys_root_of_a_matrix() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 1
    b = rng.normal(size=(200, 5)) @ rng.normal(size=(5, 5))
    first, second = np.cov(a.T), np.cov(b.T)
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * linalg.sqrtm(first @ second).real)
    assert judge.frechet(a, b) == pytest.approx(wanted, rel=1e-9)
    assert judge.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_nearest_is_the_least_of_all_distances() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((1203, 20), np.float32), rng.random((70, 20), np.float32)
    np.testing.assert_allclose(judge.nearest(a, b), spatial.distance.cdist(a, b).min(1), atol=1e-5)
    assert judge.nearest(b[:3], b).max() < 1e-3


@pytest.fixture(scope="module")
def digits_and_judge() -> tuple[judge.Labelled, judge.Labelled, Classifier]:
    train, test = (mnist.load(split) for split in ("train", "test"))
    few = train[0][:12000], train[1][:12000]
    return few, (test[0][:1000], test[1][:1000]), judge.train_judge(*few, epochs=1)


@needs_mnist
def test_unseen_digits_pass_copies_are_caught_and_noise_fails(
    digits_and_judge: tuple[judge.Labelled, judge.Labelled, Classifier],
) -> None:
    train, test, critic = digits_and_judge
    fresh = mnist.load("test")[0][1000:2000].astype(np.float32) / 255
    found = judge.verdict(critic, fresh, train, test)
    assert found["judge_accuracy"] > 0.85
    assert 0.3 < found["frechet"]["ratio"] < 3, "digits that nobody has seen are as near as the test digits"
    assert sum(found["classes"]) == found["samples"] == 1000
    truth = np.bincount(mnist.load("test")[1][1000:2000], minlength=10)
    assert np.abs(np.array(found["classes"]) - truth).sum() < 200
    near = found["nearest_training_digit"]
    assert near["samples"]["median"] == pytest.approx(near["test"]["median"], rel=0.1)

    copies = judge.verdict(critic, train[0][:1000].astype(np.float32) / 255, train, test)
    assert copies["nearest_training_digit"]["samples"]["median"] < 1e-2

    noise = np.random.default_rng(0).random((1000, 784), np.float32)
    assert judge.verdict(critic, noise, train, test)["frechet"]["ratio"] > 20


@needs_mnist
def test_the_same_seed_gives_the_same_judge() -> None:
    few = tuple(part[:1000] for part in mnist.load("train"))
    first, again, other = (judge.train_judge(*few, epochs=1, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(map(torch.equal, first.values(), again.values()))
    assert not all(map(torch.equal, first.values(), other.values()))


def test_nonsense_is_refused_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge.main([str(tmp_path), "--samples", "1"]) == 1
    assert "--samples from 2 to 10000" in capsys.readouterr().err
    assert judge.main([str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.json"))


@needs_mnist
def test_the_shipped_verdicts_fit_their_models() -> None:
    """Each samples.json kept in a manifest has as many samples as it says, and a ratio of its own two distances."""
    for path in (Path(judge.__file__).parent.parent / "demo" / "assets").glob("*/manifest.json"):
        found = json.loads(path.read_text()).get("samples")
        if found is not None:
            assert sum(found["classes"]) == found["samples"]
            assert found["frechet"]["ratio"] == pytest.approx(found["frechet"]["samples"] / found["frechet"]["test"])


@needs_mnist
@pytest.mark.parametrize("model_id", [m for m in pretrained.available() if "samples" in pretrained.load(m).manifest])
def test_a_shipped_models_samples_are_judged_as_its_manifest_says(model_id: str) -> None:
    """A judge trained anew, draws through onnxruntime. Another machine's rounding trains a slightly other judge."""
    vae = pretrained.load(model_id)
    kept = vae.manifest["samples"]
    train, test = (mnist.load(split) for split in ("train", "test"))
    critic = judge.train_judge(*train, epochs=4)
    z = digits.sample_prior(kept["samples"], vae.latent_dim, 0)
    found = judge.verdict(critic, sigmoid(vae.decode(z)).astype(np.float32), train, test)
    assert found["frechet"]["ratio"] == pytest.approx(kept["frechet"]["ratio"], rel=0.25)
    assert found["frechet"]["ratio"] <= 8
    assert np.abs(np.array(found["classes"]) - kept["classes"]).sum() < 400
    for of in ("samples", "test"):
        for what in ("median", "least"):
            ours, theirs = (v["nearest_training_digit"][of][what] for v in (found, kept))
            assert ours == pytest.approx(theirs, abs=1e-2)
