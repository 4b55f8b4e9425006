"""Residual networks of 3 × 3 convolutions for images of 28 × 28 pixels. Knows nothing of densities, data or training.

Most of the work is done at 7 × 7 with `width` channels and `blocks` residual blocks, a third of it at 14 × 14 with
half the channels, none at 28 × 28: a step between resolutions trades a square of 2 × 2 pixels for four channels and
back (Shi et al. 2016, "sub-pixel convolution"). Dense blocks may stand between z and the picture, where all of z meets
all of z: with them training is faster at first, without them it ends lower (LOG.md). Layers are few on purpose, for
whoever must run them elsewhere: linear, 3 × 3 convolution with a rim of zeros, SiLU, residual sum and that
rearrangement of pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from vae.residual import ResidualBlock

SIDE, COARSE = 28, 7
DENSE_WIDTH = 256


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """3 × 3 with a rim of zeros: [batch, inputs, h, w] → [batch, outputs, h, w]."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ConvBlock(nn.Module):
    """h + W₂ ∗ silu(W₁ ∗ silu(h) + b₁) + b₂, zero at first. [batch, width, h, w] → the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = convolution(width, width)
        self.outer = convolution(width, width)
        nn.init.zeros_(self.outer.weight)
        assert self.outer.bias is not None
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.outer(silu(self.inner(silu(h))))


def blocks_of(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*(ConvBlock(width) for _ in range(number)))


def dense(number: int) -> nn.Sequential:
    """The blocks between the latent and the picture, where all of z meets all of z."""
    return nn.Sequential(*(ResidualBlock(DENSE_WIDTH) for _ in range(number)))


def require_28(pixels: int, width: int) -> None:
    """Raises ValueError where the images are not 28 × 28 or the channels cannot be halved."""
    if pixels != SIDE**2:
        raise ValueError(
            f"--architecture conv needs images of {SIDE} × {SIDE} = {SIDE**2} pixels, these have {pixels}; "
            "use --architecture mlp"
        )
    if width % 2:
        raise ValueError(f"--architecture conv needs an even width, not {width}")


class ConvAnalysis(nn.Module):
    """28 × 28 pixels as 4 × 14 × 14 → blocks at 14 × 14 → as 7 × 7 → blocks → silu → linear → dense blocks → silu →
    linear. Without dense blocks the last two layers of that are left out, too.

    Shapes: [batch, 784], rows of 28 × 28 → [batch, outputs].
    """

    def __init__(self, pixels: int, width: int, blocks: int, outputs: int, dense_blocks: int) -> None:
        super().__init__()
        require_28(pixels, width)
        self.first = convolution(4, width // 2)
        self.fine = blocks_of(width // 2, (blocks + 1) // 3)
        self.down = convolution(4 * (width // 2), width)
        self.blocks = blocks_of(width, blocks)
        flat = width * COARSE**2
        if dense_blocks:
            self.flat = nn.Linear(flat, DENSE_WIDTH)
        self.dense = dense(dense_blocks)
        self.last = nn.Linear(DENSE_WIDTH if dense_blocks else flat, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.fine(self.first(pixel_unshuffle(x.view(-1, 1, SIDE, SIDE), 2)))
        h = self.blocks(self.down(pixel_unshuffle(h, 2)))
        active = silu(h).flatten(1)
        return self.last(silu(self.dense(self.flat(active))) if len(self.dense) else active)


class ConvSynthesis(nn.Module):
    """Linear → dense blocks → silu → linear → 7 × 7 → blocks → silu → 14 × 14 → blocks → silu → 28 × 28, plus a bias
    of each pixel's own. Without dense blocks one linear layer leads to 7 × 7.

    Shapes: [batch, inputs] → [batch, 784], rows of 28 × 28.
    """

    def __init__(self, inputs: int, width: int, blocks: int, pixels: int, dense_blocks: int) -> None:
        super().__init__()
        require_28(pixels, width)
        flat = width * COARSE**2
        self.first = nn.Linear(inputs, DENSE_WIDTH if dense_blocks else flat)
        self.dense = dense(dense_blocks)
        if dense_blocks:
            self.flat = nn.Linear(DENSE_WIDTH, flat)
        self.blocks = blocks_of(width, blocks)
        self.up = convolution(width, 4 * (width // 2))
        self.fine = blocks_of(width // 2, (blocks + 1) // 3)
        self.last = convolution(width // 2, 4)
        self.bias = nn.Parameter(torch.zeros(pixels))

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z)
        if len(self.dense):
            h = self.flat(silu(self.dense(h)))
        h = self.blocks(h.unflatten(1, (-1, COARSE, COARSE)))
        h = self.fine(pixel_shuffle(self.up(silu(h)), 2))
        return pixel_shuffle(self.last(silu(h)), 2).flatten(1) + self.bias
