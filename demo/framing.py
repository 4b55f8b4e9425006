"""Where the ink of pictures lies, so that a drawing can be laid as they are. Knows nothing of pads or models."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHARE = 0.9  # of the pictures are no higher, and as many no wider, than the box that a drawing is fitted into


class Frame(NamedTuple):
    """How a drawing becomes a picture of `shape` (rows, columns).

    Its ink, the shape kept, is fitted into `fit` (rows, columns); its centre of mass goes to `centre` (row, column, 0
    at the middle of the first pixel). `kept`: no further than to the edge.
    """

    shape: tuple[int, int]
    fit: tuple[int, int]
    centre: tuple[float, float]
    kept: bool


MNIST = Frame((28, 28), (20, 20), (14.0, 14.0), kept=False)  # as its makers did it


def frame_of(images: NDArray, shape: tuple[int, int]) -> Frame:
    """The frame of pictures [n, pixels] of 0 and 1; the whole sheet where none has ink."""
    rows: NDArray[np.bool_] = np.asarray(images, bool)
    inked = rows[np.flatnonzero(rows.sum(axis=1))].reshape(-1, *shape)
    if not len(inked):
        return Frame(shape, shape, ((shape[0] - 1) / 2, (shape[1] - 1) / 2), kept=True)
    fit, centre = [], []
    for axis in (2, 1):  # along columns for the rows, and the other way
        lines = inked.max(axis=axis)
        extent = lines.shape[1] - lines.argmax(axis=1) - lines[:, ::-1].argmax(axis=1)
        fit.append(int(np.quantile(extent, SHARE, method="inverted_cdf")))
        mass = inked.sum(axis=axis)
        centre.append(float(np.median(mass @ np.arange(mass.shape[1]) / mass.sum(axis=1))))
    return Frame(shape, (fit[0], fit[1]), (centre[0], centre[1]), kept=True)
