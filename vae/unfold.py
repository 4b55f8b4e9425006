"""A run watched while it trains: its weights at some two dozen moments, half of them before the first epoch has ended,
and the seconds of a core that each epoch took. Knows nothing of pages, ONNX or test digits.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from demo.densities import log_standard_normal, sum_softplus
from demo.evidence import Decode
from vae.checkpoint import write_atomically
from vae.config import Config
from vae.evaluate import decoder_of
from vae.networks import VAE
from vae.objective import Objective, kl_to_prior, log_bernoulli
from vae.train import Trainer

MOMENTS = 24
FIRST_STEP = 64
IMAGES = 500  # held-out digits that are scored at each moment
NODES = 17  # of the decoded plane, a side
HALF_WIDTH = 3.0  # of the plane
FINE = 301  # nodes a side of the lattice on [−5, 5]² that log p(x) is summed over
Array = NDArray[np.float64]


def moments(total_steps: int) -> tuple[int, ...]:
    """Steps after which the weights are kept: 0, then evenly on a logarithmic axis from 64 to the last."""
    later = np.geomspace(min(FIRST_STEP, total_steps), total_steps, MOMENTS - 1)
    return (0, *sorted({int(step) for step in later.round()}))


def moment(run: Path, step: int) -> Path:
    """The file of the weights after so many steps."""
    return run / "moments" / f"{step:06d}.pt"


class WatchedTrainer(Trainer):
    """A Trainer whose epochs say how many seconds of a core they took, busy or not: `cpu_seconds` in its history.

    Where `unfolding`, it keeps the very weights of each moment, not their average, in RUN/moments.
    """

    def __init__(self, config: Config, images: np.ndarray, out: Path, unfolding: bool = False) -> None:
        super().__init__(config, images, out)
        self.moments = moments(self.steps_per_epoch * config.epochs) if unfolding else ()

    def train_epoch(self, progress: tqdm) -> dict[str, float]:
        started = time.process_time()
        record = super().train_epoch(progress)
        return record | {"cpu_seconds": time.process_time() - started}

    def take_step(self, step: int, *batch: Tensor) -> Objective:
        if step == 0:
            self._keep(0)
        found = super().take_step(step, *batch)
        self._keep(step + 1)
        return found

    def _keep(self, step: int) -> None:
        if step in self.moments:
            path = moment(self.out, step)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda part: torch.save(self.model.state_dict(), part))


def plane() -> NDArray[np.float64]:
    """The nodes of the decoded plane [289, 2] as they lie on paper: row by row from z₂ = 3 down, z₁ rising from −3."""
    axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, NODES)
    z2, z1 = np.meshgrid(axis[::-1], axis, indexing="ij")
    return np.stack([z1.ravel(), z2.ravel()], axis=-1)


def decoded_plane(decode: Decode) -> NDArray[np.uint8]:
    """p(x|z) at the nodes of the plane, 0 (paper) to 255 (ink): [289, pixels]."""
    return np.rint(255 / (1 + np.exp(-decode(plane())))).astype(np.uint8)


def streamed_evidence(decode: Decode, x: NDArray, nodes: Array, log_cell: float) -> Array:
    """log Σ_g p(z_g) p(x|z_g) h^d for every x at once: x [N, pixels] of 0 and 1, nodes [m, d] → [N], in nats.

    The midpoint rule on even nodes with log h^d = `log_cell`; one product of matrices for each block of nodes.
    """
    ink = np.asarray(x, np.float32)
    total = np.full(len(ink), -np.inf)
    for start in range(0, len(nodes), 1024):
        z = nodes[start : start + 1024]
        logits = decode(z)
        joint = ink @ logits.T + (log_standard_normal(z) - sum_softplus(logits)).astype(np.float32)
        top = joint.max(axis=1)
        total = np.logaddexp(total, top + np.log(np.exp(joint - top[:, None]).sum(axis=1, dtype=np.float64)))
    return total + log_cell


def line_evidence(decode: Decode, x: NDArray, nodes: int = 40_001, half_width: float = 10.0) -> Array:
    """log p(x) of a model with one latent dimension by even nodes on [−10, 10]. x [N, pixels] → [N]."""
    axis = np.linspace(-half_width, half_width, nodes)
    return streamed_evidence(decode, x, axis[:, None], float(np.log(axis[1] - axis[0])))


def plane_evidence(decode: Decode, x: NDArray, nodes: int = FINE, half_width: float = 5.0) -> Array:
    """The same on a square of two dimensions: right while no posterior is narrower than a cell. x [N, pixels] → [N]."""
    axis = np.linspace(-half_width, half_width, nodes)
    z = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)
    return streamed_evidence(decode, x, z, float(2 * np.log(axis[1] - axis[0])))


def unfolding(run: Path, x: NDArray) -> dict[str, NDArray]:
    """The plane and the account of held-out digits x [N, pixels] at every moment.

    `step` [m], `planes` uint8 [m, 289, pixels] from 0 (paper) to 255 (ink), and `log_p_x`, `elbo`, `kl` float32 [m, N]
    in nats; `error` [m, N] is what log p(x) moves on a lattice of half as many nodes a side.
    """
    config = Config(**torch.load(run / "model.pt", weights_only=True)["config"])
    images = torch.from_numpy(np.asarray(x, np.float32))
    noise = torch.randn(len(x), 64, 2, generator=torch.Generator().manual_seed(config.seed))
    planes: list[NDArray[np.uint8]] = []
    columns: dict[str, list[Array]] = {name: [] for name in ("log_p_x", "elbo", "kl", "error")}
    files = sorted((run / "moments").glob("*.pt"))
    for path in tqdm(files, unit="moment", dynamic_ncols=True):
        model = VAE(images.shape[1], config)
        model.load_state_dict(torch.load(path, weights_only=True))
        decode = decoder_of(model.eval())
        planes.append(decoded_plane(decode))
        log_p_x, coarse = (plane_evidence(decode, x, n) for n in (FINE, FINE // 2 + 1))
        with torch.inference_mode():
            loc, log_scale = model.encoder(images)
            z = loc[:, None] + log_scale.exp()[:, None] * noise
            parts = zip(images.split(50), z.split(50), strict=True)
            seen = torch.cat([log_bernoulli(a[:, None], model.decoder(b)).mean(1) for a, b in parts])
            kl = kl_to_prior(loc, log_scale)
        found = {"log_p_x": log_p_x, "elbo": (seen - kl).numpy(), "kl": kl.numpy(), "error": np.abs(log_p_x - coarse)}
        for name, values in found.items():
            columns[name].append(values)
    return {
        "step": np.array([int(path.stem) for path in files]),
        "planes": np.stack(planes),
        "nodes": np.array(NODES),
        "half_width": np.array(HALF_WIDTH),
        **{name: np.stack(values).astype(np.float32) for name, values in columns.items()},
    }
