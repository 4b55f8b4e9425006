"""Nats after minutes of training: `python -m benchmarks.training`. Our trainer beside what a user would pick instead,
one thread each, one after the other in one run on the same 55,000 digits; a quarter of an hour on a quiet machine.

(a) the network and the loop of PyTorch's own example: 784–400–20–400–784 with ReLU, Adam at 1e-3, batches of 128 that
a DataLoader puts together digit by digit; (b) pythae's VAE of 20 dimensions with its default networks under its
trainer. Each trains for the minutes; where they were at fewer minutes is read off the same run. Ours trains anew for
each number of minutes, in a third of them: the residual networks of the site with 20 dimensions, by the command that
is printed, whose epochs are what fits, by the time of one epoch that is thrown away. A clock runs from the making of a
network to its last step and stops only while it is scored: −log p(x) of the same held-out digits by 200 draws of its
q, an upper bound for all three. (a) and ours see new binary pixels in every epoch; pythae keeps its data, so its
pixels are drawn once. Nobody's validation or checkpoints are run.

pythae beside this torch: `pip install --no-deps --target DIR pythae pydantic pydantic-core annotated-types
typing-inspection cloudpickle imageio`, then PYTHONPATH=DIR. A run with the default options and with pythae is kept in
benchmarks/figures/ for the README.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import io
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from benchmarks import record
from demo import mnist
from vae.config import Config
from vae.data import binarise
from vae.objective import log_bernoulli, log_normal, log_standard_normal
from vae.train import Trainer

COMMAND = "python -m benchmarks.training"
SCORED, DRAWS = 300, 200
TIMES = 3  # as fast as the others to their nats, or faster: what is asked for
MARGIN = 0.95  # of the time that is ours is planned for, as epochs vary
OURS = Config(
    latent_dim=20,
    encoder_width=256,
    encoder_blocks=1,
    decoder_width=256,
    decoder_blocks=1,
    batch_size=256,
    learning_rate=6e-3,
    warmup_steps=100,
    ema_decay=0.99,
)
Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
Decode = Callable[[Tensor], Tensor]
Rows = list[tuple[float, float]]  # seconds of training, NLL then


class OutOfTimeError(Exception):
    """The minutes are over."""


class Watch:
    """A clock that stands still while a network is scored, and the figures that it was stopped for."""

    def __init__(self, seconds: float, held_out: Tensor) -> None:
        self.limit, self.x = seconds, held_out
        self.spent, self.began, self.rows = 0.0, time.perf_counter(), Rows()

    def epoch(self, encode: Encode, decode: Decode) -> None:
        """To be called after each epoch. Raises OutOfTimeError."""
        self.spent += time.perf_counter() - self.began
        self.rows.append((self.spent, nll(encode, decode, self.x)))
        if self.spent >= self.limit:
            raise OutOfTimeError
        self.began = time.perf_counter()


def within(rows: Rows, seconds: float) -> Rows:
    """The epochs that were begun within so many seconds."""
    return [now for before, now in zip([(0.0, math.inf), *rows], rows, strict=False) if before[0] < seconds]


def seconds_to(rows: Rows, target: float) -> float | None:
    """When the NLL first came below the target, on the line between two epochs; None where it never did."""
    before = (0.0, math.inf)
    for now in rows:
        if now[1] <= target:
            share = 1.0 if math.isinf(before[1]) else (before[1] - target) / (before[1] - now[1])
            return before[0] + share * (now[0] - before[0])
        before = now
    return None


def standing(name: str, minutes: float, rows: Rows, images: int, ours: Rows | None) -> dict[str, Any]:
    """One line of the table: a contestant's best, and how long it and `ours` took to it, where it is not ours."""
    best = min(nll for _, nll in rows)
    found = {
        "minutes": minutes,
        "name": name,
        "images_a_second": round(len(rows) * images / rows[-1][0]),
        "epochs": len(rows),
        "seconds": round(rows[-1][0], 1),
        "nll": round(rows[-1][1], 2),
        "best": round(best, 2),
    }
    if ours is None:
        return found
    theirs, taken = seconds_to(rows, best), seconds_to(ours, best)
    assert theirs is not None
    return found | {
        "seconds_to_best": round(theirs, 1),
        "ours_seconds": None if taken is None else round(taken, 1),
        "times": None if taken is None else round(theirs / taken, 2),
    }


def told(line: dict[str, Any]) -> str:
    said = (
        f"{line['minutes']:4.2g} min  {line['name']:10} {line['images_a_second']:7,d} images a second, "
        f"{line['epochs']:3d} epochs in {line['seconds']:4.0f} s, NLL ≤ {line['nll']:.2f}, best {line['best']:.2f}"
    )
    if "times" not in line:
        return said
    if line["times"] is None:
        return f"{said} after {line['seconds_to_best']:.0f} s, ours never"
    return f"{said} after {line['seconds_to_best']:.0f} s, ours {line['ours_seconds']:.0f} s: {line['times']:.1f} times"


@torch.no_grad()
def nll(encode: Encode, decode: Decode, x: Tensor) -> float:
    """−log (1/K) Σ_k p(x, z_k) / q(z_k|x), the mean over x [n, 784], K = DRAWS."""
    generator = torch.Generator().manual_seed(0)
    loc, log_scale = encode(x)
    z = loc + log_scale.exp() * torch.randn(DRAWS, *loc.shape, generator=generator)
    given = torch.stack([log_bernoulli(x, decode(part)) for part in z])
    log_w = given.double() + log_standard_normal(z) - log_normal(z, loc, log_scale)
    return -(log_w.logsumexp(0) - math.log(DRAWS)).mean().item()


