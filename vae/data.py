"""Digits as torch sees them: split, binarised, and the randomness of an epoch. Knows nothing of files or networks."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Split:
    """Grey images as uint8 tensors [N, pixels]; validation is the end of the training file, never the test set."""

    train: Tensor
    validation: Tensor

    @classmethod
    def of(cls, images: np.ndarray, validation_images: int) -> Split:
        """Holds out the last `validation_images` of `images` uint8 [N, pixels]. ValueError where none would be left."""
        if not 0 < validation_images < len(images):
            raise ValueError(
                f"--validation-images {validation_images} leaves nothing to train on: there are {len(images)} images"
            )
        grey = torch.tensor(images)
        return cls(train=grey[:-validation_images], validation=grey[-validation_images:])

    def mean_image(self) -> Tensor:
        """Mean training image [pixels] with one pseudo-count a side, so that its logit is finite."""
        total = self.train.float().div(255).sum(0)
        return (total + 1) / (len(self.train) + 2)


def binarise(grey: Tensor, generator: torch.Generator) -> Tensor:
    """x_i ~ Bernoulli(grey_i / 255), drawn afresh at every call. uint8 [N, pixels] → float32 [N, pixels] in {0, 1}.

    A byte b that is uniform on 0 … 254 has P(b < grey) = grey / 255 exactly, and eight come with one random number:
    bytes of 255 are drawn again. NumPy looks for them, as torch takes ten times as long.
    """
    words = torch.empty(math.ceil(grey.numel() / 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    drawn = words.view(torch.uint8)[: grey.numel()]
    again = torch.from_numpy(np.flatnonzero(drawn.numpy() == 255))
    drawn[again] = torch.randint(255, (len(again),), generator=generator, dtype=torch.uint8)
    return (drawn.view(grey.shape) < grey).view(torch.uint8).float()


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The one source of randomness of an epoch: resuming needs no saved generator state."""
    return torch.Generator().manual_seed(
        int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)
    )
