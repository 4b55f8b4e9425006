"""The sweep and the watched run: their scores against SciPy, their resumption, and the shipped plane trained again."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import special, stats
from tqdm import tqdm

from demo import pretrained, training
from export import ExportError
from export import training as packing
from vae import sweep, unfold
from vae.checkpoint import load_run
from vae.config import Config
from vae.evaluate import decoder_of, held_out
from vae.networks import VAE
from vae.unfold import WatchedTrainer, moment, moments

PIXELS = 784
TINY = Config(
    encoder_width=8, encoder_blocks=1, decoder_width=8, decoder_blocks=1, epochs=2, batch_size=32, warmup_steps=4,
    ema_decay=0.5, validation_images=40, learning_rate=5e-3,
)  # fmt: skip


def pictures(n: int, seed: int) -> NDArray[np.uint8]:
    """Two kinds of grey images, so that a latent has something to tell."""
    rng = np.random.default_rng(seed)
    kinds = np.zeros((2, 28, 28))
    kinds[0, 4:14], kinds[1, :, 10:18] = 220, 240
    return (kinds[rng.integers(2, size=n)].reshape(n, -1) * rng.random((n, 1))).astype(np.uint8)


def decoder(d: int, seed: int = 0) -> Any:
    """A small random decoder z [m, d] → logits [m, 12], steep enough to have narrow posteriors."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(0, 1.5, (d, 9)), rng.normal(0, 2, (9, 12))
    return lambda z: (np.tanh(np.asarray(z) @ first) @ second).astype(np.float32)


def log_joint(decode: Any, x: NDArray, z: NDArray) -> NDArray[np.float64]:
    signs = np.where(x > 0, 1.0, -1.0)
    return special.log_expit(signs * decode(z).astype(np.float64)).sum(-1) + stats.norm.logpdf(z).sum(-1)


X = np.random.default_rng(3).integers(0, 2, (6, 12), np.uint8)


def test_on_a_line_evidence_is_scipys() -> None:
    decode = decoder(1)
    axis = np.linspace(-9, 9, 9001)[:, None]
    wanted = [special.logsumexp(log_joint(decode, x, axis)) + np.log(axis[1, 0] - axis[0, 0]) for x in X]
    assert unfold.line_evidence(decode, X) == pytest.approx(wanted, abs=2e-4)


def test_on_a_plane_evidence_is_scipys() -> None:
    decode = decoder(2)
    axis = np.linspace(-7, 7, 501)
    z = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)
    wanted = [special.logsumexp(log_joint(decode, x, z)) + 2 * np.log(axis[1] - axis[0]) for x in X]
    assert unfold.plane_evidence(decode, X) == pytest.approx(wanted, abs=5e-4)


def in_torch(decode: Any) -> Any:
    """A decoder of the fits: z [..., d] → logits [..., 12], tensors."""
    return lambda z: torch.from_numpy(decode(z.flatten(0, -2).numpy())).unflatten(0, z.shape[:-1])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_bound_of_the_sweep_finds_a_mode_that_q_misses() -> None:
    """q of the first x is put on a place where nothing is; two others' codes lie where its mass is."""
    decode = decoder(2)
    exact = unfold.plane_evidence(decode, X)
    axis = np.linspace(-4, 4, 161)
    z = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)
    best = z[log_joint(decode, X[0], z).argmax()]
    missed = (np.array([[6.0, 6.0]]), np.full((1, 2), -2.0))
    elsewhere = np.stack([best, best + 0.1])[None]
    found = [sweep.bounds(in_torch(decode), X[:1], missed, elsewhere, seeded(seed)) for seed in range(30)]
    values, sizes = np.array(found)[..., 0].T
    assert values.mean() == pytest.approx(exact[0], abs=0.1)
    assert ((sizes >= 1) & (sizes <= sweep.SAMPLES)).all()


def test_bounds_are_below_log_p_in_the_mean() -> None:
    decode = decoder(2)
    exact = unfold.plane_evidence(decode, X)
    loc, log_scale = np.zeros((6, 2)), np.zeros((6, 2))
    codes = np.random.default_rng(1).normal(size=(6, 2))
    near = sweep.others(decode, X, codes)
    found = [sweep.bounds(in_torch(decode), X, (loc, log_scale), codes[near], seeded(seed))[0] for seed in range(40)]
    mean, error = np.mean(found, axis=0), stats.sem(found, axis=0)
    assert (mean < exact + 4 * error).all()
    assert mean == pytest.approx(exact, abs=0.1)