class Example(nn.Module):
    """The networks of PyTorch's example: one hidden layer of 400 units with ReLU on either side of 20 dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.loc, self.log_variance = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.back, self.out = nn.Linear(20, 400), nn.Linear(400, 784)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.hidden(x).relu()
        return self.loc(h), 0.5 * self.log_variance(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.out(self.back(z).relu())


def run_example(images: Tensor, watch: Watch) -> None:
    torch.manual_seed(0)
    model = Example()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(images.float() / 255), batch_size=128, shuffle=True)
    while True:
        for (grey,) in loader:
            x = (torch.rand_like(grey) < grey).float()  # three times as fast as grey.bernoulli()
            optimiser.zero_grad()
            loc, log_scale = model.encode(x)
            logits = model.decode(loc + log_scale.exp() * torch.randn_like(loc))
            divergence = -0.5 * (1 + 2 * log_scale - loc**2 - (2 * log_scale).exp()).sum()
            (nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") + divergence).backward()
            optimiser.step()
        watch.epoch(model.encode, model.decode)


def run_pythae(images: Tensor, watch: Watch, folder: str) -> None:
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    logging.disable(logging.WARNING)
    x = (images.float() / 255).bernoulli(generator=torch.Generator().manual_seed(0)).view(-1, 1, 28, 28)
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce"))
    last = [layer for layer in model.decoder.modules() if isinstance(layer, nn.Linear)][-1]
    seen: list[Tensor] = []  # the logits, which its decoder does not hand out
    last.register_forward_hook(lambda _layer, _inputs, outputs: seen.__setitem__(slice(None), [outputs]))

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        found = model.encoder(x.view(-1, 1, 28, 28))
        return found.embedding, 0.5 * found.log_covariance

    def decode(z: Tensor) -> Tensor:
        model.decoder(z)
        return seen[0]

    class EachEpoch(TrainingCallback):
        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            watch.epoch(encode, decode)

    config = BaseTrainerConfig(
        output_dir=folder, num_epochs=10_000, per_device_train_batch_size=128, learning_rate=1e-3, no_cuda=True
    )
    data = BaseDataset(x, torch.zeros(len(x)))
    BaseTrainer(model=model, train_dataset=data, training_config=config, callbacks=[EachEpoch()]).train()


def run_ours(config: Config, images: Tensor, watch: Watch, folder: Path) -> None:
    trainer = Trainer(config, images.numpy(), folder)
    for _ in range(config.epochs):
        with tqdm(disable=True) as silent:
            trainer.history.append(trainer.train_epoch(silent))
        watch.epoch(trainer.averaged.encoder, trainer.averaged.decoder)


def fitted(seconds: float, images: Tensor, folder: Path) -> Config:
    """OURS with as many epochs as fit, in the arithmetic that is faster on this machine: an epoch of each is timed."""
    taken = {}
    for precision in Config.CHOICES["precision"]:
        trainer = Trainer(dataclasses.replace(OURS, precision=precision), images.numpy(), folder)
        began = time.perf_counter()
        with tqdm(disable=True) as silent:
            trainer.train_epoch(silent)
        taken[precision] = time.perf_counter() - began
    fastest = min(taken, key=taken.__getitem__)
    return dataclasses.replace(OURS, precision=fastest, epochs=max(1, int(MARGIN * seconds / taken[fastest])))


def contest(minutes: Sequence[float], images: Tensor, folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of the table and the commands of ours."""
    learned = images[: -OURS.validation_images]
    held_out = binarise(images[len(learned) :][:SCORED], torch.Generator().manual_seed(0))
    others: dict[str, Callable[[Watch], None]] = {"example": lambda watch: run_example(learned, watch)}
    if importlib.util.find_spec("pythae"):
        others["pythae"] = lambda watch: run_pythae(learned, watch, str(folder))
    else:
        print("pythae is not there: see the top of benchmarks/training.py")
    lines, commands, watches = list[dict[str, Any]](), list[str](), dict[str, Watch]()
    for name, run in others.items():
        watch = watches[name] = Watch(60 * max(minutes), held_out)
        with contextlib.suppress(OutOfTimeError), contextlib.redirect_stderr(io.StringIO()):  # pythae's bars
            run(watch)
        print(f"{name}: {len(watch.rows)} epochs in {watch.spent:.0f} s, NLL ≤ {watch.rows[-1][1]:.2f}", flush=True)
    for given in minutes:
        config = fitted(60 * given / TIMES, images, folder)
        commands.append(f"python -m vae.train --out RUN {config.told()}")
        watch = Watch(math.inf, held_out)
        run_ours(config, images, watch, folder)
        lines += [
            standing(name, given, within(other.rows, 60 * given), len(learned), watch.rows)
            for name, other in watches.items()
        ]
        lines.append(standing("ours", given / TIMES, watch.rows, len(learned), None))
        print(*map(told, lines[-len(watches) - 1 :]), commands[-1], sep="\n", flush=True)
    return lines, commands


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=[2.0, 5.0], help="of training for the others (default: 2 5)"
    )
    arguments = parser.parse_args(argv)
    if min(arguments.minutes) <= 0:
        parser.error("--minutes must be above 0")
    where = record.setting()
    print(f"{where['machine']}; load {where['load_before']}", flush=True)
    torch.set_num_threads(1)
    train, _ = mnist.load("train")
    with tempfile.TemporaryDirectory() as folder:
        lines, commands = contest(arguments.minutes, torch.tensor(train), Path(folder))
    if arguments == parser.parse_args([]) and importlib.util.find_spec("pythae"):
        record.save("training", COMMAND, where, limits={"times": TIMES}, ours=commands, lines=lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
