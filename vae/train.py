"""Trains one VAE and keeps it: `python -m vae.train --out RUN`. Knows nothing of ONNX or of the site's pages.

RUN/checkpoint.pt holds all that the next epoch needs, written after each epoch and never half written; the same
command on the same RUN goes on from there. All randomness of an epoch comes from (seed, epoch), so a killed run
ends with the very weights of an uninterrupted one. RUN/model.pt holds the averaged weights of the epoch that was
best on the validation split, RUN/history.json the curves.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from demo import mnist
from vae.config import Config
from vae.networks import VAE
from vae.objective import elbo


class TrainingError(Exception):
    """Training cannot go on; the message is one line that names the fault and the mend."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Grey images as uint8 tensors [N, pixels]; validation is the end of the training file, never the test set."""

    train: Tensor
    validation: Tensor

    @classmethod
    def of(cls, images: np.ndarray, validation_images: int) -> Split:
        if not 0 < validation_images < len(images):
            raise TrainingError(
                f"--validation-images {validation_images} leaves nothing to train on: there are {len(images)} images"
            )
        grey = torch.from_numpy(np.ascontiguousarray(images))
        return cls(train=grey[:-validation_images], validation=grey[-validation_images:])

    def mean_image(self) -> Tensor:
        """Mean training image [pixels] with one pseudo-count a side, so that its logit is finite."""
        total = self.train.float().div(255).sum(0)
        return (total + 1) / (len(self.train) + 2)


def binarise(grey: Tensor, generator: torch.Generator) -> Tensor:
    """x_i ~ Bernoulli(grey_i / 255), drawn afresh at every call. uint8 [N, pixels] → float32 [N, pixels] in {0, 1}."""
    return (torch.rand(grey.shape, generator=generator) * 255 < grey).float()


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The one source of randomness of an epoch: resuming needs no saved generator state."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1))


