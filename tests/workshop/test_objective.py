"""The bounds that training raises, each beside an independent computation; and their gradients beside autograd's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal

from vae.config import Config
from vae.networks import VAE
from vae.objective import (
    elbo,
    importance_weighted,
    log_normal,
    log_standard_normal,
    mixture,
    mixture_log_weights,
    objective,
)

PIXELS = 9
SMALL = Config(latent_dim=2, encoder_width=8, encoder_blocks=1, decoder_width=8, decoder_blocks=1)


@pytest.fixture
def model() -> VAE:
    """Small networks, float64, moved off their start: posteriors that differ from the prior and from each other."""
    torch.manual_seed(3)
    model = VAE(PIXELS, SMALL).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.4 * torch.randn(weight.shape, dtype=torch.float64))
    return model


def images(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 2, (n, PIXELS), generator=torch.Generator().manual_seed(seed)).double()


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def q_of(model: VAE, x: Tensor) -> Independent:
    loc, log_scale = model.encoder(x)
    return Independent(Normal(loc, log_scale.exp()), 1)


def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) by torch.distributions."""
    prior = Independent(Normal(torch.zeros(2, dtype=z.dtype), 1.0), 1)
    return prior.log_prob(z) + Bernoulli(logits=model.decoder(z)).log_prob(x).sum(-1)


def log_p(model: VAE, x: Tensor) -> Tensor:
    """log p(x) by the trapezoid rule on [−8, 8]², which is as good as exact for an integrand this smooth."""
    axis = torch.linspace(-8, 8, 321, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    return torch.stack([log_joint(model, row, z).logsumexp(0) for row in x]) + 2 * math.log(axis[1] - axis[0])


def gradients(loss: Tensor, network: torch.nn.Module) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)])


def test_densities_agree_with_torch_distributions() -> None:
    z, loc, log_scale = normal(3, 5, 2), normal(5, 2, seed=2), normal(5, 2, seed=3)
    expected = Independent(Normal(loc, log_scale.exp()), 1).log_prob(z)
    torch.testing.assert_close(log_normal(z, loc, log_scale), expected)
    torch.testing.assert_close(log_standard_normal(z), Normal(0.0, 1.0).log_prob(z).sum(-1))


def test_one_draw_makes_the_importance_weighted_bound_a_one_sample_elbo(model: VAE) -> None:
    """log p(x, z) − log q(z|x) at the one draw; its mean over many draws is the ELBO with the closed-form KL."""
    x, noise = images(4), normal(1, 4, 2)
    found = importance_weighted(model, x, noise)
    q = q_of(model, x)
    z = q.mean + q.stddev * noise[0]
    torch.testing.assert_close(found.bound, (log_joint(model, x, z) - q.log_prob(z)).detach())
    with torch.no_grad():
        many = normal(4000, 4, 2)
        sampled = torch.stack([importance_weighted(model, x, n[None]).bound for n in many])
        closed = elbo(model, x, many).value
    error = sampled.std(0) / math.sqrt(len(many)) + 1e-9
    assert ((sampled.mean(0) - closed).abs() < 5 * error).all()


def test_the_importance_weighted_bound_is_the_log_of_the_mean_weight_and_below_log_p(model: VAE) -> None:
    x, noise = images(4), normal(7, 4, 2)
    found = importance_weighted(model, x, noise)
    q = q_of(model, x)
    z = q.mean + q.stddev * noise
    w = (torch.stack([log_joint(model, x, row) for row in z]) - q.log_prob(z)).exp()
    torch.testing.assert_close(found.bound, w.mean(0).log().detach())
    with torch.no_grad():
        many = importance_weighted(model, x, normal(20000, 4, 2)).bound
        means = [importance_weighted(model, x.repeat(500, 1), normal(k, 2000, 2)).bound.mean() for k in (1, 4, 16)]
        exact = log_p(model, x)
    torch.testing.assert_close(many, exact, atol=0.05, rtol=0)
    assert means[0] < means[1] < means[2] < exact.mean()


def test_the_decoders_gradient_is_that_of_the_importance_weighted_bound(model: VAE) -> None:
    x, noise = images(3), normal(5, 3, 2)
    q = q_of(model, x)
    z = (q.mean + q.stddev * noise).detach()
    naive = (torch.stack([log_joint(model, x, row) for row in z]) - q.log_prob(z)).logsumexp(0).sum()
    ours = importance_weighted(model, x, noise).loss.sum()
    torch.testing.assert_close(gradients(-ours, model.decoder), gradients(naive, model.decoder))


def test_the_doubly_reparameterised_gradient_is_the_naive_one_in_expectation(model: VAE) -> None:
    """The encoder's gradient over many draws, beside autograd of the bound itself."""
    x, rounds = images(1), 1200
    noise = normal(rounds, 8, 1, 2)

    def naive(n: Tensor) -> Tensor:
        q = q_of(model, x)
        z = q.mean + q.stddev * n
        return (torch.stack([log_joint(model, x, row) for row in z]) - q.log_prob(z)).logsumexp(0).sum()

    def estimates(loss: Callable[[Tensor], Tensor]) -> Tensor:
        last = model.encoder.trunk.last.bias
        return torch.stack([torch.autograd.grad(loss(n), last)[0] for n in noise])

    ours = estimates(lambda n: -importance_weighted(model, x, n).loss.sum())
    theirs = estimates(naive)
    difference = ours - theirs
    assert (difference.mean(0).abs() < 4.5 * difference.std(0) / math.sqrt(rounds)).all()


