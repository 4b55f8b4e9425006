"""Lower bounds of log p(x) in torch and what a step descends on. Knows nothing of data, optimisers or layers.

Throughout: x [batch, pixels] in {0, 1}, noise [draws, batch, d] ~ N(0, I), z = loc + exp(log_scale)·noise; bounds in
nats, one number an image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from vae.config import Config
from vae.networks import VAE

LOG_2_PI = math.log(2 * math.pi)


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x|z) = Σ_i x_i·l_i − softplus(l_i), in nats. Shapes: [..., pixels] → [...]."""
    return (x * logits - torch.nn.functional.softplus(logits)).sum(-1)


def log_standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, I) = −½ Σ_j (z_j² + log 2π). Shapes: [..., d] → [...]."""
    return -0.5 * (z**2 + LOG_2_PI).sum(-1)


def log_normal(z: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """log N(z; loc, diag exp(log_scale)²). Shapes: [..., d] → [...], broadcast."""
    return log_standard_normal((z - loc) * (-log_scale).exp()) - log_scale.sum(-1)


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


@dataclass(frozen=True)
class Objective:
    """What a step of training computes, one number an image, in nats; shapes [batch].

    `bound` is the bound that the decoder raises and by which epochs are compared; `loss` is what is descended on: its
    gradient is the one that is wanted, its value need not be the bound.
    """

    elbo: Elbo
    bound: Tensor
    loss: Tensor


def elbo(model: VAE, x: Tensor, noise: Tensor) -> Elbo:
    """Estimate of E_q[log p(x|z)] − D_KL[q(z|x) ‖ p(z)], averaged over the draws. The KL part is exact.

    Source: Kingma and Welling 2013, equation 10.
    """
    loc, log_scale = model.encoder(x)
    z = loc + log_scale.exp() * noise
    logits = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    return Elbo(reconstruction=log_bernoulli(x, logits).mean(0), kl=kl_to_prior(loc, log_scale))


def elbo_objective(model: VAE, x: Tensor, noise: Tensor) -> Objective:
    parts = elbo(model, x, noise)
    return Objective(parts, bound=parts.value, loss=-parts.value)


def importance_weighted(model: VAE, x: Tensor, noise: Tensor) -> Objective:
    """log (1/K) Σ_k w_k, w_k = p(x, z_k) / q(z_k|x), over K draws; the encoder's gradient is doubly reparameterised.

    The decoder's gradient is Σ_k w̃_k ∇ log p(x|z_k), w̃ = w / Σ w; the encoder's Σ_k w̃_k² ∇_z log w_k · ∇ z_k, where
    q's own parameters are held: the same in expectation as that of the bound, without its failing signal for large K.
    With K = 1 the bound is the ELBO with a sampled KL. Source: Burda et al. 2016; Tucker et al. 2019.
    """
    loc, log_scale = model.encoder(x)
    z = loc + log_scale.exp() * noise
    logits = model.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2])
    log_p_x_given_z = log_bernoulli(x, logits)
    log_w = log_p_x_given_z + log_standard_normal(z) - log_normal(z, loc.detach(), log_scale.detach())
    w = log_w.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: gradient * w[..., None])  # w̃ from the loss, once more w̃ here
    return Objective(
        elbo=Elbo(log_p_x_given_z.detach().mean(0), kl_to_prior(loc, log_scale).detach()),
        bound=log_w.detach().logsumexp(0) - math.log(len(z)),
        loss=-(w * log_w).sum(0),
    )


def mixture_log_weights(z: Tensor, prior_draws: int, loc: Tensor, log_scale: Tensor) -> Tensor:
    """log of p(z_m) / (M r(z_m)), where r is the mixture that the M draws together come from. z [M, d] → [M].

    The first M − P draws are as many from each N(loc_i, diag exp(log_scale_i)²), loc [batch, d]; the last P from the
    prior: M r(z) = draws Σ_i q_i(z) + P p(z). Then Σ_m p(x|z_m) p(z_m) / (M r(z_m)) is an unbiased estimate of p(x)
    for every x, whichever draw came from where. Source: Veach and Guibas 1995 (balance heuristic); Owen and Zhou 2000.
    """
    draws = (len(z) - prior_draws) // len(loc)
    log_p_z = log_standard_normal(z)
    log_mixture = log_normal(z[:, None], loc, log_scale).logsumexp(1) + math.log(draws)
    if prior_draws:
        log_mixture = torch.logaddexp(log_mixture, log_p_z + math.log(prior_draws))
    return log_p_z - log_mixture


def mixture(
    model: VAE, x: Tensor, noise: Tensor, prior_noise: Tensor, elbo_share: float = 0.0, wake: float = 0.0
) -> Objective:
    """log Σ_m p(x_j|z_m) p(z_m) / (M r(z_m)): every image of the batch is explained by the draws of all.

    One matrix product scores each x_j at each of M = draws · batch + P decodings, so the decoder is trained near
    log p(x) itself, also at modes of the posterior that the image's own q does not know. The encoder does not see this
    bound: it raises its ELBO for a held decoder, and with `wake` also Σ_m w̃_jm log q(z_m|x_j), the fit of q to the
    weighted draws (Hinton et al. 1995; Bornschein and Bengio 2015), without which it lags behind a young decoder.
    `elbo_share` of the decoder's gradient comes from the ELBO, which keeps posteriors near what q can be:
    log p(x) = ELBO + gap, so a share s weighs the gap by −s. prior_noise [P, d].
    """
    loc, log_scale = model.encoder(x)
    own = loc + log_scale.exp() * noise
    z = torch.cat([own.flatten(0, 1), prior_noise]).detach()
    logits = model.decoder(z)
    held = {name: weight.detach() for name, weight in model.decoder.named_parameters()}
    seen = log_bernoulli(x, functional_call(model.decoder, held, (own.flatten(0, 1),)).unflatten(0, own.shape[:2]))
    parts = Elbo(seen.mean(0), kl_to_prior(loc, log_scale))
    with torch.no_grad():
        log_r = mixture_log_weights(z, len(prior_noise), loc, log_scale)
    with torch.autocast(x.device.type, enabled=False):  # half precision would leave a nat or two of 784 pixels' sum
        log_p_x_given_z = x @ logits.T - torch.nn.functional.softplus(logits).sum(-1)
    log_terms = log_p_x_given_z + log_r
    bound = log_terms.logsumexp(1)
    loss = -parts.value - (1 - elbo_share) * bound
    if elbo_share:
        loss = loss - elbo_share * log_bernoulli(x, logits[: own[..., 0].numel()].unflatten(0, own.shape[:2])).mean(0)
    if wake:
        w = log_terms.detach().softmax(1)
        with torch.autocast(x.device.type, enabled=False):
            first, second = w @ z, w @ z**2
        misfit = (second - 2 * loc * first + loc**2) * (-2 * log_scale).exp()
        loss = loss + wake * (log_scale + 0.5 * misfit).sum(-1)
    return Objective(Elbo(parts.reconstruction.detach(), parts.kl.detach()), bound=bound.detach(), loss=loss)


def objective(config: Config, model: VAE, x: Tensor, noise: Tensor, prior_noise: Tensor) -> Objective:
    """The objective that the config names."""
    if config.objective == "iwae":
        return importance_weighted(model, x, noise)
    if config.objective == "mixture":
        return mixture(model, x, noise, prior_noise, config.elbo_share, config.wake)
    return elbo_objective(model, x, noise)