def learning_rate(config: Config, step: int, total_steps: int) -> float:
    """Linear warm-up to the peak, then half a cosine down to 0."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / total_steps))


def write_atomically(path: Path, write: Any) -> None:
    """`write(temporary path)`, then one rename: readers see the old file or the new one, never half of one."""
    temporary = path.with_suffix(path.suffix + ".part")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Trainer:
    """The state of one run: networks, averaged weights, optimiser, history. `run` trains to the end."""

    def __init__(self, config: Config, images: np.ndarray, out: Path) -> None:
        self.config, self.out = config, out
        self.split = Split.of(images, config.validation_images)
        torch.manual_seed(config.seed)
        self.pixels = images.shape[1]
        self.model = VAE(self.pixels, config, self.split.mean_image())
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.steps_per_epoch = math.ceil(len(self.split.train) / config.batch_size)
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    def save(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        state = {
            "config": self.config.as_dict(),
            "pixels": self.pixels,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
        }
        kept = {"config": self.config.as_dict(), "pixels": self.pixels, "model": self.best, "history": self.history}
        write_atomically(self.checkpoint, lambda path: torch.save(state, path))
        write_atomically(self.out / "model.pt", lambda path: torch.save(kept, path))
        text = json.dumps({"config": self.config.as_dict(), "epochs": self.history}, indent=1)
        write_atomically(self.out / "history.json", lambda path: path.write_text(text + "\n"))

    def resume(self) -> None:
        """Takes up the run's checkpoint; refuses one of another config."""
        try:
            state = torch.load(self.checkpoint, weights_only=True)
            stored = state["config"]
        except Exception as error:
            raise TrainingError(
                f"{self.checkpoint} cannot be read ({type(error).__name__}); delete it to start this run anew"
            ) from error
        wanted = self.config.as_dict()
        changed = [f"{k} {stored.get(k)} → {v}" for k, v in wanted.items() if stored.get(k) != v]
        if changed:
            raise TrainingError(
                f"{self.out} was trained with another config ({', '.join(changed)}); "
                "repeat its options to resume it, or name another --out"
            )
        if state["pixels"] != self.pixels:
            raise TrainingError(f"{self.out} was trained on images of {state['pixels']} pixels, not {self.pixels}")
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history, self.best = state["history"], state["best"]

    def train_epoch(self, progress: tqdm) -> dict[str, float]:
        """One pass over the training split; returns the mean parts of the bound in nats an image."""
        generator = epoch_generator(self.config.seed, self.epoch)
        order = torch.randperm(len(self.split.train), generator=generator)
        total_steps = self.steps_per_epoch * self.config.epochs
        sums = torch.zeros(2, dtype=torch.float64)
        seen = 0
        for i, index in enumerate(order.split(self.config.batch_size)):
            step = self.epoch * self.steps_per_epoch + i
            for group in self.optimiser.param_groups:
                group["lr"] = learning_rate(self.config, step, total_steps)
            x = binarise(self.split.train[index], generator)
            noise = torch.randn(len(x), self.config.latent_dim, generator=generator)
            parts = elbo(self.model, x, noise)
            loss = -parts.value.mean()
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss.item()} at epoch {self.epoch + 1}, step {step}; the checkpoint before it "
                    f"is kept in {self.out}: start another --out with a --learning-rate below {self.config.learning_rate}"
                )
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
            self.optimiser.step()
            self.average.update_parameters(self.model)
            sums += torch.stack([parts.reconstruction.sum(), parts.kl.sum()]).detach().double()
            seen += len(x)
            if i % 20 == 0:
                mean = (sums / seen).tolist()
                progress.set_postfix(
                    epoch=f"{self.epoch + 1}/{self.config.epochs}",
                    elbo=f"{mean[0] - mean[1]:.2f}",
                    reconstruction=f"{mean[0]:.2f}",
                    kl=f"{mean[1]:.2f}",
                    refresh=False,
                )
            progress.update()
        reconstruction, kl = (sums / seen).tolist()
        return {"elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean parts of the one-sample bound on the validation split, averaged weights, the same draw every epoch."""
        generator = epoch_generator(self.config.seed, 2**31)
        x = binarise(self.split.validation, generator)
        noise = torch.randn(len(x), self.config.latent_dim, generator=generator)
        parts = elbo(self.average.module, x, noise)
        reconstruction = parts.reconstruction.double().mean().item()
        kl = parts.kl.double().mean().item()
        return {
            "validation_elbo": reconstruction - kl,
            "validation_reconstruction": reconstruction,
            "validation_kl": kl,
        }

    def run(self) -> None:
        total = self.steps_per_epoch * self.config.epochs
        with tqdm(
            total=total, initial=self.epoch * self.steps_per_epoch, unit="step", mininterval=1, dynamic_ncols=True
        ) as progress:
            while self.epoch < self.config.epochs:
                started = time.monotonic()
                record = self.train_epoch(progress) | self.validate()
                record = {"epoch": self.epoch + 1, **record, "seconds": time.monotonic() - started}
                best = max((h["validation_elbo"] for h in self.history), default=-math.inf)
                if record["validation_elbo"] > best:
                    self.best = copy.deepcopy(self.average.module.state_dict())
                self.history.append(record)
                self.save()
                tqdm.write(
                    "epoch {epoch}: elbo {elbo:.2f} = {reconstruction:.2f} − {kl:.2f}, "
                    "validation {validation_elbo:.2f} nats, {seconds:.0f} s".format(**record)
                )


def load_run(run: Path) -> tuple[VAE, Config, list[dict[str, float]]]:
    """The kept model of a run folder, ready to evaluate: (model, config, history)."""
    path = run / "model.pt"
    if not path.exists():
        raise TrainingError(f"{path} is missing; train it with: python -m vae.train --out {run}")
    try:
        state = torch.load(path, weights_only=True)
        config = Config(**state["config"])
        model = VAE(state["pixels"], config)
        model.load_state_dict(state["model"])
    except Exception as error:
        raise TrainingError(f"{path} cannot be read ({type(error).__name__}: {error}); train the run again") from error
    return model.eval().requires_grad_(False), config, state["history"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vae.train", description="Train a VAE on dynamically binarised MNIST.")
    parser.add_argument("--data-dir", help="folder of the four IDX files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--out", type=Path, required=True, help="run folder; an unfinished run in it is taken up again")
    Config.add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        config = Config.from_arguments(arguments)
        images, _ = mnist.load("train", arguments.data_dir)
        trainer = Trainer(config, images, arguments.out)
        if trainer.checkpoint.exists():
            trainer.resume()
        trainer.run()
    except (TrainingError, mnist.DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped; the same command resumes {arguments.out} after its last whole epoch", file=sys.stderr)
        return 130
    print(f"{arguments.out / 'model.pt'}: best validation bound {max(h['validation_elbo'] for h in trainer.history):.2f} nats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
