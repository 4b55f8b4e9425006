"""What others reached on MNIST's test digits and say in print: numbers of theirs, none of ours. Knows no model.

All with dynamic binarisation, one stochastic layer, an N(0, I) prior and independent pixels; −log p(x) in nats a digit,
estimated from above by importance sampling.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One number: its model in a few words, latent dimensions d, −log p(x) in nats, samples, and where it stands."""

    name: str
    latent_dim: int
    nll: float
    samples: int
    source: str


_SVAE = "Davidson et al. 2018, “Hyperspherical variational auto-encoders”: its Gaussian VAE, linear layers"
_CONV = "a reproduction of Davidson et al. 2018 with convolutions"
_IWAE = "Burda et al. 2016, “Importance weighted autoencoders”, table 1"

PUBLISHED = (
    Published("Gaussian VAE", 2, 135.7, 500, _SVAE),
    Published("Gaussian VAE, conv.", 2, 132.6, 500, _CONV),
    Published("Gaussian VAE", 5, 110.2, 500, _SVAE),
    Published("Gaussian VAE, conv.", 5, 105.4, 500, _CONV),
    Published("Gaussian VAE", 10, 93.8, 500, _SVAE),
    Published("Gaussian VAE, conv.", 10, 88.8, 500, _CONV),
    Published("VAE", 50, 86.76, 5000, _IWAE),
    Published("IWAE, k = 50", 50, 84.78, 5000, _IWAE),
    Published("ResNet VAE", 40, 81.07, 1000, "quoted at second hand: an ELBO of 84.62 less its gap of 3.55"),
)
DEEP = 11  # dimensions from which on models are compared with one another, whatever their number


def comparable(latent_dim: int) -> tuple[Published, ...]:
    """The published numbers that a model of d dimensions may be held against, the weakest first."""
    deep = latent_dim >= DEEP
    found = [one for one in PUBLISHED if (one.latent_dim >= DEEP if deep else one.latent_dim == latent_dim)]
    return tuple(sorted(found, key=lambda one: -one.nll))
