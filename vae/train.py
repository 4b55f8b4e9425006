"""Trains one VAE and keeps it: `python -m vae.train --out RUN`. Knows nothing of ONNX or of the site's pages.

RUN/checkpoint.pt holds all that the next epoch needs, written after each epoch and never half written; the same
command on the same RUN goes on from there. All randomness of an epoch comes from (seed, epoch), so a killed run
ends with the very weights of an uninterrupted one. RUN/model.pt holds the averaged weights of the epoch that was
best on the validation split by the run's own objective, RUN/history.json the curves.
"""

from __future__ import annotations

import argparse
import copy
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
from vae.checkpoint import History, TrainingError, damaged, read_run, start_from, write_kept, write_run
from vae.config import Config
from vae.data import Split, binarise, epoch_generator
from vae.networks import VAE
from vae.objective import Objective, objective


def learning_rate(config: Config, step: int, total_steps: int) -> float:
    """Linear warm-up to the peak, then half a cosine down to 0."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * step / total_steps))


class Mean:
    """Means of an objective's figures over all images seen, in float64."""

    def __init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64)
        self.images = 0

    def add(self, found: Objective) -> None:
        figures = (found.bound, found.elbo.reconstruction, found.elbo.kl)
        self.sums += torch.stack([figure.detach().double().sum() for figure in figures])
        self.images += len(found.bound)

    def record(self) -> dict[str, float]:
        bound, reconstruction, kl = (self.sums / self.images).tolist()
        return {"bound": bound, "elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


class Trainer:
    """The state of one run: networks, averaged weights, optimiser, history. `run` trains to the end.

    Raises ValueError where the config does not fit the images, uint8 [N, pixels].
    """

    def __init__(self, config: Config, images: np.ndarray, out: Path) -> None:
        self.config, self.out = config, out
        self.split = Split.of(images, config.validation_images)
        torch.manual_seed(config.seed)
        self.pixels = images.shape[1]
        self.model = VAE(self.pixels, config, self.split.mean_image())
        if config.init != "none" and not self.checkpoint.exists():
            start_from(Path(config.init), self.model)
        # Convolutions are faster with the channels last, and nothing else here has four axes.
        self.model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.decoder.requires_grad_(config.trained == "both")
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        learning = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(
            learning, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.steps_per_epoch = math.ceil(len(self.split.train) / config.batch_size)
        self.history: History = []
        self.best: dict[str, Tensor] = {}

    @property
    def epoch(self) -> int:
        return len(self.history)

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    @property
    def averaged(self) -> VAE:
        """The network with the exponentially averaged weights: the one that is validated and kept."""
        assert isinstance(self.average.module, VAE)
        return self.average.module

    def state(self) -> dict[str, Any]:
        """All that the next epoch needs; the random numbers are not in it, for (seed, epoch) gives them."""
        return {
            "config": self.config.as_dict(),
            "pixels": self.pixels,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def resume(self) -> None:
        """Takes up the run's checkpoint; raises TrainingError for a damaged one or one of another config."""
        state = read_run(self.out, self.config, self.pixels)
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history, self.best = state["history"], state["best"]
        except Exception as error:
            raise damaged(self.checkpoint, error) from error

    def noise(self, images: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What a step draws: noise [draws, images, d] for q and [prior_draws, d] for the prior."""
        config = self.config
        own = torch.randn(config.draws, images, config.latent_dim, generator=generator)
        return own, torch.randn(config.prior_draws, config.latent_dim, generator=generator)

    def train_epoch(self, progress: tqdm) -> dict[str, float]:
        """One pass over the training split; returns the mean bound and the ELBO's mean parts in nats an image."""
        generator = epoch_generator(self.config.seed, self.epoch)
        order = torch.randperm(len(self.split.train), generator=generator)
        mean = Mean()
        for i, index in enumerate(order.split(self.config.batch_size)):
            x = binarise(self.split.train[index], generator)
            mean.add(self.take_step(self.epoch * self.steps_per_epoch + i, x, *self.noise(len(x), generator)))
            if i % 20 == 0:
                shown = {name: f"{value:.2f}" for name, value in mean.record().items()}
                progress.set_postfix({"epoch": f"{self.epoch + 1}/{self.config.epochs}"} | shown, refresh=False)
            progress.update()
        return mean.record()

    def take_step(self, step: int, x: Tensor, noise: Tensor, prior_noise: Tensor) -> Objective:
        """One gradient step for the batch x [batch, pixels]; returns the objective before the step."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step, self.steps_per_epoch * self.config.epochs)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            found = objective(self.config, self.model, x, noise, prior_noise)
        loss = found.loss.mean()
        self.check_finite(loss.item(), f"the loss became {loss.item()} at epoch {self.epoch + 1}, step {step}")
        self.optimiser.zero_grad()
        loss.backward()
        for network in (self.model.encoder, self.model.decoder):  # apart, for q's needles make the encoder's large
            torch.nn.utils.clip_grad_norm_(network.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        return found

    def check_finite(self, value: float, fault: str) -> None:
        """Stops a run that diverged before anything of it is kept."""
        if not math.isfinite(value):
            raise TrainingError(
                f"{fault}; {self.out} keeps the {self.epoch} epochs before it: "
                f"start another --out with a --learning-rate below {self.config.learning_rate:g}"
            )

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The objective's means on the validation split, averaged weights, the same draws every epoch."""
        generator = epoch_generator(self.config.seed, 2**31)
        mean = Mean()
        for grey in self.split.validation.split(self.config.batch_size):
            x = binarise(grey, generator)
            mean.add(objective(self.config, self.averaged, x, *self.noise(len(x), generator)))
        record = {f"validation_{name}": value for name, value in mean.record().items()}
        bounds = record["validation_elbo"] + record["validation_bound"]
        self.check_finite(bounds, f"the validation bound is not finite after epoch {self.epoch + 1}")
        return record

    def run(self) -> None:
        """Trains the epochs that are left, keeping each; a finished run only has its kept files written anew."""
        if self.epoch:
            write_kept(self.out, self.state())  # the kill that we resume from may have come before they were
        total = self.steps_per_epoch * self.config.epochs
        done = self.epoch * self.steps_per_epoch
        with tqdm(total=total, initial=done, unit="step", mininterval=1, dynamic_ncols=True) as progress:
            while self.epoch < self.config.epochs:
                started = time.monotonic()
                record = self.train_epoch(progress) | self.validate()
                record = {"epoch": self.epoch + 1, **record, "seconds": time.monotonic() - started}
                best = max((h["validation_bound"] for h in self.history), default=-math.inf)
                if record["validation_bound"] > best:
                    self.best = copy.deepcopy(self.averaged.state_dict())
                self.history.append(record)
                write_run(self.out, self.state())
                tqdm.write(
                    "epoch {epoch}: bound {bound:.2f}, elbo {elbo:.2f} = {reconstruction:.2f} − {kl:.2f}, validation "
                    "bound {validation_bound:.2f}, elbo {validation_elbo:.2f} nats, {seconds:.0f} s".format(**record)
                )


def load_images(data_dir: str | None) -> np.ndarray:
    """The 60,000 training images uint8 [N, 784], fetched with a progress bar where no folder was named."""
    with tqdm(desc="MNIST", unit="B", unit_scale=True, delay=0.1, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return mnist.load("train", data_dir, download=True, progress=show)[0]


def prepare(arguments: argparse.Namespace) -> Trainer:
    """A trainer at the start of its run, or where an earlier command left it."""
    out = arguments.out
    try:
        trainer = Trainer(Config.from_arguments(arguments), load_images(arguments.data_dir), out)
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(None, "no permission to write into it")
    except ValueError as error:
        raise TrainingError(str(error)) from error
    except OSError as error:
        raise TrainingError(f"--out {out} cannot be used as a folder ({error.strerror}); name another") from error
    if trainer.checkpoint.exists():
        trainer.resume()
    return trainer


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m vae.train", description="Train a VAE on dynamically binarised MNIST."
    )
    parser.add_argument("--data-dir", help="folder of the four IDX files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--out", type=Path, required=True, help="run folder; an unfinished run in it is taken up again")
    Config.add_arguments(parser)
    arguments = parser.parse_args(argv)
    try:
        trainer = prepare(arguments)
        trainer.run()
    except (TrainingError, mnist.DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped; the same command resumes {arguments.out} after its last whole epoch", file=sys.stderr)
        return 130
    best = max(record["validation_bound"] for record in trainer.history)
    print(f"{arguments.out / 'model.pt'}: best validation bound {best:.2f} nats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
