"""Training does what it says: the parts of the bound, the schedule, the averages, and a run that survives any kill."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence
from tqdm import tqdm

from demo import mnist
from vae import train
from vae.checkpoint import TrainingError, load_run, write_atomically
from vae.config import Config
from vae.data import Split, binarise, epoch_generator
from vae.networks import VAE
from vae.objective import elbo, kl_to_prior, log_bernoulli
from vae.train import Trainer, learning_rate

ROOT = Path(__file__).resolve().parents[2]
TINY = Config(
    latent_dim=2,
    encoder_width=12,
    encoder_blocks=1,
    decoder_width=10,
    decoder_blocks=1,
    epochs=3,
    batch_size=32,
    warmup_steps=4,
    ema_decay=0.9,
    validation_images=60,
    seed=5,
)
IMAGES = np.random.default_rng(1).integers(0, 256, (300, 49), np.uint8)
STEPS = 8  # ceil(240 / 32) an epoch


def arguments(config: Config) -> list[str]:
    return [a for name, value in config.as_dict().items() for a in ("--" + name.replace("_", "-"), str(value))]


def trainer(out: Path, **changes: Any) -> Trainer:
    out.mkdir(parents=True, exist_ok=True)
    return Trainer(dataclasses.replace(TINY, **changes), IMAGES, out)


def trained(out: Path, **changes: Any) -> Path:
    trainer(out, **changes).run()
    return out


def assert_same_run(left: Path, right: Path) -> None:
    """Bit-identical kept weights, states and curves; only the seconds may differ."""
    for name in ("model.pt", "checkpoint.pt"):
        a, b = (torch.load(run / name, weights_only=True) for run in (left, right))
        for record in a["history"] + b["history"]:
            record.pop("seconds")
        assert_same(a, b, name)
    a, b = (json.loads((run / "history.json").read_text()) for run in (left, right))
    assert len(a["epochs"]) == len(b["epochs"])


def assert_same(a: Any, b: Any, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where} {key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            assert_same(one, other, f"{where} {i}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


# Config

POSITIVE = st.floats(1e-12, 1e12)
NUMBERS = {n: st.integers(1, 10**6) for n, v in TINY.as_dict().items() if isinstance(v, int)}
NUMBERS |= {n: POSITIVE for n, v in TINY.as_dict().items() if isinstance(v, float)}
NUMBERS |= {"ema_decay": st.floats(1e-6, 1, exclude_max=True), "elbo_share": st.floats(0, 1)}
CHOICES = {name: st.sampled_from(choices) for name, choices in Config.CHOICES.items()}


def configs(objectives: list[str], architecture: str, likeness: bool) -> st.SearchStrategy[Config]:
    """Records of which no field is refused: some are known only beside others."""
    names = set(NUMBERS) if "mixture" in objectives else set(NUMBERS) - set(Config.OF_THE_MIXTURE)
    names -= set() if architecture == "conv" else {"dense_blocks"}
    names -= set() if likeness else {"likeness", *Config.OF_LIKENESS}
    chosen = CHOICES | {"objective": st.sampled_from(objectives), "architecture": st.just(architecture)}
    return st.builds(Config, **chosen, **{name: NUMBERS[name] for name in names})


CONFIGS = st.one_of(
    configs(objectives, architecture, likeness)
    for objectives in (["mixture"], ["elbo", "iwae"])
    for architecture in Config.CHOICES["architecture"]
    for likeness in (False, True)
)


@settings(deadline=None)
@given(CONFIGS)
def test_a_config_survives_the_command_line_and_the_disk(config: Config) -> None:
    parser = argparse.ArgumentParser()
    Config.add_arguments(parser)
    assert Config.from_arguments(parser.parse_args(arguments(config))) == config
    assert Config.from_arguments(parser.parse_args([])) == Config()
    assert Config(**json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"latent_dim": 0},
        {"epochs": -1},
        {"learning_rate": math.nan},
        {"clip_norm": math.inf},
        {"ema_decay": 1.0},
        {"seed": 2**63},
        {"elbo_share": 1.5, "objective": "mixture"},
        {"wake": -0.1, "objective": "mixture"},
        {"wake": 0.1},
        {"prior_draws": 128, "objective": "iwae"},
        {"dense_blocks": 0},
        {"likeness_every": 1},
        {"likeness": -1.0},
        {"likeness": 1.0, "likeness_draws": 0},
        {"objective": "likelihood"},
        {"architecture": ""},
        {"init": ""},
    ],
)
def test_a_senseless_config_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        dataclasses.replace(TINY, **wrong)


def test_every_field_has_its_help() -> None:
    assert list(Config.HELP) == [field.name for field in dataclasses.fields(Config)]


# The bound


def test_log_bernoulli_and_kl_agree_with_torch_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 8 * torch.randn(5, 49, generator=generator, dtype=torch.float64)
    x = torch.randint(0, 2, (5, 49), generator=generator).double()
    torch.testing.assert_close(log_bernoulli(x, logits), Bernoulli(logits=logits).log_prob(x).sum(-1))
    loc, log_scale = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    expected = kl_divergence(Normal(loc, log_scale.exp()), Normal(torch.zeros(3), torch.ones(3))).sum(-1)
    torch.testing.assert_close(kl_to_prior(loc, log_scale), expected)
    assert (kl_to_prior(loc, log_scale) >= 0).all()
    assert kl_to_prior(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_the_mean_of_the_bound_is_the_expectation_under_q() -> None:
    """E_q[log p(x,z) − log q(z|x)] by many samples, with torch's own densities, beside reconstruction − KL."""
    torch.manual_seed(0)
    model = VAE(49, TINY)
    x = torch.randint(0, 2, (1, 49)).float().expand(20000, 49)
    noise = torch.randn(20000, 2)
    with torch.no_grad():
        parts = elbo(model, x, noise[None])
        loc, log_scale = model.encoder(x)
        q = Normal(loc, log_scale.exp())
        z = loc + log_scale.exp() * noise
        log_joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Bernoulli(logits=model.decoder(z)).log_prob(x).sum(-1)
        sampled = log_joint - q.log_prob(z).sum(-1)
    assert torch.equal(parts.value, parts.reconstruction - parts.kl)
    difference = (parts.value - sampled).double()
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(len(difference))