def test_where_q_is_the_posterior_the_encoders_gradient_is_zero_at_every_draw(model: VAE) -> None:
    """A decoder that ignores z has the prior for its posterior: all weights are p(x), and no noise is left."""
    x, noise = images(2), normal(4, 2, 2)
    with torch.no_grad():
        model.decoder.trunk.first.weight.zero_()
        model.encoder.trunk.last.weight.zero_()
        model.encoder.trunk.last.bias.zero_()
    found = importance_weighted(model, x, noise)
    torch.testing.assert_close(found.bound, log_p(model, x).detach(), atol=1e-6, rtol=0)
    assert gradients(found.loss.sum(), model.encoder).abs().max() < 1e-12
    assert gradients(elbo(model, x, noise).value.sum(), model.encoder).abs().max() < 1e-12
    with torch.no_grad():
        model.encoder.trunk.last.bias.fill_(0.1)
    assert gradients(importance_weighted(model, x, noise).loss.sum(), model.encoder).abs().max() > 1e-3


def test_the_mixtures_weights_are_those_of_torchs_mixture(model: VAE) -> None:
    """M r(z) = draws Σ q_i + P p: a mixture of batch + 1 normals with those shares, times M."""
    x, draws, prior_draws = images(4), 3, 5
    loc, log_scale = model.encoder(x)
    z = torch.cat([(loc + log_scale.exp() * normal(draws, 4, 2)).flatten(0, 1), normal(prior_draws, 2, seed=5)])
    parts = Normal(
        torch.cat([loc, torch.zeros(1, 2, dtype=loc.dtype)]),
        torch.cat([log_scale.exp(), torch.ones(1, 2, dtype=loc.dtype)]),
    )
    shares = Categorical(torch.tensor([draws] * 4 + [prior_draws], dtype=torch.float64))
    r = MixtureSameFamily(shares, Independent(parts, 1))
    expected = log_standard_normal(z) - r.log_prob(z) - math.log(len(z))
    torch.testing.assert_close(mixture_log_weights(z, prior_draws, loc, log_scale), expected)


@pytest.mark.parametrize("prior_draws", [0, 6])
def test_the_mixture_estimates_p_without_bias(model: VAE, prior_draws: int) -> None:
    """exp(bound) over many rounds of draws, beside p(x) by quadrature: also for an x that is not in the batch's q."""
    x, rounds = images(3), 1500
    with torch.no_grad():
        p = torch.stack(
            [
                mixture(model, x, normal(2, 3, 2, seed=i), normal(prior_draws, 2, seed=rounds + i)).bound.exp()
                for i in range(rounds)
            ]
        )
        exact = log_p(model, x)
    assert ((p.mean(0) - exact.exp()).abs() < 4.5 * p.std(0) / math.sqrt(rounds)).all()
    assert (p.log().mean(0) < exact).all(), "its logarithm is a lower bound in expectation"


def test_a_mixture_of_many_draws_is_log_p_with_its_gradient(model: VAE) -> None:
    """With 40,000 draws the bound is log p(x), and the decoder's gradient that of log p(x) by quadrature."""
    x = images(2)
    found = mixture(model, x, normal(10000, 2, 2), normal(20000, 2, seed=2))
    exact = log_p(model, x)
    torch.testing.assert_close(found.bound, exact.detach(), atol=0.03, rtol=0)
    ours, theirs = gradients(-found.loss.sum(), model.decoder), gradients(exact.sum(), model.decoder)
    assert (ours - theirs).norm() < 0.03 * theirs.norm()


def test_the_mixtures_encoder_raises_its_elbo_and_fits_the_weighted_draws(model: VAE) -> None:
    x, noise, prior_noise = images(3), normal(2, 3, 2), normal(4, 2, seed=2)
    plain = gradients(mixture(model, x, noise, prior_noise).loss.sum(), model.encoder)
    torch.testing.assert_close(plain, gradients(-elbo(model, x, noise).value.sum(), model.encoder))
    awake = gradients(mixture(model, x, noise, prior_noise, wake=0.7).loss.sum(), model.encoder)
    q = q_of(model, x)
    z = torch.cat([(q.mean + q.stddev * noise).flatten(0, 1), prior_noise]).detach()
    log_r = mixture_log_weights(z, 4, *model.encoder(x))
    log_terms = torch.stack([log_joint(model, row, z) - log_standard_normal(z) for row in x]) + log_r
    w = log_terms.softmax(1).detach()
    fit = (w * q.log_prob(z[:, None]).T).sum()
    torch.testing.assert_close(awake - plain, gradients(-0.7 * fit, model.encoder))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_decoders_gradient_is_the_elbos(model: VAE, share: float) -> None:
    x, noise, prior_noise = images(3), normal(2, 3, 2), normal(4, 2, seed=2)
    ours = gradients(mixture(model, x, noise, prior_noise, elbo_share=share).loss.sum(), model.decoder)
    of_elbo = gradients(-elbo(model, x, noise).value.sum(), model.decoder)
    of_mixture = gradients(mixture(model, x, noise, prior_noise).loss.sum(), model.decoder)
    torch.testing.assert_close(ours, share * of_elbo + (1 - share) * of_mixture)


@pytest.mark.parametrize("name", Config.CHOICES["objective"])
def test_the_loss_of_each_objective_is_one_number_an_image(model: VAE, name: str) -> None:
    config = dataclasses.replace(SMALL, objective=name)
    found = objective(config, model, images(5), normal(3, 5, 2), normal(4, 2))
    for figure in (found.bound, found.loss, found.elbo.value):
        assert figure.shape == (5,)
    assert not found.elbo.value.isnan().any()
    assert gradients(found.loss.sum(), model).isfinite().all()
