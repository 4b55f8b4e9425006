"""What a file of weights means, in NumPy's float64: the networks of vae/ layer by layer. Knows no files and no torch.

Slow, and without a line in common with what it checks: onnxruntime when a site is exported, JavaScript in the tests.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from export.initialisers import Tensors, count, is_conv

Array = NDArray[np.float64]


def forward(tensors: Tensors, rows: ArrayLike) -> Array:
    """The network on rows [batch, inputs] → [batch, outputs]; an encoder's outputs are loc and then log_scale."""
    h = np.asarray(rows, np.float64)
    if not is_conv(tensors):
        return linear(tensors, "last", silu(residual(tensors, "blocks", linear(tensors, "first", h))))
    if "down.weight" in tensors:
        h = residual(tensors, "fine", convolution(tensors, "first", unshuffle(h.reshape(-1, 1, 28, 28))))
        h = residual(tensors, "blocks", convolution(tensors, "down", unshuffle(h)))
        h = silu(h).reshape(len(h), -1)
        if "flat.weight" in tensors:
            h = silu(residual(tensors, "dense", linear(tensors, "flat", h)))
        return linear(tensors, "last", h)
    h = linear(tensors, "first", h)
    if "flat.weight" in tensors:
        h = linear(tensors, "flat", silu(residual(tensors, "dense", h)))
    h = residual(tensors, "blocks", h.reshape(len(h), -1, 7, 7))
    h = residual(tensors, "fine", shuffle(convolution(tensors, "up", silu(h))))
    return shuffle(convolution(tensors, "last", silu(h))).reshape(len(h), -1) + tensors["bias"]


def silu(h: Array) -> Array:
    return np.asarray(h * np.exp(-np.logaddexp(0, -h)))


def linear(tensors: Tensors, name: str, h: Array) -> Array:
    return np.asarray(h @ tensors[f"{name}.weight"].T.astype(np.float64) + tensors[f"{name}.bias"])


def convolution(tensors: Tensors, name: str, h: Array) -> Array:
    """3 × 3 with a rim of zeros: [batch, inputs, side, side] → [batch, outputs, side, side]."""
    windows = sliding_window_view(np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))
    kernel = tensors[f"{name}.weight"].astype(np.float64)
    return np.asarray(np.einsum("bchwij,ocij->bohw", windows, kernel) + tensors[f"{name}.bias"][:, None, None])


def residual(tensors: Tensors, stage: str, h: Array) -> Array:
    """h + outer(silu(inner(silu(h)))), block after block."""
    layer = linear if h.ndim == 2 else convolution
    for i in range(count(tensors, stage)):
        h = h + layer(tensors, f"{stage}.{i}.outer", silu(layer(tensors, f"{stage}.{i}.inner", silu(h))))
    return h


def shuffle(h: Array) -> Array:
    """Four channels become 2 × 2 pixels: [batch, 4c, side, side] → [batch, c, 2 · side, 2 · side]."""
    batch, channels, side, _ = h.shape
    quads = h.reshape(batch, channels // 4, 2, 2, side, side)
    return quads.transpose(0, 1, 4, 2, 5, 3).reshape(batch, channels // 4, 2 * side, 2 * side)


def unshuffle(h: Array) -> Array:
    """The inverse of `shuffle`."""
    batch, channels, side, _ = h.shape
    quads = h.reshape(batch, channels, side // 2, 2, side // 2, 2)
    return quads.transpose(0, 1, 3, 5, 2, 4).reshape(batch, 4 * channels, side // 2, side // 2)
