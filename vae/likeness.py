"""How far draws of the prior are from digits, as a loss: where no image's posterior reaches, no bound says what a
decoder should draw. Knows nothing of bounds, optimisers or runs.

Two classifiers that saw only training digits look at the means p = sigmoid(logits) of draws of N(0, I). The distance
is that of Fréchet between normals with the moments of their features and of the training digits', after Heusel et al.
2017, but as something to descend on, as the moments of Li, Swersky and Zemel 2015. Neither is the network that
judges samples in the end (`vae/judge.py`), which has an architecture and a seed of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vae.classifiers import CLASSES, Classifier, trained

EPOCHS = 3
RIM = 1e-8  # of a feature's mean variance, squared


def narrow() -> Classifier:
    """Three convolutions of stride 2 and a layer of 96."""
    channels = (1, 24, 48, 64)
    body: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        body += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.SiLU()]
    return Classifier([*body, nn.Flatten(), nn.Linear(64 * 16, 96), nn.SiLU()], 96)


def wide() -> Classifier:
    """Two convolutions of 4 × 4 and stride 2, then layers of 128 and 64."""
    body: list[nn.Module] = [nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
    body += [nn.Conv2d(16, 48, 4, stride=2, padding=1), nn.LeakyReLU(0.1), nn.Flatten()]
    return Classifier([*body, nn.Linear(48 * 49, 128), nn.LeakyReLU(0.1), nn.Linear(128, 64), nn.LeakyReLU(0.1)], 64)


@dataclass(frozen=True)
class Eye:
    """A classifier and what it sees in digits: mean μ [k] and covariance's root Σ^½ [k, k] of features, trace Σ."""

    classifier: Classifier
    loc: Tensor
    root: Tensor
    trace: Tensor

    @classmethod
    def of(cls, classifier: Classifier, images: NDArray[np.uint8]) -> Eye:
        grey = torch.tensor(images)
        with torch.no_grad():
            seen = torch.cat([classifier.features(part.float() / 255) for part in grey.split(1000)]).double()
        covariance = torch.cov(seen.T)
        values, vectors = torch.linalg.eigh(covariance)
        root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return cls(classifier, seen.mean(0), root, covariance.trace())

    def to(self, device: torch.device) -> Eye:
        parts = (self.loc.to(device), self.root.to(device), self.trace.to(device))
        return Eye(self.classifier.to(device), *parts)

    def distance(self, p: Tensor) -> Tensor:
        """(|m − μ|² + tr(S + Σ − 2 (Σ^½ S Σ^½)^½)) / tr Σ with the moments m, S of the features of p [n, 784]."""
        seen = self.classifier.features(p).double()
        apart, covariance = seen.mean(0) - self.loc, torch.cov(seen.T)
        rim = RIM * (self.trace / len(apart)) ** 2  # a root of nothing would have no gradient
        values = torch.linalg.eigvalsh(self.root @ covariance @ self.root) + rim
        roots = values.clamp(min=rim).sqrt()
        return (apart @ apart + covariance.trace() + self.trace - 2 * roots.sum()) / self.trace


@dataclass(frozen=True)
class Likeness:
    """The sum of both eyes' distances, a number without units; 0 where draws and digits have the same moments."""

    eyes: tuple[Eye, ...]

    @classmethod
    def learned(
        cls, images: NDArray[np.uint8], labels: NDArray[np.uint8] | None, seed: int, quiet: bool = False
    ) -> Likeness:
        """Eyes trained on images uint8 [N, 784] with labels [N]. Raises ValueError for other images or none."""
        if labels is None or images.shape[1] != 784 or not 0 < labels.max() < CLASSES:
            raise ValueError("--likeness needs images of 28 × 28 pixels with labels from 0 to 9; leave it out")
        eyes = [
            Eye.of(trained(make, images, labels, EPOCHS, seed + i, f"eye {i}", quiet), images)
            for i, make in enumerate((narrow, wide), start=1)
        ]
        return cls(tuple(eyes))

    def to(self, device: torch.device) -> Likeness:
        return Likeness(tuple(eye.to(device) for eye in self.eyes))

    def distance(self, logits: Tensor) -> Tensor:
        """Of the means of logits [n, 784], n draws of the prior; a scalar, float64."""
        with torch.autocast(logits.device.type, enabled=False):
            p = logits.float().sigmoid()
            return torch.stack([eye.distance(p) for eye in self.eyes]).sum()
