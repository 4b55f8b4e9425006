"""The evidence lower bound in torch, returned as its parts. Knows nothing of networks, data or optimisers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vae.networks import VAE


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x|z) = Σ_i x_i·l_i − softplus(l_i), in nats. Shapes: [..., pixels] → [...]."""
    return (x * logits - torch.nn.functional.softplus(logits)).sum(-1)


def kl_to_prior(loc: Tensor, log_scale: Tensor) -> Tensor:
    """D_KL[N(loc, diag exp(log_scale)²) ‖ N(0, I)] = ½ Σ_j (loc_j² + σ_j² − 1 − log σ_j²), in nats. [..., d] → [...].

    Source: Kingma and Welling 2013, appendix B (with the sign turned).
    """
    return 0.5 * (loc**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)


@dataclass(frozen=True)
class Elbo:
    """The two parts of the bound, one number an image, in nats; shapes [batch]."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def value(self) -> Tensor:
        return self.reconstruction - self.kl


def elbo(model: VAE, x: Tensor, noise: Tensor) -> Elbo:
    """Estimate of E_q[log p(x|z)] − D_KL[q(z|x) ‖ p(z)] over draws z = loc + exp(log_scale)·noise.

    Shapes: x [batch, pixels] in {0, 1}, noise [draws, batch, d] ~ N(0, I). The KL part is exact.
    Source: Kingma and Welling 2013, equation 10.
    """
    loc, log_scale = model.encoder(x)
    logits = model.decoder(loc + log_scale.exp() * noise)
    return Elbo(reconstruction=log_bernoulli(x, logits).mean(0), kl=kl_to_prior(loc, log_scale))
