"""Where an x comes from: the prior and the decoder, a drawing in a link, a test digit. Knows nothing of ONNX or pages.

An x is [784] of 0 and 1, row-major 28×28. All randomness comes from a seed that a link can carry.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from demo import mnist
from demo.densities import Array, sigmoid

PIXELS = 784
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
    """784 bits as 131 characters fit for a link (URL-safe base64 without padding, first pixel in the highest bit)."""
    return base64.urlsafe_b64encode(np.packbits(np.asarray(x, bool)).tobytes()).decode().rstrip("=")


def unpack(text: str) -> NDArray[np.uint8] | None:
    """The x of `pack`, or None where the text is no such thing."""
    if len(text) != 131:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    x = np.unpackbits(np.frombuffer(raw, np.uint8))
    return x if pack(x) == text else None  # base64 has more spellings than one, padding for pixels among them


def binarised_test_set(data_dir: str | None = None) -> NDArray[np.uint8]:
    """The 10,000 MNIST test digits, binarised once with TEST_SEED, as every figure of the site has them: [10000, 784].

    Raises mnist.DataError, one line, where the files cannot be had.
    """
    images, _ = mnist.load("test", data_dir)
    return mnist.binarise(images, np.random.default_rng(TEST_SEED)).astype(np.uint8)
