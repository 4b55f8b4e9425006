"""The ends of a walk: a test image of a class, a draw of the prior, the visitor's drawing. Knows nothing of pages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from demo import digits
from demo.densities import Array
from demo.pretrained import PretrainedVAE

OTHERS = ("prior", "drawing")
PREFIX = {"digits": "a test digit", "classes": "a test image of class", "none": "a test image"}


class Kinds(NamedTuple):
    """What a walk through a model's latents may start from: classes of its test images, and what those are called."""

    classes: tuple[str, ...]
    prefix: str

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.classes, *OTHERS)

    def name(self, kind: str) -> str:
        """A kind in the visitor's words."""
        words = {"prior": "a draw of the prior", "drawing": "your drawing"}
        return words.get(kind, self.prefix if self.prefix == PREFIX["none"] else f"{self.prefix} {kind}")

    def fit(self, a: str, b: str) -> tuple[str, str]:
        """Both ends; one that is no kind of this model's becomes its first class, or its last."""
        return tuple(  # type: ignore[return-value]
            end if end in self.all else instead for end, instead in ((a, self.classes[0]), (b, self.classes[-1]))
        )


def kinds(vae: PretrainedVAE) -> Kinds:
    """Those of the model: a class for each number among the labels of its codes."""
    return Kinds(tuple(map(str, np.unique(vae.codes.label))), PREFIX[vae.kinds])


def number_in_test_set(vae: PretrainedVAE, kind: str, number: int) -> int:
    """Which of the test images is the number-th of its class, in an order that mixes easy and odd ones."""
    of_class = np.flatnonzero(vae.codes.label == int(kind))
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return int(order[number % len(order)])


def latent(vae: PretrainedVAE, kind: str, number: int, bits: str = "") -> Array:
    """The latent of one end, [d]: the mean of q for the drawing `bits` (as digits.pack writes it) or the number-th
    test image of its class, or a draw of the prior."""
    if kind == "drawing":
        x = digits.unpack(bits, vae.pixels)
        assert x is not None  # a page waits for a drawing
        return vae.encode(x[None])[0][0].astype(np.float64)
    if kind == "prior":
        return digits.sample_prior(1, vae.latent_dim, number)[0]
    return np.asarray(vae.codes.loc[number_in_test_set(vae, kind, number)], np.float64)


def offered(vae: PretrainedVAE, pages: int) -> tuple[Array, Array]:
    """The first test images of each class, [classes, pages, d], and the first four times as many draws of the prior."""
    of_classes = [[latent(vae, kind, number) for number in range(pages)] for kind in kinds(vae).classes]
    draws = [latent(vae, "prior", number) for number in range(4 * pages)]
    return np.array(of_classes), np.array(draws)