def test_others_are_the_best_codes_of_other_digits() -> None:
    decode = decoder(2)
    codes = np.random.default_rng(1).normal(size=(6, 2))
    found = sweep.others(decode, X, codes)
    for i, x in enumerate(X):
        order = np.argsort(-log_joint(decode, x, codes))
        assert set(found[i]) == set(order[order != i][: sweep.OTHERS])


def test_reconstruction_is_the_mean_over_q() -> None:
    decode = decoder(1)
    loc, log_scale = np.full((len(X), 1), 0.3), np.full((len(X), 1), -1.5)
    node = np.linspace(-8, 8, 4001)
    z = (0.3 + np.exp(-1.5) * node)[:, None]
    weight = stats.norm.pdf(node) / stats.norm.pdf(node).sum()
    wanted = [weight @ (log_joint(decode, x, z) - stats.norm.logpdf(z).sum(-1)) for x in X]
    found = np.mean(
        [sweep.reconstruction(decode, X, loc, log_scale, np.random.default_rng(s)) for s in range(300)], axis=0
    )
    assert found == pytest.approx(wanted, abs=0.06)


def test_moments_are_few_rise_and_end_with_the_run() -> None:
    for total in (1, 5, 16, 40, 4300, 100_000):
        found = moments(total)
        assert found[0] == 0
        assert found[-1] == total
        assert list(found) == sorted(set(found))
        assert len(found) <= unfold.MOMENTS


def coarse(decode: Any, x: NDArray[np.uint8]) -> float:
    return float(unfold.plane_evidence(decode, x[None], 41)[0])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep of two dimensions that takes seconds."""
    monkeypatch.setattr(sweep, "RECIPE", TINY)
    monkeypatch.setattr(sweep, "DIMENSIONS", (1, 2, 3))
    monkeypatch.setattr(sweep, "SAMPLES", 16)
    monkeypatch.setattr(unfold, "FINE", 41)
    monkeypatch.setattr(unfold, "IMAGES", 6)
    monkeypatch.setattr(unfold, "NODES", 3)
    # The adaptive rule has tests of its own, and takes seconds where a posterior is as wide as the prior.
    monkeypatch.setattr(sweep, "DecoderTable", SimpleNamespace(build=lambda decode: None))
    monkeypatch.setattr(sweep, "log_evidence", lambda _, decode, x: SimpleNamespace(value=coarse(decode, x)))


def binary(n: int) -> NDArray[np.uint8]:
    return (pictures(n, 9) > 100).astype(np.uint8)


@pytest.mark.usefixtures("small")
def test_a_sweep_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, x = pictures(200, 1), binary(8)
    sweep.sweep(images, x, tmp_path / "whole")
    real = sweep.score

    def stopped(run: Path, *rest: Any) -> Any:
        if run.name == "d3":
            raise KeyboardInterrupt
        return real(run, *rest)

    monkeypatch.setattr(sweep, "score", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(images, x, tmp_path / "twice")
    monkeypatch.setattr(sweep, "score", real)
    assert not (tmp_path / "twice" / "sweep.json").exists()
    sweep.sweep(images, x, tmp_path / "twice")
    for name in ("scores", "unfolding"):
        with np.load(tmp_path / "whole" / f"{name}.npz") as one, np.load(tmp_path / "twice" / f"{name}.npz") as two:
            assert one.files == two.files
            for key in set(one.files) - {"key"}:
                assert (one[key] == two[key]).all(), key
    one, two = (json.loads((tmp_path / way / "sweep.json").read_bytes())["points"] for way in ("whole", "twice"))
    for a, b in zip(one, two, strict=True):
        for clock in ("cpu_seconds", "seconds_per_decoding"):
            assert a.pop(clock) > 0
            assert b.pop(clock) > 0
        assert a == b


@pytest.mark.usefixtures("small")
def test_what_a_sweep_leaves_is_packed_and_read_as_it_is(tmp_path: Path) -> None:
    runs, assets = tmp_path / "runs", tmp_path / "assets"
    assert packing.main([str(runs), "--assets", str(assets)]) == 1
    with pytest.raises(ExportError, match="no finished sweep"):
        packing.pack(runs)
    sweep.sweep(pictures(200, 1), binary(8), runs)
    assert packing.main([str(runs), "--assets", str(assets)]) == 0
    story = training.load(assets)
    assert [point["latent_dim"] for point in story.points] == [1, 2, 3]
    for point in story.points:
        d = point["latent_dim"]
        assert Config(**point["config"]) == dataclasses.replace(TINY, latent_dim=d)
        assert point["log_p_x"]["value"] == pytest.approx(story.scores["log_p_x", d].mean(), abs=1e-4)
        model, _, _ = load_run(runs / f"d{d}")
        loc, _ = sweep.encode(model, binary(8))
        assert point["variances"] == pytest.approx(loc.var(axis=0), abs=1e-6)
    with np.load(runs / "unfolding.npz") as saved:
        planes, steps, elbo = saved["planes"], saved["step"], saved["elbo"]
    assert [found.step for found in story.unfolding.moments] == steps.tolist()
    assert [found.elbo for found in story.unfolding.moments] == pytest.approx(elbo.mean(axis=1), abs=1e-4)
    assert (story.unfolding.of_digits["elbo"] == elbo).all()
    pixels = np.asarray(Image.open(io.BytesIO(story.unfolding.sheet)).convert("L")).astype(int)
    side = 3 * 28
    for i, plane in enumerate(planes):
        row, column = divmod(i, packing.COLUMNS)
        shown = pixels[row * side : (row + 1) * side, column * side : (column + 1) * side]
        wanted = np.block([[plane[3 * r + c].reshape(28, 28) for c in range(3)] for r in range(3)])
        assert np.abs(shown - wanted).max() <= 9, "half a level of sixteen, rounded"


@pytest.mark.usefixtures("small")
def test_a_moment_holds_the_weights_of_its_step(tmp_path: Path) -> None:
    """The last moment is the run's last weights, and the first what a fresh network begins with."""
    trainer = WatchedTrainer(dataclasses.replace(TINY, latent_dim=2), pictures(200, 1), tmp_path, unfolding=True)
    start = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    trainer.run()
    ends = ((0, start), (trainer.steps_per_epoch * TINY.epochs, trainer.model.state_dict()))
    for step, weights in ends:
        kept = torch.load(moment(tmp_path, step), weights_only=True)
        assert all(torch.equal(kept[name], weight) for name, weight in weights.items()), step
    assert all(record["cpu_seconds"] > 0 for record in trainer.history)
    assert not (tmp_path.parent / "moments").exists()


