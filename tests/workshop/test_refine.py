"""Proposals fitted to one image: derivatives beside autograd's, the t beside SciPy's, the bound beside quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from torch import Tensor
from torch.distributions import Bernoulli

from vae import refine
from vae.config import Config
from vae.networks import VAE

PIXELS = 9


def a_model(latent_dim: int = 2) -> VAE:
    torch.manual_seed(3)
    model = VAE(
        PIXELS, Config(latent_dim=latent_dim, encoder_width=8, encoder_blocks=1, decoder_width=8, decoder_blocks=1)
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.5 * torch.randn(weight.shape))
    return model.double()


def images(n: int) -> Tensor:
    return torch.randint(0, 2, (n, PIXELS), generator=torch.Generator().manual_seed(0)).double()


def log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """By torch.distributions: x [pixels], z [..., d] → [...]."""
    prior = torch.distributions.Normal(torch.zeros(z.shape[-1], dtype=z.dtype), 1.0)
    return Bernoulli(logits=model.decoder(z)).log_prob(x).sum(-1) + prior.log_prob(z).sum(-1)


def log_p(model: VAE, x: Tensor) -> float:
    """By a uniform grid over [−7, 7]²: x [pixels]."""
    axis = torch.linspace(-7, 7, 701, dtype=torch.float64)
    with torch.no_grad():
        heights = log_joint(model, x, torch.cartesian_prod(axis, axis))
    return heights.logsumexp(0).item() + 2 * math.log((axis[1] - axis[0]).item())


def test_gradient_and_curvature_are_autograds() -> None:
    model, x = a_model(3), images(4)
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradient, precision = refine.curvature(model.decoder, x, z)
    for i in range(4):
        at = z[i].clone().requires_grad_()
        assert torch.allclose(torch.autograd.grad(log_joint(model, x[i], at), at)[0], gradient[i], atol=0.05)
        jacobian = torch.autograd.functional.jacobian(lambda v: model.decoder(v[None])[0], z[i])
        p = model.decoder(z[i : i + 1])[0].sigmoid()
        wanted = torch.eye(3, dtype=torch.float64) + jacobian.T @ torch.diag(p * (1 - p)) @ jacobian
        assert torch.allclose(precision[i], wanted, atol=0.05)


def test_climbing_ends_where_scipys_does_and_never_lower_than_it_began() -> None:
    model, x = a_model(), images(6)
    start = torch.zeros(6, 2, dtype=torch.float64)
    peak = refine.climb(model.decoder, x, start, steps=40)
    for i in range(6):
        found = optimize.minimize(
            lambda z, i=i: -log_joint(model, x[i], torch.tensor(z)).item(), peak.loc[i].numpy() + 0.01, tol=1e-10
        )
        assert log_joint(model, x[i], peak.loc[i]).item() == pytest.approx(-found.fun, abs=1e-6)
        few = refine.climb(model.decoder, x, start, steps=1).loc[i]
        assert log_joint(model, x[i], few) >= log_joint(model, x[i], start[i])


def test_draws_of_the_normal_have_its_mean_and_covariance() -> None:
    precision = torch.tensor([[[2.0, 0.7], [0.7, 1.5]]], dtype=torch.float64)
    g = refine.Gaussian(torch.tensor([[1.0, -2.0]], dtype=torch.float64), precision)
    noise = torch.randn(200_000, 1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = g.at(noise)[:, 0]
    assert torch.allclose(z.mean(0), g.loc[0], atol=0.01)
    assert torch.allclose(torch.cov(z.T), torch.linalg.inv(precision[0]), atol=0.01)


def test_a_settled_normal_is_closer_to_the_posterior_than_the_peaks() -> None:
    """In KL from the normal to the posterior, by 20,000 draws: it is what the rounds descend on."""
    model, x = a_model(), images(8)
    peak = refine.climb(model.decoder, x, torch.zeros(8, 2, dtype=torch.float64), steps=30)
    settled = refine.settle(model.decoder, x, peak, torch.Generator().manual_seed(2), rounds=30, pairs=20)
    noise = torch.randn(20_000, 8, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def divergence(g: refine.Gaussian, i: int) -> float:
        z = g.at(noise)[:, i]
        q = torch.distributions.MultivariateNormal(g.loc[i], precision_matrix=g.precision[i])
        with torch.no_grad():
            return (q.log_prob(z) - log_joint(model, x[i], z)).mean().item() + log_p(model, x[i])

    gains = [divergence(peak, i) - divergence(settled, i) for i in range(8)]
    assert min(gains) > -5e-3
    assert np.mean(gains) > 5e-3


def test_the_t_is_scipys() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    precision = root @ root.T + np.eye(3)
    z, loc = rng.normal(size=(5, 3)), rng.normal(size=3)
    chol = np.linalg.cholesky(precision)
    ours = refine.log_student(torch.tensor((z - loc) @ chol), 7, torch.tensor(np.log(np.diag(chol)).sum()))
    wanted = stats.multivariate_t.logpdf(z, loc, np.linalg.inv(precision), df=7)
    np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1.5], ids=["fitted", "fitted in the wrong place"])
@pytest.mark.parametrize("own_share", [0.0, 0.2])
def test_the_bound_is_log_p_x_for_many_draws(shift: float, own_share: float) -> None:
    model, x = a_model(), images(5)
    with torch.no_grad():
        loc, log_scale = model.encoder(x)
    peak = refine.climb(model.decoder, x, torch.zeros_like(loc), steps=30)
    fitted = refine.Gaussian(peak.loc + shift, peak.precision)
    generator = torch.Generator().manual_seed(4)
    found = refine.importance_weighted(
        model.decoder, x, [fitted], loc, log_scale, 100_000, generator, freedom=5, own_share=own_share
    )
    for i in range(5):
        error = 1 / found.effective_sample_size[i].sqrt().item()
        assert error < 0.05
        assert found.bound[i].item() == pytest.approx(log_p(model, x[i]), abs=4 * error)


def test_the_mean_of_few_draws_bounds_is_below_log_p_x_and_of_their_exponentials_on_it() -> None:
    model, x = a_model(), images(1).repeat(40_000, 1)
    with torch.no_grad():
        loc, log_scale = model.encoder(x[:1])
    fitted = refine.climb(model.decoder, x[:1], loc)
    wide = refine.Gaussian(fitted.loc.expand(40_000, 2), fitted.precision.expand(40_000, 2, 2))
    spread = loc.expand(40_000, 2), log_scale.expand(40_000, 2)
    found = refine.importance_weighted(
        model.decoder, x, [wide], *spread, 4, torch.Generator().manual_seed(5), freedom=5, own_share=0.25
    )
    exact = log_p(model, x[0])
    ratio = (found.bound - exact).exp()
    assert found.bound.mean().item() < exact
    assert abs(ratio.mean().item() - 1) < 4 * ratio.std().item() / 200


def test_a_refined_bound_comes_again_from_its_seed_and_wastes_fewer_draws_than_the_encoders_q() -> None:
    model, x = a_model(6), images(10)
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight.mul_(0.1)  # an encoder that says little: q is near the prior
        loc, log_scale = model.encoder(x)
    first, second = (
        refine.refined_bound(model.decoder, x, loc, log_scale, 400, torch.Generator().manual_seed(6)) for _ in range(2)
    )
    assert torch.equal(first.bound, second.bound)
    of_q = refine.Gaussian(loc, torch.diag_embed((-2 * log_scale).exp()))
    generator = torch.Generator().manual_seed(6)
    unfitted = refine.importance_weighted(model.decoder, x, [of_q], loc, log_scale, 400, generator)
    assert first.effective_sample_size.median() > 1.5 * unfitted.effective_sample_size.median()


def test_two_modes_are_one_mixture() -> None:
    """With a normal in the wrong place beside the fitted one: log p(x) all the same, also where draws do not divide."""
    model, x = a_model(), images(5)
    with torch.no_grad():
        loc, log_scale = model.encoder(x)
    peak = refine.climb(model.decoder, x, torch.zeros_like(loc), steps=30)
    modes = [peak, refine.Gaussian(peak.loc + 2, 2 * peak.precision)]
    generator = torch.Generator().manual_seed(7)
    found = refine.importance_weighted(model.decoder, x, modes, loc, log_scale, 100_001, generator, freedom=5)
    for i in range(5):
        error = 1 / found.effective_sample_size[i].sqrt().item()
        assert error < 0.05
        assert found.bound[i].item() == pytest.approx(log_p(model, x[i]), abs=4 * error)


def test_a_mode_that_the_encoder_misses_is_climbed_to_from_elsewhere() -> None:
    """Two peaks: z and −z mean the same image, q sits on one of them and log 2 is lost unless the other is named."""
    steep = torch.tensor([[6.0, -6.0, 5.0, 4.0, -5.0, 6.0, -4.0, 5.0, 6.0]], dtype=torch.float64)

    def decoder(z: Tensor) -> Tensor:
        return (z.square() - 2) * steep

    x = (steep > 0).double()
    at, log_scale = torch.tensor([[2.0]], dtype=torch.float64), torch.full((1, 1), -2.0, dtype=torch.float64)
    axis = torch.linspace(-9, 9, 200_001, dtype=torch.float64)[:, None]
    heights = (
        Bernoulli(logits=decoder(axis)).log_prob(x).sum(-1) + torch.distributions.Normal(0.0, 1.0).log_prob(axis)[:, 0]
    )
    exact = heights.logsumexp(0).item() + math.log((axis[1] - axis[0]).item())
    one, both = (
        refine.refined_bound(decoder, x, at, log_scale, 4000, torch.Generator().manual_seed(8), others).bound.item()
        for others in ((), (-at,))
    )
    assert one == pytest.approx(exact - math.log(2), abs=0.05)
    assert both == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("own_share", [-0.1, 1.0, math.nan])
def test_a_share_that_leaves_the_fit_no_draws_is_refused(own_share: float) -> None:
    model, x = a_model(), images(1)
    at = torch.zeros(1, 2, dtype=torch.float64)
    g = refine.Gaussian(at, torch.eye(2, dtype=torch.float64)[None])
    with pytest.raises(ValueError, match="own_share"):
        refine.importance_weighted(model.decoder, x, [g], at, at, 10, torch.Generator(), own_share=own_share)
