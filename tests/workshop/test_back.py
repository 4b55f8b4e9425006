"""An exported model becomes a run again, with the very same weights, and training goes on from it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from demo import pretrained
from export.back import main
from export.model import export_run
from tests.workshop.test_export import CONFIG, DATA, HISTORY, IMAGES, random_vae, write_run
from vae.checkpoint import load_run
from vae.train import Trainer

CONV = {"architecture": "conv", "encoder_width": 6, "encoder_blocks": 2, "decoder_width": 8, "decoder_blocks": 3}


def exported(tmp_path: Path, **changes: Any) -> Path:
    config = dataclasses.replace(CONFIG, latent_dim=3, **changes)
    run = write_run(tmp_path / "run", random_vae(config), config)
    (run / "evaluation.json").write_text('{"elbo": {"value": -101.5}}')
    export_run(run, tmp_path / "tiny", DATA, say=lambda line: None)
    return tmp_path / "tiny"


@pytest.mark.parametrize("changes", [{}, CONV, CONV | {"dense_blocks": 0}], ids=["mlp", "conv", "conv, not dense"])
def test_a_model_comes_back_with_every_bit_of_its_weights(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = exported(tmp_path, **changes)
    assert main([str(folder), "--out", str(tmp_path / "back")]) == 0
    assert "compared with onnxruntime" in capsys.readouterr().out
    before, after = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("run", "back"))
    assert list(after["model"]) == list(before["model"])
    for name, weight in before["model"].items():
        assert torch.equal(after["model"][name], weight), name
    assert {k: v for k, v in after.items() if k != "model"} == {k: v for k, v in before.items() if k != "model"}
    assert json.loads((tmp_path / "back" / "evaluation.json").read_text()) == {"elbo": {"value": -101.5}}
    export_run(tmp_path / "back", tmp_path / "again" / "tiny", DATA, say=lambda line: None)
    for name in pretrained.REQUIRED:
        assert (tmp_path / "again" / "tiny" / name).read_bytes() == (folder / name).read_bytes(), name


def test_training_starts_from_a_model_that_came_back(tmp_path: Path) -> None:
    folder = exported(tmp_path)
    assert main([str(folder), "--out", str(tmp_path / "back")]) == 0
    model, config, history = load_run(tmp_path / "back")
    assert history == HISTORY
    (tmp_path / "next").mkdir()
    run = Trainer(dataclasses.replace(config, init=str(tmp_path / "back")), IMAGES, tmp_path / "next")
    for ours, theirs in zip(run.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_every_shipped_model_comes_back(tmp_path: Path) -> None:
    assert pretrained.available()
    for model_id in pretrained.available():
        assert main([str(pretrained.ASSETS / model_id), "--out", str(tmp_path / model_id)]) == 0
        model, config, _ = load_run(tmp_path / model_id)
        assert config.latent_dim == pretrained.load(model_id).latent_dim
        z = np.random.default_rng(0).standard_normal((5, config.latent_dim)).astype(np.float32)
        ours = model.decoder(torch.from_numpy(z)).numpy()
        np.testing.assert_allclose(ours, pretrained.load(model_id).decode(z), atol=1e-4)


@pytest.mark.parametrize("wrong", ["no model", "taken", "file", "other config", "foreign config", "no epochs"])
def test_what_cannot_come_back_is_told_in_one_line(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = exported(tmp_path), tmp_path / "back"
    if wrong == "taken":
        out = tmp_path / "run"
    elif wrong == "file":
        out.write_text("")
    elif wrong == "no model":
        folder = tmp_path
    manifest = json.loads((tmp_path / "tiny" / "manifest.json").read_text())
    if wrong == "other config":
        manifest["config"]["decoder_blocks"] += 1
    elif wrong == "foreign config":
        manifest["config"]["colour"] = 3
    elif wrong == "no epochs":
        (tmp_path / "tiny" / "history.json").write_text("{}")
        manifest["sha256"]["history.json"] = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    (tmp_path / "tiny" / "manifest.json").write_text(json.dumps(manifest))
    assert main([str(folder), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert {
        "no model": "manifest.json is missing",
        "taken": "model.pt is there already",
        "file": "cannot be used as a folder",
        "other config": "(trunk.blocks.2.inner.bias: none there, (10,) in them)",
        "foreign config": "has no config of this version",
        "no epochs": "has no epochs",
    }[wrong] in said
    assert not (tmp_path / "back" / "model.pt").exists()
