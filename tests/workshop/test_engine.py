"""Several processes are one: they share each batch and end with the weights of a single process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.workshop.test_train import IMAGES, ROOT, TINY
from vae import engine, train
from vae.checkpoint import TrainingError
from vae.train import Trainer

SMALL = ["--encoder-width", "16", "--encoder-blocks", "1", "--decoder-width", "16", "--decoder-blocks", "1"]
# 1,301 images in batches of 63 leave 41 for the last: neither is divided by two.
OPTIONS = ["--dataset", "digits", "--validation-images", "197", "--batch-size", "63", "--epochs", "2", *SMALL]
OPTIONS += ["--device", "cpu", "--learning-rate", "3e-3", "--warmup-steps", "5", "--ema-decay", "0.9"]


def torchrun(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "vae.train",
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *options, "--out", str(out)], cwd=ROOT, env=env, capture_output=True, text=True)


def kept(run: Path) -> dict[str, Any]:
    return torch.load(run / "model.pt", weights_only=True)


def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    """Same order, same noise, each half of every batch: gradients differ by rounding alone."""
    assert train.main([*OPTIONS, "--out", str(tmp_path / "one")]) == 0
    done = torchrun(tmp_path / "two", *OPTIONS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("best validation bound") == 1, "only one of them speaks"
    one, two = kept(tmp_path / "one"), kept(tmp_path / "two")
    for name, weight in one["model"].items():
        torch.testing.assert_close(two["model"][name], weight, rtol=0, atol=2e-5, msg=name)
    for ours, theirs in zip(one["history"], two["history"], strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours.keys() - {"seconds"}:
            assert theirs[name] == pytest.approx(ours[name], abs=1e-4), name
    assert one["history"][1]["bound"] > one["history"][0]["bound"] + 0.03, "or there would be nothing to compare"
    assert len(list((tmp_path / "two" / "log").iterdir())) == 1
    assert train.main([*OPTIONS, "--out", str(tmp_path / "two")]) == 0, "a finished run, opened by one process"


def test_a_fault_under_torchrun_is_told_once(tmp_path: Path) -> None:
    done = torchrun(tmp_path, *OPTIONS, "--objective", "mixture", "--prior-draws", "8")
    assert done.returncode != 0
    assert done.stderr.count("error: --objective mixture shares its draws over a whole batch; run it without") == 1


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("images", [0, 1, 2, 41, 64])
def test_the_parts_of_a_batch_are_disjoint_and_whole(world: int, images: int) -> None:
    rows = list(range(images))
    parts = [rows[engine.part(SimpleNamespace(global_rank=rank, world_size=world), images)] for rank in range(world)]  # type: ignore[arg-type]
    assert [row for part in parts for row in part] == rows
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_shared_objective_needs_one_process(tmp_path: Path) -> None:
    two: Any = SimpleNamespace(world_size=2)
    config = type(TINY)(**TINY.as_dict() | {"objective": "mixture"})
    with pytest.raises(ValueError, match="run it without torchrun"):
        Trainer(config, IMAGES, tmp_path, two)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="no CUDA device"):
        engine.launched("float32", "cuda")
    assert train.main([*OPTIONS[:-6], "--device", "cuda", "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "error: --device cuda: torch finds no CUDA device here; say --device cpu\n"
    assert engine.launched("float32", "auto").device == torch.device("cpu")
