"""Whether a folder of assets gives the numbers of the torch model it came from. Knows nothing of how it was written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from demo.densities import log_bernoulli
from demo.pretrained import PretrainedVAE
from export import ExportError
from vae.networks import VAE

BATCHES = (1, 2, 7, 256)


@dataclass(frozen=True)
class Parity:
    """The largest differences between torch and the files, over all batches.

    `q` of loc and log_scale, relative to 1 + |value|; `logits` absolute; `log_p_x_given_z` in nats an image.
    """

    q: float
    logits: float
    log_p_x_given_z: float

    def __str__(self) -> str:
        return f"q {self.q:.1e}, logits {self.logits:.1e}, log p(x|z) {self.log_p_x_given_z:.1e} nat"


LIMITS = Parity(q=1e-4, logits=1e-4, log_p_x_given_z=1e-3)


def compare(model: VAE, exported: PretrainedVAE, x: NDArray[np.float32], rng: np.random.Generator) -> Parity:
    """Runs both on digits x [N, pixels] in {0, 1}, the first of them at each batch size, z ~ q(z|x) and z ~ p(z)."""
    q, logits, log_p = [0.0], [0.0], [0.0]
    for batch in BATCHES:
        digits = np.resize(x, (batch, x.shape[1]))
        with torch.no_grad():
            loc, log_scale = (value.numpy() for value in model.encoder(torch.from_numpy(digits)))
        for ours, theirs in zip(exported.encode(digits), (loc, log_scale), strict=True):
            q.append(_largest((ours - theirs) / (1 + np.abs(theirs))))
        noise = rng.standard_normal((2, *loc.shape)).astype(np.float32)
        for z in (loc + np.exp(log_scale) * noise[0], noise[1]):
            with torch.no_grad():
                theirs = model.decoder(torch.from_numpy(z)).numpy()
            ours = exported.decode(z)
            logits.append(_largest(ours - theirs))
            log_p.append(_largest(log_bernoulli(digits, ours) - log_bernoulli(digits, theirs)))
    return Parity(max(q), max(logits), max(log_p))


def require(parity: Parity, limits: Parity = LIMITS) -> None:
    """Raises ExportError with the numbers where one is beyond its limit or not a number."""
    pairs = ((parity.q, limits.q), (parity.logits, limits.logits), (parity.log_p_x_given_z, limits.log_p_x_given_z))
    if not all(value <= limit for value, limit in pairs):
        raise ExportError(f"the exported files differ from torch ({parity}; allowed: {limits}); nothing was written")


def _largest(difference: NDArray[np.floating]) -> float:
    """The largest magnitude, infinite where one is not a number: max() would pass over it."""
    return float(np.nan_to_num(np.abs(difference), nan=np.inf).max())
