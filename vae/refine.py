"""Proposals fitted to one image's posterior, for bounds of log p(x) that hardly depend on the encoder.

Knows nothing of training, files or pages: it is handed a decoder, images and where to start. Throughout x [batch,
pixels] in {0, 1}, z [batch, d]; logarithms in nats, sums over pixels and draws in float64. The decoder is only called,
never differentiated: derivatives are differences, so that onnxruntime's decoder does as well as torch's. A proposal
need not be exact, its weights are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vae.objective import log_bernoulli, log_normal, log_standard_normal

DECODINGS_AT_ONCE = 512
STEP = 1 / 256  # of a difference; a power of two, so that z + STEP loses nothing

Decoder = Callable[[Tensor], Tensor]


def log_joint(decoder: Decoder, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z) + log p(z), z [..., batch, d] → float64 [..., batch]."""
    return log_bernoulli(x.double(), decoder(z).double()) + log_standard_normal(z.double())


@torch.no_grad()
def curvature(decoder: Decoder, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of log p(x, z) in z, and Λ = I + Jᵀ diag(p (1 − p)) J, J = ∂l/∂z, p = sigmoid(l).

    Λ is minus the Hessian without the decoder's own curvature (Gauss–Newton, the Fisher information of x plus the
    prior's), so it is positive definite wherever it is asked. J by d forward differences of STEP, which are off by
    STEP / 2 times the second derivative. → float64 [batch, d], [batch, d, d].
    """
    d = z.shape[1]
    moved = torch.cat([z[None], z + STEP * torch.eye(d, dtype=z.dtype)[:, None]])
    logits = decoder(moved).double()
    jacobian = (logits[1:] - logits[0]).permute(1, 2, 0) / STEP
    p = logits[0].sigmoid()
    gradient = torch.einsum("bpd,bp->bd", jacobian, x - p) - z
    precision = torch.einsum("bpd,bp,bpe->bde", jacobian, p * (1 - p), jacobian)
    return gradient, precision + torch.eye(d, dtype=torch.float64)


@dataclass(frozen=True)
class Gaussian:
    """N(loc, precision⁻¹) for each image: `loc` [batch, d], `precision` [batch, d, d], float64."""

    loc: Tensor
    precision: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """loc + C⁻ᵀ noise, where C Cᵀ = precision: standard normal noise [n, batch, d] → draws [n, batch, d]."""
        chol = torch.linalg.cholesky(self.precision)
        return self.loc + torch.linalg.solve_triangular(chol.mT, noise.permute(1, 2, 0), upper=True).permute(2, 0, 1)


@torch.no_grad()
def climb(decoder: Decoder, x: Tensor, start: Tensor, steps: int = 4) -> Gaussian:
    """A nearby maximum of log p(x, z) and the curvature there, by damped Gauss–Newton steps from `start` [batch, d].

    z ← z + (Λ + λ diag Λ)⁻¹ ∇; λ falls tenfold where log p(x, z) rose and rises tenfold where it did not, then the
    step is not taken. Source: Marquardt 1963.
    """
    z = start
    damping = torch.full((len(z),), 1e-2, dtype=torch.float64)
    height = log_joint(decoder, x, z)
    gradient, precision = curvature(decoder, x, z)
    for _ in range(steps):
        diagonal = torch.diag_embed(precision.diagonal(dim1=-2, dim2=-1)) * damping[:, None, None]
        tried = (z + torch.linalg.solve(precision + diagonal, gradient)).to(start.dtype)
        there = log_joint(decoder, x, tried)
        rose = there > height
        z = torch.where(rose[:, None], tried, z)
        height = torch.where(rose, there, height)
        damping = torch.where(rose, damping / 10, damping * 10).clamp(1e-8, 1e8)
        gradient, precision = curvature(decoder, x, z)
    return Gaussian(z.double(), precision)


@torch.no_grad()
def settle(
    decoder: Decoder, x: Tensor, g: Gaussian, generator: torch.Generator, rounds: int = 4, pairs: int = 2
) -> Gaussian:
    """The normal that fits the posterior on average and not at its peak only, from the peak's `g`.

    Round r averages ∇ log p(x, z) and Λ(z) over `pairs` antithetic pairs of draws of the present normal, then
    precision ← (1 − ρ) precision + ρ ⟨Λ⟩ and loc ← loc + ρ precision⁻¹ ⟨∇⟩ with ρ = max(1/r, ¼): natural-gradient
    steps on the ELBO of a full-covariance q. Source: Opper and Archambeau 2009; Khan and Nielsen 2018.
    """
    for r in range(1, rounds + 1):
        noise = torch.randn(pairs, *g.loc.shape, generator=generator, dtype=torch.float64)
        z = g.at(torch.cat([noise, -noise])).flatten(0, 1).to(x.dtype)
        found = curvature(decoder, x.repeat(2 * pairs, 1), z)
        gradient, precision = (part.unflatten(0, (2 * pairs, -1)).mean(0) for part in found)
        rho = max(1 / r, 0.25)
        precision = (1 - rho) * g.precision + rho * precision
        g = Gaussian(g.loc + rho * torch.linalg.solve(precision, gradient), precision)
    return g


@dataclass(frozen=True)
class Weighted:
    """K draws of a proposal r, summed: `bound` = log (1/K) Σ_k p(x, z_k) / r(z_k) and (Σ w)² / Σ w², [batch] each."""

    bound: Tensor
    effective_sample_size: Tensor


def log_student(noise: Tensor, freedom: int, log_det: Tensor) -> Tensor:
    """log t_ν(z; loc, precision⁻¹) where noise = Cᵀ(z − loc) [..., d], C Cᵀ = precision, log_det = log det C.

    = log Γ((ν+d)/2) − log Γ(ν/2) − (d/2) log νπ + log det C − ((ν+d)/2) log(1 + |noise|²/ν).
    """
    d = noise.shape[-1]
    constant = math.lgamma((freedom + d) / 2) - math.lgamma(freedom / 2) - 0.5 * d * math.log(freedom * math.pi)
    return constant + log_det - 0.5 * (freedom + d) * torch.log1p(noise.square().sum(-1) / freedom)


@torch.no_grad()
def importance_weighted(
    decoder: Decoder,
    x: Tensor,
    modes: Sequence[Gaussian],
    loc: Tensor,
    log_scale: Tensor,
    samples: int,
    generator: torch.Generator,
    freedom: int = 40,
    own_share: float = 0.05,
) -> Weighted:
    """The importance-weighted bound through a Student t at each mode, of its shape, mixed with the encoder's q.

    r(z) = (1 − s) mean_m t_ν(z; modes[m]) + s N(z; loc, diag exp(log_scale)²): ν = `freedom` keeps the tails above the
    posterior's, the share s of q keeps every weight below p(x, z) / (s q(z)), so that normals fitted in the wrong
    places cost at most log 1/s nats. K = `samples`, of which s·K are drawn from q, the others as evenly as can be from
    the modes, and none is left to chance (Hesterberg 1995, "defensive mixture"; Owen and Zhou 2000). In expectation the
    bound is at most log p(x), whatever the proposal (Burda et al. 2016, theorem 1). Raises ValueError where the share
    leaves a mode no draws.
    """
    own = round(own_share * samples) if 0 <= own_share < 1 else samples
    each = [len(part) for part in torch.arange(samples - own).tensor_split(len(modes))]
    if min(each) < 1:
        raise ValueError(f"own_share is {own_share}; of {samples} draws each of {len(modes)} modes must be left one")
    batch, d = loc.shape
    loc, log_scale = loc.double(), log_scale.double()

    def normal(n: int, size: int) -> Tensor:
        return torch.randn(n, batch, size, generator=generator, dtype=torch.float64)

    parts: list[Tensor] = []
    for g, n in zip(modes, each, strict=True):
        chi_square = normal(n, freedom).square().sum(-1, keepdim=True)
        parts.append(g.at(normal(n, d) * (freedom / chi_square).sqrt()))
    z = torch.cat([loc + log_scale.exp() * normal(own, d), *parts]).to(x.dtype)
    terms = [log_fitted(g, z.double(), freedom) + math.log(n / samples) for g, n in zip(modes, each, strict=True)]
    if own:
        terms.append(log_normal(z.double(), loc, log_scale) + math.log(own / samples))
    log_r = torch.stack(terms).logsumexp(0)
    heights = [log_joint(decoder, x, part) for part in z.split(max(1, DECODINGS_AT_ONCE // batch))]
    log_w = torch.cat(heights) - log_r
    total = log_w.logsumexp(0)
    return Weighted(total - math.log(samples), (2 * total - (2 * log_w).logsumexp(0)).exp())


def log_fitted(g: Gaussian, z: Tensor, freedom: int) -> Tensor:
    """log t_ν(z; g) of z [n, batch, d] → float64 [n, batch]."""
    chol = torch.linalg.cholesky(g.precision)
    log_det = chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return log_student(torch.einsum("bde,kbd->kbe", chol, z - g.loc), freedom, log_det)


def refined_bound(
    decoder: Decoder,
    x: Tensor,
    loc: Tensor,
    log_scale: Tensor,
    samples: int,
    generator: torch.Generator,
    elsewhere: Sequence[Tensor] = (),
) -> Weighted:
    """The bound of each image x [batch, pixels] through a proposal fitted to it from q's mean on → [batch] each.

    q = N(loc, diag exp(log_scale)²), [batch, d]; `decoder` takes z [..., d] of any number of leading axes. Further
    modes are climbed to from each of `elsewhere`, [batch, d].
    """
    modes = [settle(decoder, x, climb(decoder, x, start), generator) for start in (loc, *elsewhere)]
    return importance_weighted(decoder, x, modes, loc, log_scale, samples, generator)
