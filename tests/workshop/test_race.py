"""The race of trainers keeps its clock and its rules: `benchmarks/training.py`."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import training
from benchmarks.training import OURS, Example, OutOfTimeError, Watch, nll, seconds_to, standing, told, within
from vae.config import Config

ROWS = [(10.0, 100.0), (20.0, 96.0), (30.0, 95.0), (40.0, 95.5)]
OF_OURS = [(5.0, 97.0), (10.0, 94.0)]


def test_the_time_to_a_target_lies_on_the_line_between_two_epochs() -> None:
    assert seconds_to(ROWS, 98.0) == 15.0
    assert seconds_to(ROWS, 95.0) == 30.0
    assert seconds_to(ROWS, 101.0) == 10.0, "before the first score nothing is known"
    assert seconds_to(ROWS, 94.9) is None


def test_fewer_minutes_are_the_beginning_of_more() -> None:
    assert within(ROWS, 20.0) == ROWS[:2], "an epoch that begins when the time is over is none of it"
    assert within(ROWS, 20.1) == ROWS[:3], "one that began before may end"
    assert within(ROWS, 1e9) == ROWS


def test_others_are_held_to_their_best_and_ours_to_the_same() -> None:
    line = standing("example", 0.5, ROWS, 1000, OF_OURS)
    assert (line["best"], line["seconds_to_best"], line["nll"]) == (95.0, 30.0, 95.5)
    assert line["ours_seconds"] == pytest.approx(5 + 5 * 2 / 3, abs=0.05)
    assert line["times"] == pytest.approx(30 / (25 / 3), abs=0.005)
    assert line["images_a_second"] == 100
    assert told(line).endswith("best 95.00 after 30 s, ours 8 s: 3.6 times")
    never = standing("example", 0.5, ROWS, 1000, [(5.0, 96.0)])
    assert (never["ours_seconds"], never["times"]) == (None, None)
    assert told(never).endswith("ours never")
    assert "times" not in standing("ours", 0.5, OF_OURS, 1000, None)


def test_the_clock_stands_still_while_a_network_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def score(*_: object) -> float:
        now[0] += 100
        return 99.0

    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(training, "nll", score)
    watch = Watch(5.0, torch.zeros(1, 784))
    for seconds in (2, 2):
        now[0] += seconds
        watch.epoch(nn.Identity(), nn.Identity())
    now[0] += 2
    with pytest.raises(OutOfTimeError):
        watch.epoch(nn.Identity(), nn.Identity())
    assert watch.rows == [(2, 99), (4, 99), (6, 99)]


def test_the_score_is_the_importance_weighted_bound_and_exact_where_q_is_the_posterior() -> None:
    """With a decoder that ignores z the posterior is the prior, and every weight is p(x): 784 log 2 for fair pixels."""
    x = torch.ones(3, 784)

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(x), 20), torch.zeros(len(x), 20)

    assert nll(encode, lambda z: torch.zeros(len(z), 784), x) == pytest.approx(784 * math.log(2), abs=1e-3)
    off = nll(lambda x: (torch.ones(len(x), 20), torch.zeros(len(x), 20)), lambda z: torch.zeros(len(z), 784), x)
    assert off > 784 * math.log(2) + 1, "a q that is off costs nats"


@pytest.mark.parametrize("precision", Config.CHOICES["precision"])
def test_a_race_of_all_is_run_and_told(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 5,100 made-up images, a few seconds: each at each number of minutes, ours with a command that can be typed."""
    images = np.random.default_rng(0).integers(0, 256, (5100, 784), np.uint8)
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(training, "SCORED", 8)
    monkeypatch.setattr(Config, "CHOICES", Config.CHOICES | {"precision": (precision,)})
    lines, commands = training.contest([0.002, 0.01], torch.tensor(images), tmp_path)
    assert [(line["name"], line["minutes"]) for line in lines] == [
        ("example", 0.002), ("ours", pytest.approx(0.002 / 3)), ("example", 0.01), ("ours", pytest.approx(0.01 / 3)),
    ]  # fmt: skip
    assert lines[0]["epochs"] < lines[2]["epochs"]
    for command in commands:
        assert command.startswith("python -m vae.train --out RUN --latent-dim 20 ")
        assert ("--precision bfloat16" in command) is (precision == "bfloat16")
    assert capsys.readouterr().out.count(" images a second") == len(lines)


def test_the_examples_networks_are_those_of_the_example() -> None:
    shapes = {name: tuple(layer.weight.shape) for name, layer in Example().named_children()}  # type: ignore[union-attr]
    assert shapes == {
        "hidden": (400, 784), "loc": (20, 400), "log_variance": (20, 400), "back": (400, 20), "out": (784, 400),
    }  # fmt: skip


def test_all_learn_from_the_same_number_of_images() -> None:
    assert OURS.validation_images == Config().validation_images == 5000


def record_of(monkeypatch: pytest.MonkeyPatch, pythae: bool, *argv: str) -> list[Any]:
    kept: list[Any] = []
    found = SimpleNamespace() if pythae else None
    monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(training, "contest", lambda *_: ([], []))
    monkeypatch.setattr(training.mnist, "load", lambda _: (np.zeros((1, 784), np.uint8), None))
    monkeypatch.setattr(training.record, "save", lambda *name, **_: kept.append(name[0]))
    assert training.main(list(argv)) == 0
    return kept


def test_only_a_whole_race_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert record_of(monkeypatch, True) == ["training"]
    assert record_of(monkeypatch, True, "--minutes", "1") == []
    assert record_of(monkeypatch, False) == []
