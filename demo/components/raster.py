"""The size of the pictures that an element draws, and an x on its way to the browser. Knows nothing of elements."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
from numpy.typing import ArrayLike

Shape = tuple[int, int]  # rows, columns
MNIST: Shape = (28, 28)
LARGEST = 256  # rows or columns, as vae/datasets.py has it


def sized(shape: Shape) -> list[int]:
    """The shape as the browser gets it. Raises ValueError for what is none."""
    rows, columns = shape
    if not all(isinstance(side, int) and 1 <= side <= LARGEST for side in (rows, columns)):
        raise ValueError(f"a picture has 1 to {LARGEST} rows and columns, not {rows} and {columns}")
    return [rows, columns]


def packed(x: ArrayLike, pixels: int) -> str:
    """x [pixels] of 0 and 1 as base64, the first pixel in the highest bit. Raises ValueError for anything else."""
    array = np.asarray(x)
    if array.shape != (pixels,) or not np.isin(array, (0, 1)).all():
        raise ValueError(f"x must be {pixels} pixels of 0 or 1, not {list(array.shape)}")
    return b64encode(np.packbits(array.astype(bool)).tobytes()).decode("ascii")
