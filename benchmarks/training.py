"""Nats after equal minutes: `python -m benchmarks.training`. Our trainer beside what a user would pick instead, one
thread each, one after the other in one run on the same digits; it wants a quiet machine.

(a) the network and the loop of PyTorch's own example: 784–400–20–400–784 with ReLU, Adam at 1e-3, batches of 128 from
a DataLoader; (b) pythae's VAE of 20 dimensions with its default networks under its trainer, `pip install pythae`
(left out where it is not there); ours: the residual networks of the site at 20 dimensions. The clocks stop while a
network is scored: −log p(x) of the same held-out digits by 200 draws of its q, an upper bound on the NLL for all
three. (a) and ours see new binary pixels in every epoch; pythae keeps its data, so its pixels are drawn once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import logging
import math
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from demo import mnist
from vae.config import Config
from vae.data import binarise
from vae.objective import log_bernoulli, log_normal, log_standard_normal
from vae.train import Trainer

SCORED, DRAWS = 300, 200
Encode = Callable[[Tensor], tuple[Tensor, Tensor]]
Decode = Callable[[Tensor], Tensor]


class OutOfTimeError(Exception):
    """The minutes are over."""


class Watch:
    """A clock that stands still while a network is scored, and the figures that it was stopped for."""

    def __init__(self, seconds: float, held_out: Tensor, epoch_images: int) -> None:
        self.limit, self.x, self.epoch_images = seconds, held_out, epoch_images
        self.spent, self.began, self.rows = 0.0, time.perf_counter(), list[tuple[float, float]]()

    def epoch(self, encode: Encode, decode: Decode) -> None:
        """To be called after each epoch. Raises OutOfTimeError."""
        self.spent += time.perf_counter() - self.began
        self.rows.append((self.spent, nll(encode, decode, self.x)))
        if self.spent >= self.limit:
            raise OutOfTimeError
        self.began = time.perf_counter()

    @property
    def images_a_second(self) -> float:
        return len(self.rows) * self.epoch_images / self.spent

    def seconds_to(self, target: float) -> float:
        """When the NLL first came below the target, on the line between two epochs; infinity where it never did."""
        before = (0.0, math.inf)
        for now in self.rows:
            if now[1] <= target:
                share = 1.0 if math.isinf(before[1]) else (before[1] - target) / (before[1] - now[1])
                return before[0] + share * (now[0] - before[0])
            before = now
        return math.inf


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
            x = grey.bernoulli()
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


def run_ours(images: Tensor, watch: Watch, folder: str, epochs: int) -> None:
    config = Config(latent_dim=20, decoder_width=512, decoder_blocks=2, epochs=epochs, validation_images=1)
    trainer = Trainer(config, images.numpy(), Path(folder))
    for _ in range(epochs):
        with tqdm(disable=True) as silent:
            trainer.history.append(trainer.train_epoch(silent))
        watch.epoch(trainer.averaged.encoder, trainer.averaged.decoder)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="of training for each (default: 5)")
    parser.add_argument("--epochs", type=int, default=12, help="of ours, whose learning rate falls to 0 (default: 12)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train, _ = mnist.load("train")
    images = torch.tensor(train)
    learned, held_out = images[:-5000], binarise(images[-5000:][:SCORED], torch.Generator().manual_seed(0))
    watches: dict[str, Watch] = {}

    def contest(name: str, run: Callable[[Watch], None]) -> None:
        watch = watches[name] = Watch(60 * arguments.minutes, held_out, len(learned))
        with contextlib.suppress(OutOfTimeError):
            run(watch)
        print(
            f"{name:10} {watch.images_a_second:7,.0f} images a second, {len(watch.rows):3d} epochs in "
            f"{watch.spent:4.0f} s, NLL ≤ {watch.rows[-1][1]:.2f}, best {min(row[1] for row in watch.rows):.2f}",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        contest("example", lambda watch: run_example(learned, watch))
        if importlib.util.find_spec("pythae"):
            contest("pythae", lambda watch: run_pythae(learned, watch, folder))
        else:
            print("pythae     is not installed: pip install pythae")
        contest("ours", lambda watch: run_ours(images[: len(learned) + 1], watch, f"{folder}/ours", arguments.epochs))
    ours = watches.pop("ours")
    for name, watch in watches.items():
        target = min(row[1] for row in watch.rows)
        theirs, taken = watch.seconds_to(target), ours.seconds_to(target)
        print(f"to {name}'s best, {target:.2f} nats: {theirs:.0f} s, ours {taken:.0f} s, {theirs / taken:.1f} times")


if __name__ == "__main__":
    main()