def test_an_untrained_model_is_the_independent_pixel_model() -> None:
    """The output bias starts at the logit of the mean image, so training begins near the entropy of the pixels."""
    split = Split.of(IMAGES, 60)
    model = VAE(49, TINY, split.mean_image())
    x = binarise(split.train, epoch_generator(0, 0))
    with torch.no_grad():
        value = elbo(model, x, torch.randn(1, len(x), 2)).reconstruction.mean()
    assert value == pytest.approx(-Bernoulli(split.mean_image()).entropy().sum().item(), abs=1.5)


# Data


def test_the_split_is_disjoint_and_whole() -> None:
    split = Split.of(IMAGES, 60)
    assert np.array_equal(torch.cat([split.train, split.validation]).numpy(), IMAGES)
    assert (len(split.train), len(split.validation)) == (240, 60)
    with pytest.raises(ValueError, match="nothing to train on"):
        Split.of(IMAGES, 300)


def test_binarise_draws_each_pixel_with_its_grey() -> None:
    grey = torch.arange(256, dtype=torch.uint8).expand(4000, 256)
    x = binarise(grey, epoch_generator(0, 0))
    p = torch.arange(256) / 255
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert (abs(x.mean(0) - p) <= 5 * (p * (1 - p) / 4000).sqrt()).all()


