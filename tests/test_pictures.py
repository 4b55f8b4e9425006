"""Pictures re-opened by PIL: their size, their frames, and the colours of ink and paper."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image, ImageSequence

from demo.colours import INK, PAPER
from demo.pictures import SHADES, animation, grid_side, html_digit, inked, mosaic, sheet, strip

IMAGES = np.random.default_rng(0).random((7, 784))
BLANK, FULL = np.zeros(784), np.ones(784)


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize(("theme", "name"), [("light", "light"), ("dark", "dark"), (None, "light"), ("odd", "light")])
def test_ink_is_ink_and_paper_is_paper(theme: str | None, name: str) -> None:
    blank, full, half = inked([BLANK, FULL, FULL / 2], theme)
    assert blank.shape == (28, 28, 3)
    assert (blank == rgb(PAPER[name])).all()
    assert (full == rgb(INK[name])).all()
    np.testing.assert_allclose(half[0, 0], np.mean([rgb(PAPER[name]), rgb(INK[name])], axis=0), atol=0.51)


def test_strip_puts_digits_side_by_side_in_order() -> None:
    picture = opened(strip([BLANK, FULL, IMAGES[0]], scale=3))
    assert (picture.format, picture.size) == ("PNG", (3 * 28 * 3, 28 * 3))
    pixels = np.asarray(picture.convert("RGB"))[1::3, 1::3]
    np.testing.assert_array_equal(pixels.reshape(28, 3, 28, 3).transpose(1, 0, 2, 3), inked([BLANK, FULL, IMAGES[0]]))


@pytest.mark.parametrize("n", [1, 2, 4, 5, 7])
def test_sheet_is_the_squarest_grid_row_by_row(n: int) -> None:
    picture = opened(sheet(IMAGES[:n], scale=2))
    side = int(np.ceil(np.sqrt(n)))
    rows = -(-n // side)
    assert grid_side(n) == side
    assert picture.size == (side * 56, rows * 56)
    pixels = np.asarray(picture.convert("RGB"))[::2, ::2]
    for k in range(rows * side):
        row, column = divmod(k, side)
        tile = pixels[row * 28 : row * 28 + 28, column * 28 : column * 28 + 28]
        np.testing.assert_array_equal(tile, inked(IMAGES[k] if k < n else BLANK)[0])


@pytest.mark.parametrize(("shape", "tile"), [((28, 28), 14), ((8, 8), 8), ((4, 6), 12), ((6, 4), 6)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_mosaic_has_its_pictures_row_by_row_in_the_middle_of_square_tiles(
    shape: tuple[int, int], tile: int, theme: str
) -> None:
    rows, columns = shape
    longer = max(shape)
    images = np.random.default_rng(1).random((9, rows * columns))
    picture = opened(mosaic(images, theme, shape, tile))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "P", (3 * tile, 3 * tile))
    paper, ink = (np.array(rgb(colour[theme]), float) for colour in (PAPER, INK))
    found = ((np.asarray(picture.convert("RGB"), float) - paper) / (ink - paper)).mean(axis=2)
    for k, image in enumerate(images):
        wanted = np.zeros((longer, longer))
        top, left = (longer - rows) // 2, (longer - columns) // 2
        wanted[top : top + rows, left : left + columns] = image.reshape(shape)
        if tile < longer:
            wanted = (wanted[::2, ::2] + wanted[1::2, ::2] + wanted[::2, 1::2] + wanted[1::2, 1::2]) / 4
        else:
            wanted = wanted.repeat(tile // longer, axis=0).repeat(tile // longer, axis=1)
        row, column = (place * tile for place in divmod(k, 3))
        part = found[row : row + tile, column : column + tile]
        np.testing.assert_allclose(part, wanted, atol=0.5 / (SHADES - 1) + 0.01)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_animation_goes_there_and_back_for_ever(n: int) -> None:
    picture = Image.open(io.BytesIO(animation(IMAGES[:n], scale=2, seconds=1.4)))
    assert (picture.format, picture.size, picture.info["loop"]) == ("GIF", (56, 56), 0)
    frames, durations = [], []
    for frame in ImageSequence.Iterator(picture):
        frames.append(np.asarray(frame.convert("RGB"), int)[::2, ::2])
        durations.append(frame.info["duration"])
    order = [*range(n), *range(n - 2, 0, -1)]
    assert len(frames) == len(order)
    for frame, k in zip(frames, order, strict=True):
        assert np.abs(frame - inked(IMAGES[k])[0]).max() <= 16
    assert all(abs(d - 1400 / n) <= 10 for d in durations)


def test_animation_keeps_the_colours_of_ink_and_paper() -> None:
    picture = Image.open(io.BytesIO(animation([BLANK, FULL])))
    frames = [np.asarray(f.convert("RGB"), int) for f in ImageSequence.Iterator(picture)]
    assert np.abs(frames[0] - rgb(PAPER["light"])).max() <= 2
    assert np.abs(frames[1] - rgb(INK["light"])).max() <= 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_html_digit_holds_its_own_picture(theme: str) -> None:
    html = html_digit(IMAGES[0], "a digit", theme, side=99)
    found = re.fullmatch(
        r'<img src="data:image/png;base64,([^"]+)" alt="a digit" width="99" height="99" style="[^"]*">', html
    )
    assert found
    pixels = np.asarray(opened(base64.b64decode(found[1])).convert("RGB"))
    np.testing.assert_array_equal(pixels, inked(IMAGES[0], theme)[0])