class EnoughError(Exception):
    """So many steps will do."""


class Few(tqdm):  # type: ignore[type-arg]
    """Progress that ends a run after 114 steps."""

    steps = 0

    def update(self, n: float | None = 1) -> bool | None:
        self.steps += 1
        if self.steps == 114:
            raise EnoughError
        return super().update(n)


def test_the_shipped_plane_unfolds_again(
    tmp_path: Path, mnist_train: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    """The first moments trained anew by the shipped config: the same planes, the same log p(x)."""
    if not (pretrained.ASSETS / training.FOLDER).exists():
        pytest.skip("demo/assets/training has not been exported yet")
    story = training.load()
    (config,) = [Config(**point["config"]) for point in story.points if point["latent_dim"] == 2]
    trainer = WatchedTrainer(config, mnist_train[0], tmp_path, unfolding=True)
    with pytest.raises(EnoughError), Few(disable=True) as progress:
        trainer.train_epoch(progress)
    sheet = np.asarray(Image.open(io.BytesIO(story.unfolding.sheet)).convert("L")).astype(float)
    side = story.unfolding.nodes * 28
    x = held_out(mnist_train[0], config.validation_images)[: story.unfolding.images]
    compared = 0
    for i, told in enumerate(story.unfolding.moments):
        if told.step > 114:
            break
        model = VAE(PIXELS, config)
        model.load_state_dict(torch.load(moment(tmp_path, told.step), weights_only=True))
        decode = decoder_of(model.eval())
        plane = unfold.decoded_plane(decode).reshape(17, 17, 28, 28).transpose(0, 2, 1, 3).reshape(side, side)
        row, column = divmod(i, story.unfolding.columns)
        shown = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert np.abs(shown - plane).max() <= 12, told.step
        compared += 1
    assert compared == 5, [moment.step for moment in story.unfolding.moments]
    last = story.unfolding.moments[compared - 1]
    assert unfold.plane_evidence(decode, x, 81).mean() == pytest.approx(last.log_p_x, abs=0.05)
