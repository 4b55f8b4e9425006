"""Digits and densities as PNG and GIF bytes. Knows nothing of models, pages or what a digit means.

Images are rows of pixels, [n, rows · columns]; their `shape` is (rows, columns), a square where none is given.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from demo.colours import INK, PAPER

Shape = tuple[int, int]
SHADES = 16  # of a mosaic: four bits a dot


def inked(images: ArrayLike, theme: str | None = "light", shape: Shape | None = None) -> NDArray[np.uint8]:
    """Blends paper and ink by the probability of ink. [n, pixels] or [pixels] in [0, 1] → RGB [n, rows, columns, 3]."""
    name = "dark" if theme == "dark" else "light"
    paper, ink = _rgb(PAPER[name]), _rgb(INK[name])
    flat = np.atleast_2d(np.asarray(images, float))
    rows, columns = shape or (math.isqrt(flat.shape[1]),) * 2
    share = flat.reshape(-1, rows, columns, 1)
    return np.rint(paper + share * (ink - paper)).astype(np.uint8)


def fitted(shape: Shape, side: int) -> tuple[int, int]:
    """Width and height of a picture of that shape in a square: its longer side is `side`."""
    rows, columns = shape
    return tuple(max(1, round(side * length / max(shape))) for length in (columns, rows))  # type: ignore[return-value]


def strip(images: ArrayLike, shape: Shape | None = None, scale: int | None = None) -> bytes:
    """All digits side by side as one PNG. [n, pixels] in [0, 1]; `scale` dots a pixel, else about 112 a picture."""
    rgb = inked(images, shape=shape)
    return _png(np.concatenate(list(rgb), axis=1), scale or _scale(rgb, 112))


def animation(images: ArrayLike, shape: Shape | None = None, scale: int | None = None, seconds: float = 3.0) -> bytes:
    """There and back again as an endless GIF; one way takes `seconds`. [n, pixels] in [0, 1], n ≥ 2."""
    rgb = inked(images, shape=shape)
    frames = [_scaled(frame, scale or _scale(rgb, 224)).quantize(64) for frame in rgb]
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


def html_digit(image: ArrayLike, alt: str, theme: str | None, side: int = 168, shape: Shape | None = None) -> str:
    """An <img> of one digit [pixels], its longer side `side` px, that needs no further request. `alt` must be our own
    words.
    """
    rgb = inked(image, theme, shape)
    data = base64.b64encode(_png(rgb[0], 1)).decode()
    width, height = fitted(rgb.shape[1:3], side)
    return (
        f'<img src="data:image/png;base64,{data}" alt="{alt}" width="{width}" height="{height}" '
        'style="image-rendering:pixelated;display:block">'
    )


def html_digits(
    pictures: Sequence[tuple[ArrayLike, str, str]], theme: str | None, side: int = 120, shape: Shape | None = None
) -> str:
    """Digits in a row, each (image [pixels], alt, words beneath), as one HTML. The texts must be our own."""
    figures = "".join(
        f'<figure style="margin:0">{html_digit(image, alt, theme, side, shape)}'
        f'<figcaption style="font-size:.875rem;opacity:.7;padding-top:.25rem">{words}</figcaption></figure>'
        for image, alt, words in pictures
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:.75rem 1rem">{figures}</div>'


def grid_side(n: int) -> int:
    """Columns of the squarest grid that holds n digits."""
    return int(np.ceil(np.sqrt(n)))


def sheet(images: Sequence[NDArray] | NDArray, shape: Shape | None = None, scale: int | None = None) -> bytes:
    """All digits in the squarest grid, row by row, as one PNG. [n, pixels] in [0, 1]; `scale` as for `strip`."""
    rgb = inked(images, shape=shape)
    side = grid_side(len(rgb))
    rows = int(np.ceil(len(rgb) / side))
    high, wide = rgb.shape[1:3]
    blank = inked(np.zeros((rows * side - len(rgb), high * wide)), shape=(high, wide))
    tiles = np.concatenate([rgb, blank]).reshape(rows, side, high, wide, 3)
    grid = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * high, side * wide, 3)
    return _png(grid, scale or _scale(rgb, 112))


def mosaic(images: ArrayLike, theme: str | None, shape: Shape | None = None, tile: int = 14) -> bytes:
    """The squarest grid of n² pictures in square tiles of `tile` dots, row by row, as a PNG of 16 shades.

    [n², pixels] in [0, 1]; a picture lies in the middle of its tile. What can be sent in an instant, not what is sharp.
    """
    flat = np.atleast_2d(np.asarray(images, float))
    rows, columns = shape or (math.isqrt(flat.shape[1]),) * 2
    n, longer = math.isqrt(len(flat)), max(rows, columns)
    down, across = (longer - rows) // 2, (longer - columns) // 2
    tiles = np.zeros((n, n, longer, longer))
    tiles[:, :, down : down + rows, across : across + columns] = flat.reshape(n, n, rows, columns)
    grey = Image.fromarray(np.rint(255 * tiles.transpose(0, 2, 1, 3).reshape(n * longer, n * longer)).astype(np.uint8))
    small = np.asarray(grey.resize((n * tile, n * tile), Image.Resampling.BOX))
    picture = Image.fromarray(np.rint(small / 255 * (SHADES - 1)).astype(np.uint8)).convert("P")
    name = "dark" if theme == "dark" else "light"
    shades = np.linspace(_rgb(PAPER[name]), _rgb(INK[name]), SHADES)
    picture.putpalette(np.rint(shades).astype(np.uint8).tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG", bits=4, optimize=True)
    return out.getvalue()


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


def _scale(rgb: NDArray[np.uint8], side: int) -> int:
    """Whole dots a pixel that make pictures [n, rows, columns, 3] about so large."""
    return max(1, side // max(rgb.shape[1:3]))


def _scaled(rgb: NDArray[np.uint8], scale: int) -> Image.Image:
    picture = Image.fromarray(rgb)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _png(rgb: NDArray[np.uint8], scale: int) -> bytes:
    out = io.BytesIO()
    _scaled(rgb, scale).save(out, "PNG", optimize=True)
    return out.getvalue()
