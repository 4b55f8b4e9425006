"""Reads and verifies the IDX files of MNIST wherever they lie. Knows nothing of models, torch or Streamlit."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class DataError(Exception):
    """A data file is missing or wrong; the message is one line that names the file and the mend."""


def read_idx(raw: bytes) -> NDArray[np.uint8]:
    """Parses IDX bytes (magic 0x0000 08 ndim, big-endian sizes, row-major uint8) into an array of that shape."""
    n_dims = raw[3]
    shape = struct.unpack(f">{n_dims}I", raw[4 : 4 + 4 * n_dims])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def load(split: str, data_dir: str | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [N, 784] and labels [N], uint8, of split "train" or "test"."""
    prefix = {"train": "train", "test": "t10k"}[split]
    folder = Path(data_dir or os.environ["MNIST_DIR"])
    arrays = []
    for name in (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"):
        raw = gzip.decompress((folder / f"{name}.gz").read_bytes())
        if hashlib.sha256(raw).hexdigest() != SHA256[name]:
            raise DataError(f"{name} is damaged")
        arrays.append(read_idx(raw))
    return arrays[0].reshape(len(arrays[0]), -1), arrays[1]


def binarise(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """x_i ~ Bernoulli(grey_i / 255), the dynamic binarisation of the literature. [N, pixels] → [N, pixels] in {0, 1}."""
    return (rng.random(images.shape, dtype=np.float32) * 255 < images).astype(np.float32)
