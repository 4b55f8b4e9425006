"""The ends of a walk: a test digit of a class, a draw of the prior, the visitor's drawing. Knows nothing of pages."""

from __future__ import annotations

import numpy as np

from demo import digits
from demo.densities import Array
from demo.pretrained import PretrainedVAE

CLASSES = tuple("0123456789")
KINDS = (*CLASSES, "prior", "drawing")


def kind_name(kind: str) -> str:
    return {"prior": "a draw of the prior", "drawing": "your drawing"}.get(kind, f"a test digit {kind}")


def number_in_test_set(vae: PretrainedVAE, kind: str, number: int) -> int:
    """Which of the test digits is the number-th of its class, in an order that mixes easy and odd ones."""
    of_class = np.flatnonzero(vae.codes.label == int(kind))
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return int(order[number % len(order)])


def latent(vae: PretrainedVAE, kind: str, number: int, bits: str = "") -> Array:
    """The latent of one end, [d]: the mean of q for the drawing `bits` (as digits.pack writes it) or the number-th
    test digit of its class, or a draw of the prior."""
    if kind == "drawing":
        x = digits.unpack(bits)
        assert x is not None  # a page waits for a drawing
        return vae.encode(x[None])[0][0].astype(np.float64)
    if kind == "prior":
        return digits.sample_prior(1, vae.latent_dim, number)[0]
    return np.asarray(vae.codes.loc[number_in_test_set(vae, kind, number)], np.float64)


def offered(vae: PretrainedVAE, pages: int) -> tuple[Array, Array]:
    """The first test digits of each class, [10, pages, d], and the first four times as many draws of the prior."""
    of_classes = [[latent(vae, kind, number) for number in range(pages)] for kind in CLASSES]
    draws = [latent(vae, "prior", number) for number in range(4 * pages)]
    return np.array(of_classes), np.array(draws)
