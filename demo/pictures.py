"""Digits and densities as PNG and GIF bytes. Knows nothing of models, pages or what a digit means."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from demo.colours import INK, PAPER


def inked(images: ArrayLike, theme: str | None = "light") -> NDArray[np.uint8]:
    """Blends paper and ink by the probability of ink. [n, side²] or [side²] in [0, 1] → RGB [n, side, side, 3]."""
    name = "dark" if theme == "dark" else "light"
    paper, ink = _rgb(PAPER[name]), _rgb(INK[name])
    rows = np.atleast_2d(np.asarray(images, float))
    side = math.isqrt(rows.shape[1])
    share = rows.reshape(-1, side, side, 1)
    return np.rint(paper + share * (ink - paper)).astype(np.uint8)


def strip(images: ArrayLike, scale: int = 4) -> bytes:
    """All digits side by side as one PNG. [n, 784] in [0, 1]."""
    return _png(np.concatenate(list(inked(images)), axis=1), scale)


def animation(images: ArrayLike, scale: int = 8, seconds: float = 3.0) -> bytes:
    """There and back again as an endless GIF; one way takes `seconds`. [n, 784] in [0, 1], n ≥ 2."""
    frames = [_scaled(frame, scale).quantize(64) for frame in inked(images)]
    there_and_back = frames + frames[-2:0:-1]
    out = io.BytesIO()
    there_and_back[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=there_and_back[1:],
        duration=max(20, round(1000 * seconds / len(frames))),
        loop=0,
    )
    return out.getvalue()


def html_digit(image: ArrayLike, alt: str, theme: str | None, width: int = 168) -> str:
    """An <img> of one digit [784] that needs no further request. `alt` must be our own words."""
    data = base64.b64encode(_png(inked(image, theme)[0], 1)).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{alt}" width="{width}" height="{width}" '
        'style="image-rendering:pixelated;display:block">'
    )


def html_digits(pictures: Sequence[tuple[ArrayLike, str, str]], theme: str | None, width: int = 120) -> str:
    """Digits in a row, each (image [784], alt, words beneath), as one HTML. The texts must be our own."""
    figures = "".join(
        f'<figure style="margin:0">{html_digit(image, alt, theme, width)}'
        f'<figcaption style="font-size:.875rem;opacity:.7;padding-top:.25rem">{words}</figcaption></figure>'
        for image, alt, words in pictures
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.75rem 1rem">{figures}</div>'


def grid_side(n: int) -> int:
    """Columns of the squarest grid that holds n digits."""
    return int(np.ceil(np.sqrt(n)))


def sheet(images: Sequence[NDArray] | NDArray, scale: int = 4) -> bytes:
    """All digits in the squarest grid, row by row, as one PNG. [n, 784] in [0, 1]."""
    rgb = inked(images)
    side = grid_side(len(rgb))
    rows = int(np.ceil(len(rgb) / side))
    pixels = rgb.shape[1]  # a side
    blank = inked(np.zeros((rows * side - len(rgb), pixels**2)))
    tiles = np.concatenate([rgb, blank]).reshape(rows, side, pixels, pixels, 3)
    return _png(tiles.transpose(0, 2, 1, 3, 4).reshape(rows * pixels, side * pixels, 3), scale)


def stain(log_density: NDArray, colour: str, theme: str | None, fold: int = 8) -> bytes:
    """A density on even nodes [n, n] (row = second axis, upwards) as a PNG, from paper to `colour` at its peak.

    Its rims are the outer nodes. Between nodes it follows a cubic through the logarithm, exact for a normal density.
    """
    n = len(log_density)
    nodes = Image.fromarray(np.maximum(log_density, log_density.max() - 60)[::-1].astype(np.float32))
    inner = slice(fold // 2, -fold // 2)  # a pixel is an area to Pillow, a node a point: half of one goes at each rim
    fine = np.asarray(nodes.resize((fold * n, fold * n), Image.Resampling.BICUBIC))[inner, inner]
    share = np.rint(255 * np.exp(fine - fine.max())).astype(np.uint8)
    picture = Image.fromarray(share).convert("P")
    paper = _rgb(PAPER["dark" if theme == "dark" else "light"])
    picture.putpalette(np.rint(np.linspace(paper, _rgb(colour), 256)).astype(np.uint8).tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _rgb(colour: str) -> NDArray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)


def _scaled(rgb: NDArray[np.uint8], scale: int) -> Image.Image:
    picture = Image.fromarray(rgb)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _png(rgb: NDArray[np.uint8], scale: int) -> bytes:
    out = io.BytesIO()
    _scaled(rgb, scale).save(out, "PNG", optimize=True)
    return out.getvalue()
