"""Trains one VAE and keeps it: `python -m vae.train --out RUN`. Knows nothing of ONNX or of the site's pages.

RUN/checkpoint.pt holds all that the next epoch needs, written after each epoch and never half written; the same
command on the same RUN goes on from there. All randomness of an epoch comes from (seed, epoch), so a killed run
ends with the very weights of an uninterrupted one. RUN/model.pt holds the averaged weights of the epoch that was
best on the validation split by the run's own objective, RUN/history.json the curves, RUN/log the steps as CSV.

Under `torchrun --nproc_per_node N -m vae.train …` the N processes share each batch: they draw the same order and
noise, each takes its part, and their gradients are averaged, so the weights are those of one process up to rounding.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from demo.mnist import DataError
from vae import datasets, engine
from vae.checkpoint import History, TrainingError, damaged, merit, read_run, start_from, write_kept, write_run
from vae.config import Config
from vae.data import Split, binarise, epoch_generator
from vae.likeness import Likeness
from vae.networks import VAE
from vae.objective import Elbo, Objective, objective

VALIDATION_DRAWS = 2000  # of the prior, for the likeness of the weights that would be kept


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
        self.sums += torch.stack([figure.detach().double().sum().cpu() for figure in figures])
        self.images += len(found.bound)

    def of_all(self, fabric: engine.Fabric) -> Mean:
        """Over the images of all processes."""
        whole = Mean()
        whole.sums = engine.total(fabric, self.sums)
        whole.images = int(engine.total(fabric, torch.tensor(self.images)))
        return whole

    def record(self) -> dict[str, float]:
        bound, reconstruction, kl = (self.sums / self.images).tolist()
        return {"bound": bound, "elbo": reconstruction - kl, "reconstruction": reconstruction, "kl": kl}


class Raised(nn.Module):
    """Networks whose forward pass is the objective: what the engine wraps, so that it can average their gradients."""

    def __init__(self, model: VAE, config: Config, likeness: Likeness | None) -> None:
        super().__init__()
        self.model, self.config, self.likeness = model, config, likeness

    def forward(
        self, x: Tensor, noise: Tensor, prior_noise: Tensor, likeness_noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        found = objective(self.config, self.model, x, noise, prior_noise)
        apart = x.new_zeros((), dtype=torch.float64)
        if self.likeness is not None and len(likeness_noise):
            apart = self.likeness.distance(self.model.decoder(likeness_noise))
        return found.elbo.reconstruction, found.elbo.kl, found.bound, found.loss, apart


class Trainer:
    """The state of one run: networks, averaged weights, optimiser, history. `run` trains to the end.

    Computes on `fabric` (see vae.engine), by default one process on the CPU. `labels` uint8 [N] are for a likeness to
    digits only. Raises ValueError where the config does not fit the images, uint8 [N, pixels], their labels, or the
    number of processes.
    """

    def __init__(
        self,
        config: Config,
        images: np.ndarray,
        out: Path,
        fabric: engine.Fabric | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        self.config, self.out = config, out
        self.fabric = fabric or engine.launched(config.precision)
        if config.objective == "mixture" and self.fabric.world_size > 1:
            raise ValueError("--objective mixture shares its draws over a whole batch; run it without torchrun")
        self.split = Split.of(images, config.validation_images)
        self.likeness = self.learned_likeness(images, labels) if config.likeness else None
        torch.manual_seed(config.seed)
        self.pixels, self.data = images.shape[1], datasets.fingerprint(images)
        self.model = VAE(self.pixels, config, self.split.mean_image())
        if config.init != "none" and not self.checkpoint.exists():
            start_from(Path(config.init), self.model)
        # Convolutions are faster with the channels last, and nothing else here has four axes.
        self.model = self.model.to(self.fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.decoder.requires_grad_(config.trained == "both")
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        learning = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(
            learning, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.raised = self.fabric.setup(Raised(self.model, config, self.likeness), self.optimiser)[0]
        self.steps_per_epoch = math.ceil(len(self.split.train) / config.batch_size)
        self.history: History = []
        self.distances: list[float] = []  # of this epoch's draws of the prior from digits
        self.best: dict[str, Tensor] = {}

    def learned_likeness(self, images: np.ndarray, labels: np.ndarray | None) -> Likeness:
        """What compares draws of the prior with digits: learned anew, from the training split, at every start."""
        n, quiet = len(self.split.train), not self.fabric.is_global_zero
        found = Likeness.learned(images[:n], None if labels is None else labels[:n], self.config.seed, quiet)
        return found.to(self.fabric.device)

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
            "data": self.data,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "best": self.best,
        }

    def resume(self) -> None:
        """Takes up the run's checkpoint; raises TrainingError for a damaged one or one of another config."""
        state = read_run(self.out, self.config, self.pixels, self.data)
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history, self.best = state["history"], state["best"]
        except Exception as error:
            raise damaged(self.checkpoint, error) from error

    def noise(self, images: int, generator: torch.Generator, step: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """What a step draws: noise [draws, images, d] for q, [prior_draws, d] for the prior, and draws of the prior
        [likeness_draws, d] whose likeness to digits is measured in that step, or none of them.
        """
        config = self.config
        measured = config.likeness_draws if config.likeness and step % config.likeness_every == 0 else 0
        own = torch.randn(config.draws, images, config.latent_dim, generator=generator)
        prior = torch.randn(config.prior_draws + measured, config.latent_dim, generator=generator)
        return own, prior[: config.prior_draws], prior[config.prior_draws :]

    def train_epoch(self, progress: tqdm) -> dict[str, float]:
        """One pass over the training split; returns the mean bound and the ELBO's mean parts in nats an image."""
        generator = epoch_generator(self.config.seed, self.epoch)
        order = torch.randperm(len(self.split.train), generator=generator)
        mean = Mean()
        self.distances = []
        for i, index in enumerate(order.split(self.config.batch_size)):
            x = binarise(self.split.train.index_select(0, index), generator)  # 20 times as fast as []
            step = self.epoch * self.steps_per_epoch + i
            mean.add(found := self.take_step(step, x, *self.noise(len(x), generator, step)))
            if i % 20 == 0:
                figures = {"batch_bound": found.bound.mean(), "batch_elbo": found.elbo.value.mean()}
                self.fabric.log_dict(figures | {"learning_rate": self.optimiser.param_groups[0]["lr"]}, step)
                shown = {name: f"{value:.2f}" for name, value in mean.record().items()}
                progress.set_postfix({"epoch": f"{self.epoch + 1}/{self.config.epochs}"} | shown, refresh=False)
            progress.update()
        seen = {"likeness": sum(self.distances) / len(self.distances)} if self.distances else {}
        return mean.of_all(self.fabric).record() | seen

    def mine(self, x: Tensor, noise: Tensor, *of_prior: Tensor) -> list[Tensor]:
        """Of a batch and its noise what this process computes, on its device."""
        part, device = engine.part(self.fabric, len(x)), self.fabric.device
        return [of.to(device) for of in (x[part], noise[:, part], *of_prior)]

    def take_step(self, step: int, x: Tensor, noise: Tensor, prior_noise: Tensor, measured: Tensor) -> Objective:
        """One gradient step for the batch x [batch, pixels]; returns its part of the objective before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, step, self.steps_per_epoch * self.config.epochs)
        reconstruction, kl, bound, losses, apart = self.raised(*self.mine(x, noise, prior_noise, measured))
        found = Objective(Elbo(reconstruction, kl), bound=bound, loss=losses)
        loss = losses.sum() / len(x)
        if len(measured):  # by every process the same
            self.distances.append(apart.item())
            loss = loss + self.config.likeness * self.config.likeness_every * apart / self.fabric.world_size
        value = engine.total(self.fabric, loss).item()
        self.check_finite(value, f"the loss became {value} at epoch {self.epoch + 1}, step {step}")
        self.optimiser.zero_grad()
        self.fabric.backward(loss * self.fabric.world_size)  # the engine averages gradients, we want their sum
        for network in (self.model.encoder, self.model.decoder):  # apart, for q's needles make the encoder's large
            torch.nn.utils.clip_grad_norm_(network.parameters(), self.config.clip_norm)
        self.optimiser.step()
        self.average.update_parameters(self.model)
        return found

    def check_finite(self, value: float, fault: str) -> None:
        """Stops a run that diverged before anything of it is kept."""
        if not math.isfinite(value):
            go_on = f"go on from them with --init {self.out} in" if self.epoch else "start"
            raise TrainingError(
                f"{fault} (config: {self.config.told()}); {self.out} keeps the {self.epoch} epochs before it: "
                f"{go_on} another --out with a --learning-rate below {self.config.learning_rate:g}"
            )

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The objective's means on the validation split, averaged weights, the same draws every epoch."""
        generator = epoch_generator(self.config.seed, 2**31)
        mean = Mean()
        for grey in self.split.validation.split(self.config.batch_size):
            x = binarise(grey, generator)
            own, prior, _ = self.noise(len(x), generator)
            mean.add(objective(self.config, self.averaged, *self.mine(x, own, prior)))
        record = {f"validation_{name}": value for name, value in mean.of_all(self.fabric).record().items()}
        if self.likeness is not None:
            z = torch.randn(VALIDATION_DRAWS, self.config.latent_dim, generator=generator).to(self.fabric.device)
            logits = torch.cat([self.averaged.decoder(part) for part in z.split(500)])
            record["validation_likeness"] = self.likeness.distance(logits).item()
        bounds = merit(self.config, record) + record["validation_elbo"]
        self.check_finite(bounds, f"the validation bound is not finite after epoch {self.epoch + 1}")
        return record

    def run(self) -> None:
        """Trains the epochs that are left, keeping each; a finished run only has its kept files written anew."""
        first = self.fabric.is_global_zero  # of all processes, the one that writes
        if self.epoch and first:
            write_kept(self.out, self.state())  # the kill that we resume from may have come before they were
        total = self.steps_per_epoch * self.config.epochs
        done = self.epoch * self.steps_per_epoch
        bar = partial(tqdm, unit="step", mininterval=1, dynamic_ncols=True, disable=not first)
        with bar(total=total, initial=done) as progress:
            while self.epoch < self.config.epochs:
                started = time.monotonic()
                record = self.train_epoch(progress) | self.validate()
                record = {"epoch": self.epoch + 1, **record, "seconds": time.monotonic() - started}
                best = max((merit(self.config, past) for past in self.history), default=-math.inf)
                if merit(self.config, record) > best:
                    self.best = copy.deepcopy(self.averaged.state_dict())
                self.history.append(record)
                if not first:
                    continue
                write_run(self.out, self.state())
                self.fabric.log_dict({f"epoch_{k}": v for k, v in record.items()}, self.epoch * self.steps_per_epoch)
                engine.save_log(self.fabric)
                tqdm.write(
                    "epoch {epoch}: bound {bound:.2f}, elbo {elbo:.2f} = {reconstruction:.2f} − {kl:.2f}, validation "
                    "bound {validation_bound:.2f}, elbo {validation_elbo:.2f} nats, {seconds:.0f} s".format(**record)
                    + (", draws {validation_likeness:.4f} from digits".format(**record) if self.likeness else "")
                )
        self.fabric.barrier()  # until the one that writes has written


def prepare(arguments: argparse.Namespace) -> Trainer:
    """A trainer at the start of its run, or where an earlier command left it."""
    out = arguments.out
    try:
        config = Config.from_arguments(arguments)
        data = datasets.load(config.dataset, config.shape, arguments.data_dir, download=True)
        fabric = engine.launched(config.precision, arguments.device, out)
        labels = data.train.labels if data.labelled else None
        trainer = Trainer(config, data.train.images, out, fabric, labels)
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
    try:
        return command(argv)
    finally:
        engine.leave()


def command(argv: list[str] | None = None) -> int:
    """What `main` does, in each process."""
    parser = argparse.ArgumentParser(
        prog="python -m vae.train", description="Train a VAE on dynamically binarised images."
    )
    parser.add_argument("--data-dir", help="folder of MNIST's files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--out", type=Path, required=True, help="run folder; an unfinished run in it is taken up again")
    parser.add_argument(
        "--device", choices=engine.DEVICES, default="auto", help="what computes (default: a CUDA device where one is)"
    )
    Config.add_arguments(parser)
    arguments = parser.parse_args(argv)
    first = os.environ.get("RANK", "0") == "0"  # of the processes of torchrun, the one that speaks
    try:
        trainer = prepare(arguments)
        trainer.run()
    except (TrainingError, DataError) as error:
        if first:
            print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if first:
            print(f"\nstopped; the same command resumes {arguments.out} after its last whole epoch", file=sys.stderr)
        return 130
    if not first:
        return 0
    best = max(trainer.history, key=partial(merit, trainer.config))
    print(f"{arguments.out / 'model.pt'}: best validation bound {best['validation_bound']:.2f} nats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