def test_binarised_pixels_are_exactly_as_likely_as_they_are_grey() -> None:
    """Not g/256, and no value of the byte is favoured: the sum of z² over the greys is that of independent normals."""
    grey, generator = torch.arange(256, dtype=torch.uint8).expand(2000, 256), epoch_generator(0, 0)
    n, seen = 40 * len(grey), torch.zeros(256)
    for _ in range(40):
        seen += binarise(grey, generator).sum(0)
    assert (seen[0], seen[255]) == (0, n)
    p = torch.arange(1, 255) / 255
    z = (seen[1:255] - n * p) / (n * p * (1 - p)).sqrt()
    assert abs((z**2).sum().item() - 254) < 5 * math.sqrt(2 * 254)
    wrong = (seen[1:255] - n * p * 255 / 256) / (n * p * (1 - p)).sqrt()
    assert (wrong**2).sum().item() > 2 * 254, "or this would not tell grey / 255 from grey / 256"


def test_each_epoch_has_its_own_random_numbers() -> None:
    draws = {(s, e): torch.rand(4, generator=epoch_generator(s, e)) for s in (0, 1) for e in (0, 1, 2**31)}
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == 6
    assert torch.equal(torch.rand(4, generator=epoch_generator(1, 1)), draws[1, 1])


# Steps


def test_the_learning_rate_rises_linearly_and_falls_as_half_a_cosine() -> None:
    config = Config(learning_rate=2e-3, warmup_steps=100)
    rates = np.array([learning_rate(config, step, 10_000) for step in range(10_001)])
    cosine = 2e-3 * 0.5 * (1 + np.cos(np.pi * np.arange(10_001) / 10_000))
    np.testing.assert_allclose(rates[:100], cosine[:100] * np.arange(1, 101) / 100)
    np.testing.assert_allclose(rates[100:], cosine[100:], atol=1e-18)
    assert rates[5000] == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-18)
    assert learning_rate(Config(warmup_steps=0), 0, 10) == Config().learning_rate


def test_the_kept_weights_are_the_exponential_average(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """average ← 0.9 · average + 0.1 · weights after each step, starting from the weights of the first."""
    run = trainer(tmp_path)
    expected: list[torch.Tensor] = []
    with tqdm(disable=True) as progress:
        take_step = run.take_step

        def watched(*args: Any) -> Any:
            parts = take_step(*args)
            for i, w in enumerate(run.model.parameters()):
                if len(expected) <= i:
                    expected.append(w.detach().double())
                else:
                    expected[i] = 0.9 * expected[i] + 0.1 * w.detach().double()
            return parts

        monkeypatch.setattr(run, "take_step", watched)
        run.train_epoch(progress)
    for average, mean in zip(run.averaged.parameters(), expected, strict=True):
        torch.testing.assert_close(average.double(), mean, rtol=1e-5, atol=1e-6)


def test_the_kept_epoch_is_the_best_on_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = iter([-30.0, -20.0, -25.0])
    run = trainer(tmp_path)
    averages = []

    def validate() -> dict[str, float]:
        averages.append({k: v.clone() for k, v in run.averaged.state_dict().items()})
        return {"validation_bound": next(bounds), "validation_elbo": 0.0}

    monkeypatch.setattr(run, "validate", validate)
    run.run()
    model, config, history = load_run(tmp_path)
    halved = {name: tensor.half().float() for name, tensor in averages[1].items()}
    assert_same(dict(model.state_dict()), halved, "model.pt, which is read rounded to half precision")
    assert config == TINY
    assert [record["epoch"] for record in history] == [1, 2, 3]


def test_training_learns(tmp_path: Path) -> None:
    """Two patterns with noise: the bound must end far above that of independent pixels, 49 log 2 = 34.0 nats."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 2, 49)
    clean = np.where(rng.integers(0, 2, (300, 1)) == 1, pattern, 1 - pattern)
    images = np.where(clean == 1, 242, 13).astype(np.uint8)
    run = Trainer(dataclasses.replace(TINY, epochs=40, learning_rate=5e-3), images, tmp_path)
    run.run()
    assert run.history[-1]["validation_elbo"] > -20


# Runs that end early

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import vae.checkpoint, vae.train
from tests.workshop.test_train import trainer

moment, out = sys.argv[1], Path(sys.argv[2])
run = trainer(out)
if run.checkpoint.exists():
    run.resume()
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
take_step, save = run.take_step, torch.save

def step(number, *batch):
    if moment == f"step {number}":
        die()
    return take_step(number, *batch)

def half(state, path):
    if moment == f"writing {Path(path).name} of epoch {len(state['history'])}":
        save(state, path)
        os.truncate(path, os.path.getsize(path) // 2)
        die()
    save(state, path)

run.take_step, torch.save = step, half
run.run()
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uninterrupted run that interrupted ones are held against."""
    return trained(tmp_path_factory.mktemp("whole"))


def kill_at(moment: str, out: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, moment, str(out)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path: Path, whole: Path) -> None:
    kill_at(f"step {STEPS + 5}", tmp_path)
    kill_at("writing checkpoint.pt.part of epoch 2", tmp_path)
    kill_at("writing model.pt.part of epoch 3", tmp_path)
    assert len(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["history"]) == 3
    assert len(torch.load(tmp_path / "model.pt", weights_only=True)["history"]) == 2, "the old one, whole"
    run = trainer(tmp_path)
    run.resume()
    run.run()
    assert_same_run(tmp_path, whole)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "history.json", "model.pt"]


