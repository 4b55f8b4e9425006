"""Where an x comes from: the prior and the decoder, a drawing in a link, a test digit. Knows nothing of ONNX or pages.

An x is [pixels] of 0 and 1, row by row, 784 of them for MNIST. All randomness comes from a seed that a link can carry.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from demo import mnist
from demo.densities import Array, sigmoid

PIXELS = 784  # of MNIST
TEST_SEED = 0  # of the binarisation of the test set, here and in every figure about it


def sample_prior(n: int, d: int, seed: int) -> Array:
    """n draws z ~ N(0, I): [n, d]. The first k of n draws are the same for every n ≥ k."""
    return np.random.default_rng([seed, 0]).standard_normal((n, d))


def sample_pixels(logits: NDArray, seed: int) -> NDArray[np.uint8]:
    """x ~ Bernoulli(sigmoid(logits)), pixel by pixel: [n, pixels] → [n, pixels] in {0, 1}; row k depends on k alone."""
    return (np.random.default_rng([seed, 1]).random(logits.shape) < sigmoid(logits)).astype(np.uint8)


def mode(logits: NDArray) -> NDArray[np.uint8]:
    """The most probable image of p(x|z): ink where its probability is above ½. [..., pixels] → [..., pixels]."""
    return (np.asarray(logits) > 0).astype(np.uint8)


def pack(x: NDArray) -> str:
    """An x as characters fit for a link, 131 for 784 bits (URL-safe base64 without padding, first pixel in the highest
    bit)."""
    return base64.urlsafe_b64encode(np.packbits(np.asarray(x, bool)).tobytes()).decode().rstrip("=")


def letters(pixels: int) -> int:
    """Characters of `pack` for so many pixels."""
    return (4 * ((pixels + 7) // 8) + 2) // 3


def unpack(text: str, pixels: int = PIXELS) -> NDArray[np.uint8] | None:
    """The x of `pack` with so many pixels, or None where the text is no such thing."""
    if len(text) != letters(pixels):
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    x = np.unpackbits(np.frombuffer(raw, np.uint8), count=pixels)
    return x if pack(x) == text else None  # base64 has more spellings than one, padding for pixels among them


def binarised_test_set(data_dir: str | None = None) -> NDArray[np.uint8]:
    """The 10,000 MNIST test digits, binarised once with TEST_SEED, as every figure of the site has them: [10000, 784].

    Raises mnist.DataError, one line, where the files cannot be had.
    """
    images, _ = mnist.load("test", data_dir)
    return mnist.binarise(images, np.random.default_rng(TEST_SEED)).astype(np.uint8)
