"""Evaluation gives the figures of the site's own functions, whatever the order, the workers or an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats

from demo import digits, mnist, pretrained
from vae import evaluate
from vae.checkpoint import load_run, write_kept
from vae.config import Config
from vae.networks import VAE

RECORD = {"epoch": 1, "elbo": -1.0, "reconstruction": -1.0, "kl": 0.0, "validation_elbo": -1.0, "seconds": 0.1}


def tiny_run(folder: Path, latent_dim: int) -> Path:
    """An untrained model of few units, kept as a run."""
    config = Config(latent_dim=latent_dim, encoder_width=8, encoder_blocks=1, decoder_width=8, decoder_blocks=1)
    torch.manual_seed(latent_dim)
    folder.mkdir()
    state = {"config": config.as_dict(), "pixels": 784, "best": VAE(784, config).state_dict(), "history": [RECORD]}
    write_kept(folder, state)
    return folder


@pytest.fixture
def x(mnist_test: tuple[NDArray, NDArray]) -> NDArray[np.uint8]:
    return digits.binarised_test_set()[:6]


def test_figures_of_one_image_are_those_of_scipy(tmp_path: Path, x: NDArray[np.uint8]) -> None:
    run = tiny_run(tmp_path / "run", 3)
    row = evaluate.Scorer(run, samples=50).score(4, x[4])
    model, _, _ = load_run(run)
    with torch.inference_mode():
        loc, log_scale = (part[0].double().numpy() for part in model.encoder(torch.from_numpy(x[4:5]).float()))
        z = loc + np.exp(log_scale) * np.random.default_rng([digits.TEST_SEED, 4]).standard_normal((50, 3))
        logits = model.decoder(torch.from_numpy(z).float()).double().numpy()
    log_p_x_given_z = special.log_expit(np.where(x[4] > 0, logits, -logits)).sum(-1)
    log_q = stats.norm.logpdf(z, loc, np.exp(log_scale)).sum(-1)
    log_w = stats.norm.logpdf(z).sum(-1) + log_p_x_given_z - log_q
    assert row["reconstruction"] == pytest.approx(log_p_x_given_z.mean(), abs=1e-4)
    assert row["importance_weighted"] == pytest.approx(special.logsumexp(log_w, b=1 / 50), abs=1e-4)
    assert row["elbo"] == row["reconstruction"] - row["kl"]
    assert "log_p_x" not in row


def test_two_dimensions_are_scored_by_quadrature(tmp_path: Path, x: NDArray[np.uint8]) -> None:
    row = evaluate.Scorer(tiny_run(tmp_path / "run", 2), samples=4000).score(0, x[0])
    assert row["log_p_x"] == pytest.approx(row["importance_weighted"], abs=0.02)
    assert row["log_p_x"] == pytest.approx(row["elbo"] + row["gap"], abs=1e-4)
    assert row["gap"] >= 0


def test_a_refined_proposal_changes_the_bound_alone_and_finds_what_quadrature_does(
    tmp_path: Path, x: NDArray[np.uint8]
) -> None:
    run = tiny_run(tmp_path / "run", 2)
    for i in range(3):
        ours, theirs = (evaluate.Scorer(run, 2000, how).score(i, x[i]) for how in ("refined", "encoder"))
        assert ours["importance_weighted"] == pytest.approx(ours["log_p_x"], abs=0.02)
        assert ours["effective_sample_size"] > 1000
        changed = {name for name in ours if ours[name] != theirs[name]}
        assert changed == {"importance_weighted", "effective_sample_size"}


def test_the_proposal_is_written_down_and_kept_apart(tmp_path: Path, x: NDArray[np.uint8]) -> None:
    run = tiny_run(tmp_path / "run", 3)
    assert evaluate.main([str(run), "--images", "3", "--samples", "30"]) == 0
    of_q = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["importance_weighted"]
    assert evaluate.main([str(run), "--images", "3", "--samples", "30", "--proposal", "refined"]) == 0
    refined = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))["importance_weighted"]
    assert (of_q["proposal"], refined["proposal"]) == ("encoder", "refined")
    assert refined["value"] != of_q["value"], "figures through another proposal are not taken over"
    assert "fitted to each posterior" in refined["method"]


def test_the_command_writes_means_and_errors_and_goes_on_where_it_stopped(
    tmp_path: Path, x: NDArray[np.uint8], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny_run(tmp_path / "run", 3)
    monkeypatch.setattr(evaluate, "BLOCK", 2)
    columns = evaluate.score_all(run, x, 20, 1)
    with np.load(run / "evaluation.npz") as saved:
        half = {name: saved[name].copy() for name in saved.files}
    half["done"][2:] = False
    half["elbo"][:2] = -1.0  # a mark: what is done is not scored again
    np.savez(run / "evaluation.npz", **half)
    resumed = evaluate.score_all(run, x, 20, 2)
    assert resumed["elbo"][:2].tolist() == [-1.0, -1.0]
    np.testing.assert_array_equal(resumed["elbo"][2:], columns["elbo"][2:])
    assert evaluate.main([str(run), "--images", "6", "--samples", "30"]) == 0
    result = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert result["elbo"]["images"] == 6
    assert result["importance_weighted"]["samples"] == 30
    assert "± " in capsys.readouterr().out


def test_held_out_digits_are_scored_beside_the_test_sets(
    tmp_path: Path, x: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last of the training file, binarised as the test set is; files of their own, so that no export takes them."""
    run = tiny_run(tmp_path / "run", 3)
    assert evaluate.main([str(run), "--split", "validation", "--images", "4", "--samples", "30"]) == 0
    assert {path.name for path in run.iterdir()} == {"model.pt", "history.json", "validation.npz", "validation.json"}
    grey = mnist.load("train")[0][-5000:]
    held_out = mnist.binarise(grey, np.random.default_rng(digits.TEST_SEED))[:4]
    scorer = evaluate.Scorer(run, samples=30)
    expected = np.mean([scorer.score(i, row)["elbo"] for i, row in enumerate(held_out)])
    assert json.loads((run / "validation.json").read_text(encoding="utf-8"))["elbo"]["value"] == pytest.approx(expected)