def test_the_seed_decides_the_weights(tmp_path: Path, whole: Path) -> None:
    assert_same_run(trained(tmp_path / "same"), whole)
    other = trained(tmp_path / "other", seed=6)
    with pytest.raises(AssertionError):
        assert_same_run(other, whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"objective": "iwae", "draws": 3},
        {"objective": "mixture", "draws": 2, "prior_draws": 8, "elbo_share": 0.3, "wake": 0.1},
        {"precision": "bfloat16"},
        {"trained": "encoder"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_a_run_of_any_kind_resumes_to_the_same_weights(changes: dict[str, Any], tmp_path: Path) -> None:
    """Started from another run's weights, stopped after an epoch, and taken up again when that other run is gone."""
    start = trained(tmp_path / "start", epochs=1)
    changes = {"init": str(start), "epochs": 2, **changes}
    expected = trained(tmp_path / "expected", **changes)
    cut = trainer(tmp_path / "cut", **changes)
    take_step = cut.take_step

    def stop_in_epoch_2(step: int, *batch: Any) -> Any:
        if step == STEPS + 1:
            raise KeyboardInterrupt
        return take_step(step, *batch)

    cut.take_step = stop_in_epoch_2  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    (start / "model.pt").unlink()
    again = trainer(tmp_path / "cut", **changes)
    again.resume()
    again.run()
    assert_same_run(tmp_path / "cut", expected)


# Starting from another run


def test_a_run_starts_from_the_kept_weights_of_another(tmp_path: Path, whole: Path) -> None:
    run = trainer(tmp_path, init=str(whole))
    kept = torch.load(whole / "model.pt", weights_only=True)["model"]
    assert_same(dict(run.model.state_dict()), dict(kept), "weights")
    assert_same(dict(run.averaged.state_dict()), dict(kept), "average")


def test_an_encoder_learns_alone(tmp_path: Path, whole: Path) -> None:
    run = trainer(tmp_path, init=str(whole), trained="encoder", epochs=1)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.run()
    after = torch.load(tmp_path / "model.pt", weights_only=True)["model"]
    assert_same(
        {n: t for n, t in after.items() if "decoder" in n}, {n: t for n, t in before.items() if "decoder" in n}, ""
    )
    assert not any(torch.equal(after[n], before[n]) for n in before if "encoder" in n)


@pytest.mark.parametrize("wrong", ["missing", "narrower", "deeper", "foreign"])
def test_a_start_that_does_not_fit_is_refused_in_one_sentence(
    wrong: str, tmp_path: Path, whole: Path, command: Any
) -> None:
    changes, init = {"narrower": {"decoder_width": 9}, "deeper": {"encoder_blocks": 2}}.get(wrong, {}), whole
    if wrong in ("missing", "foreign"):
        init = tmp_path / "start"
        init.mkdir()
    if wrong == "foreign":
        (init / "model.pt").write_bytes(b"not a model")
    status, said = command(tmp_path / "run", init=str(init), **changes)
    assert status == 1
    others = f"error: --init {init} has other networks"
    assert {
        "missing": f"error: {init / 'model.pt'} is missing",
        "narrower": f"{others} (decoder.trunk.blocks.0.inner.bias: (10,) there, (9,) here)",
        "deeper": f"{others} (encoder.trunk.blocks.1.inner.bias: none there, (12,) here)",
        "foreign": f"error: {init / 'model.pt'} cannot be read",
    }[wrong] in said


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`python -m vae.train` on the synthetic images: (exit status, last line it said on stderr)."""

    def run(out: Path, *options: str, **changes: Any) -> tuple[int, str]:
        monkeypatch.setattr(mnist, "load", lambda *args, **kwargs: (IMAGES, np.zeros(300, np.uint8)))
        status = train.main(["--out", str(out), *arguments(dataclasses.replace(TINY, **changes)), *options])
        return status, capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.mark.parametrize("damage", ["empty", "half", "foreign", "other weights", "no weights", "other fields"])
def test_a_damaged_checkpoint_is_refused(damage: str, tmp_path: Path, whole: Path, command: Any) -> None:
    path = tmp_path / "checkpoint.pt"
    blob = (whole / "checkpoint.pt").read_bytes()
    state = torch.load(whole / "checkpoint.pt", weights_only=True)
    if damage == "other weights":
        state["model"] = {k: torch.zeros(3) for k in state["model"]}
    elif damage == "no weights":
        del state["average"]
    elif damage == "other fields":
        state["config"]["colour"] = 3
    torch.save(state, path)
    if damage in ("empty", "half", "foreign"):
        path.write_bytes({"empty": b"", "half": blob[: len(blob) // 2], "foreign": b"<html>" * 100}[damage])
    status, said = command(tmp_path)
    assert status == 1
    assert f"error: {path} cannot be read" in said
    assert "delete it to start this run anew" in said


def test_another_config_or_size_of_image_is_refused(tmp_path: Path, whole: Path, command: Any) -> None:
    status, said = command(whole, epochs=4, learning_rate=0.1)
    assert status == 1
    assert "epochs 3 → 4, learning_rate 0.001 → 0.1" in said
    assert "another --out" in said
    smaller = Trainer(TINY, IMAGES[:, :25].copy(), whole)
    with pytest.raises(TrainingError, match="images of 49 pixels, not 25"):
        smaller.resume()


def test_a_field_that_older_runs_did_not_store_counts_as_its_default(tmp_path: Path) -> None:
    path = trained(tmp_path, epochs=1) / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    assert state["config"].pop("weight_decay") == Config().weight_decay
    torch.save(state, path)
    trainer(tmp_path, epochs=1).resume()
    with pytest.raises(TrainingError, match="weight_decay"):
        trainer(tmp_path, epochs=1, weight_decay=0.5).resume()


def test_curves_of_runs_from_before_there_were_other_objectives_can_be_read(tmp_path: Path) -> None:
    out = trained(tmp_path, epochs=1)
    for name in ("model.pt", "checkpoint.pt"):
        state = torch.load(out / name, weights_only=True)
        state["history"] = [{k: v for k, v in r.items() if "bound" not in k} for r in state["history"]]
        for field in ("architecture", "init", "trained", "objective", "prior_draws", "elbo_share", "wake", "precision"):
            del state["config"][field]
        torch.save(state, out / name)
    (record,) = load_run(out)[2]
    assert (record["bound"], record["validation_bound"]) == (record["elbo"], record["validation_elbo"])
    run = trainer(out, epochs=1)
    run.resume()
    assert run.history == [record]
    run.run()


def test_a_finished_run_is_left_as_it_is_and_its_kept_files_mended(tmp_path: Path, whole: Path, command: Any) -> None:
    assert command(tmp_path)[0] == 0
    (tmp_path / "model.pt").unlink()
    (tmp_path / "history.json").write_text("{")
    assert command(tmp_path)[0] == 0
    assert_same_run(tmp_path, whole)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_nothing_of_it(tmp_path: Path, command: Any) -> None:
    status, said = command(tmp_path / "run", learning_rate=1e30, warmup_steps=0)
    assert status == 1
    assert "the loss became" in said
    assert "at epoch 1, step " in said
    assert "(config: --latent-dim 2 --encoder-width 12" not in said, "2 is the default"
    assert "(config: --encoder-width 12 --encoder-blocks 1" in said
    assert "--learning-rate 1e+30" in said
    assert "keeps the 0 epochs before it: start another --out with a --learning-rate below 1e+30" in said
    assert os.listdir(tmp_path / "run") == ["log"]


def test_a_run_that_diverges_later_says_how_to_go_on_from_what_it_keeps(
    tmp_path: Path, whole: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Trainer.mine

    def broken(self: Trainer, x: torch.Tensor, *noise: torch.Tensor) -> Any:
        return mine(self, x * (math.nan if self.epoch == 2 else 1), *noise)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "mine", broken)
        status, said = command(tmp_path / "run")
    assert status == 1
    assert f"the loss became nan at epoch 3, step {2 * STEPS} (config: " in said
    assert f"keeps the 2 epochs before it: go on from them with --init {tmp_path / 'run'} in another --out" in said
    assert command(tmp_path / "next", init=str(tmp_path / "run"), learning_rate=1e-4)[0] == 0
    assert command(tmp_path / "run")[0] == 0
    assert_same_run(tmp_path / "run", whole)


def test_a_validation_bound_that_is_no_number_is_never_kept(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    with torch.no_grad():
        run.averaged.decoder.trunk.last.bias.fill_(math.nan)
    with pytest.raises(TrainingError, match="validation bound is not finite after epoch 1"):
        run.validate()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full to play the full disk")
def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, whole: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = trainer(tmp_path)
    take_step = interrupted.take_step

    def stop_in_epoch_2(step: int, *rest: Any) -> Any:
        if step == STEPS + 1:
            raise KeyboardInterrupt
        return take_step(step, *rest)

    monkeypatch.setattr(interrupted, "take_step", stop_in_epoch_2)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run()
    before = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt.part").symlink_to("/dev/full")
    status, said = command(tmp_path)
    assert status == 1
    assert f"error: {tmp_path / 'checkpoint.pt'} could not be written" in said
    assert "make room" in said
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert command(tmp_path)[0] == 0
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.pt", "history.json", "metrics.csv"])
def test_wherever_the_disk_is_full_nothing_is_lost(
    name: str, tmp_path: Path, whole: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space is left for one file from the second epoch on: one line, and with room the same weights in the end."""
    replace, writerows, times = os.replace, csv.DictWriter.writerows, [0]

    def full(*_: Any) -> None:
        times[0] += 1
        if times[0] > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    def replaced(source: Path, target: Path) -> None:
        if Path(target).name == name:
            full()
        replace(source, target)

    def written(self: Any, rows: Any) -> None:
        if name == "metrics.csv":
            full()
        writerows(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        patch.setattr(csv.DictWriter, "writerows", written)
        status, said = command(tmp_path)
    assert status == 1
    assert said.startswith("error: ")
    assert "No space left on device" in said
    assert "make room, then the same command resumes the run" in said
    assert not list(tmp_path.glob("*.part"))
    assert command(tmp_path)[0] == 0
    assert_same_run(tmp_path, whole)


def test_ctrl_c_while_a_checkpoint_is_written_keeps_the_one_before(
    tmp_path: Path, whole: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def interrupted(state: Any, path: Path) -> None:
        save(state, path)
        if len(state["history"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupted)
        assert command(tmp_path) == (130, f"stopped; the same command resumes {tmp_path} after its last whole epoch")
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "history.json", "log", "model.pt"]
    assert len(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["history"]) == 1
    assert command(tmp_path)[0] == 0
    assert_same_run(tmp_path, whole)


def test_the_log_has_steps_and_epochs_and_a_version_for_each_start(tmp_path: Path, whole: Path, command: Any) -> None:
    assert command(tmp_path, "--device", "cpu")[0] == 0
    with (tmp_path / "log" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [row for row in rows if row["batch_bound"]]
    assert [int(row["step"]) for row in steps] == [0, STEPS, 2 * STEPS]
    assert float(steps[1]["learning_rate"]) == learning_rate(TINY, STEPS, 3 * STEPS)
    epochs = [row for row in rows if row["epoch_bound"]]
    history = json.loads((tmp_path / "history.json").read_text())["epochs"]
    for row, record in zip(epochs, history, strict=True):
        assert {name: float(row[f"epoch_{name}"]) for name in record} == record
    assert_same_run(tmp_path, whole)


def test_an_atomic_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fails(part: Path) -> None:
        part.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match="No space left on device"):
        write_atomically(path, fails)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_out_that_is_a_file_and_options_that_make_no_sense(tmp_path: Path, command: Any) -> None:
    (tmp_path / "file").write_text("")
    status, said = command(tmp_path / "file")
    assert status == 1
    assert f"--out {tmp_path / 'file'} cannot be used as a folder (File exists)" in said
    assert command(tmp_path / "x", "--epochs", "0") == (1, "error: epochs is 0; it must be positive")
    assert "nothing to train on" in command(tmp_path / "x", "--validation-images", "300")[1]


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Trainer, step: int, *rest: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "take_step", interrupted)
    assert command(tmp_path) == (130, f"stopped; the same command resumes {tmp_path} after its last whole epoch")


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_run_folder_without_a_model(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"model\.pt (is missing|cannot be read)") as caught:
        load_run(tmp_path)
    assert "\n" not in str(caught.value)


# The command, on real digits


def wait_for_epoch(run: subprocess.Popen[str], out: Path, epoch: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and run.poll() is None:
        history = out / "history.json"
        if history.exists() and len(json.loads(history.read_text())["epochs"]) >= epoch:
            return
        time.sleep(0.02)
    raise AssertionError(f"epoch {epoch} never came: {run.communicate()[1]}")


def test_the_command_on_mnist_interrupted_and_resumed(tmp_path: Path, mnist_train: Any) -> None:
    """Ctrl-C after an epoch, then the same command again: the same weights as the run that nobody disturbed."""
    config = dataclasses.replace(TINY, epochs=3, batch_size=500, validation_images=2000)
    argv = [sys.executable, "-m", "vae.train", *arguments(config), "--out"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    # A shell that runs us in the background has us ignore Ctrl-C, and a child inherits that.
    pipes["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([*argv, str(tmp_path / "cut")], cwd=ROOT, env=env, **pipes) as run:
        wait_for_epoch(run, tmp_path / "cut", 1)
        run.send_signal(signal.SIGINT)
        said = run.communicate()[1].splitlines()[-1]
    assert said == f"stopped; the same command resumes {tmp_path / 'cut'} after its last whole epoch"
    assert run.returncode == 130
    for name in ("cut", "whole"):
        assert train.main([*argv[3:], str(tmp_path / name)]) == 0
    assert_same_run(tmp_path / "cut", tmp_path / "whole")
    history = load_run(tmp_path / "cut")[2]
    assert -230 < history[0]["validation_elbo"] < history[-1]["validation_elbo"] < -150


def test_the_command_names_the_data_that_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--data-dir", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: train-images-idx3-ubyte.gz is missing, for the folder")
    assert not (tmp_path / "run").exists()