@pytest.mark.parametrize("model_id", pretrained.available())
def test_a_shipped_model_scores_as_its_files_say(
    model_id: str, tmp_path: Path, x: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command on demo/assets, on four digits: each number is that of scores.npz, which the means are of."""
    folder, out = pretrained.ASSETS / model_id, tmp_path / "scored"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert evaluate.main([str(folder), "--images", "4", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    model = pretrained.load(model_id)
    assert model.scores is not None
    for name, figure in model.manifest["test"].items():
        if name in ("log_p_x", "importance_weighted", "elbo"):
            assert f"manifest {figure['value']:9.3f} (of 10,000 images)" in said
    with np.load(out / "evaluation.npz") as found:
        log_p_x = found["log_p_x" if model.latent_dim == 2 else "importance_weighted"]
        np.testing.assert_allclose(log_p_x, model.scores.log_p_x[:4], atol=2e-3)
        np.testing.assert_allclose(found["elbo"], model.scores.elbo[:4], atol=2e-3)
    assert model.scores.log_p_x.mean() == pytest.approx(
        model.manifest["test"]["log_p_x" if model.latent_dim == 2 else "importance_weighted"]["value"], abs=1e-3
    )
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before, "assets are only read"


@pytest.mark.parametrize("wrong", [["--images", "0"], ["--out", __file__], ["--samples", "1"], ["--workers", "0"]])
def test_wrong_options_get_one_line(tmp_path: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(tiny_run(tmp_path / "run", 3)), *wrong]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_missing_run_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([str(tmp_path / "none")]) == 1
    assert "python -m vae.train" in capsys.readouterr().err


def test_q_is_drawn_from_for_the_elbo_alone_where_the_bound_has_a_proposal_of_its_own() -> None:
    assert evaluate.draws_of_q(5000, "encoder") == 5000
    assert evaluate.draws_of_q(5000, "refined") == evaluate.ELBO_DRAWS == 500
    assert evaluate.draws_of_q(30, "refined") == 30
