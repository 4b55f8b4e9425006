"""Pictures of any height and width: links, frames, classes, elements and downloads keep rows and columns apart."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from streamlit.testing.v1 import AppTest

from demo import address, digits, ends, pictures
from demo.components import codewalk, gallery, pad, player, raster
from demo.components.explorer import Shown, shown
from demo.framing import MNIST, Frame, frame_of
from demo.walks import Place

WIDE = (3, 10)  # 30 pixels: no whole number of bytes
FRAME = Frame(WIDE, (3, 8), (1.0, 4.5), kept=True)
RNG = np.random.default_rng(5)


# --- Links.


@given(st.integers(1, 300), st.data())
def test_a_drawing_of_any_size_goes_into_a_link_and_back_and_is_no_drawing_of_another(pixels: int, data: Any) -> None:
    x = np.array(data.draw(st.lists(st.integers(0, 1), min_size=pixels, max_size=pixels)), np.uint8)
    text = digits.pack(x)
    assert len(text) == digits.letters(pixels)
    back = digits.unpack(text, pixels)
    assert back is not None
    np.testing.assert_array_equal(back, x)
    assert digits.unpack(text, pixels + 8) is None
    assert shown([0, 0, text], pixels) == Shown(0.0, 0.0, text)
    with pytest.raises(ValueError, match="pinned x is"):
        shown([0, 0, text], pixels + 8)


def test_bits_past_the_last_pixel_are_no_drawing() -> None:
    text = digits.pack(np.ones(32))  # as many letters as 30 pixels have
    assert len(text) == digits.letters(30)
    assert digits.unpack(text, 30) is None
    with pytest.raises(ValueError, match="pinned x is 6 characters"):
        shown([0, 0, text], 30)


def test_a_field_reads_drawings_of_the_sites_models_alone() -> None:
    read = address.bits([784, 30])
    for pixels in (784, 30):
        text = digits.pack(np.ones(pixels))
        assert read(text) == text
    assert read("") == ""
    for wrong in (digits.pack(np.ones(64)), "A" * 7, "é" * 6):
        with pytest.raises(ValueError, match="6 or 131 characters"):
            read(wrong)


# --- Where ink lies.


def test_a_frame_holds_nine_of_ten_pictures_and_has_their_centre() -> None:
    images = np.zeros((10, 6, 9), np.uint8)
    images[:9, 1:5, 2:5] = 1  # 4 rows, 3 columns, about (2.5, 3)
    images[9, :, :] = 1
    assert frame_of(images.reshape(10, 54), (6, 9)) == Frame((6, 9), (4, 3), (2.5, 3.0), kept=True)


def test_blank_pictures_say_nothing_of_where_ink_lies() -> None:
    images = np.zeros((4, 12), np.uint8)
    assert frame_of(images, (3, 4)) == Frame((3, 4), (3, 4), (1.0, 1.5), kept=True)
    images[0, 5] = 1
    assert frame_of(images, (3, 4)) == Frame((3, 4), (1, 1), (1.0, 1.0), kept=True)


def test_mnists_frame_is_that_of_its_digits(mnist_test: tuple[NDArray, NDArray]) -> None:
    """Those that made it: the longer side is 20 pixels, the centre of mass on (14, 14)."""
    found = frame_of(mnist_test[0][:2000] > 25, (28, 28))
    assert found.fit[0] == MNIST.fit[0]
    assert np.abs(np.subtract(found.centre, MNIST.centre)).max() < 0.5


# --- Classes.


def model(labels: list[int], kinds: str) -> Any:
    label = np.array(labels, np.uint8)
    loc = np.arange(2.0 * len(label)).reshape(-1, 2).astype(np.float32)
    return SimpleNamespace(codes=SimpleNamespace(label=label, loc=loc), kinds=kinds, latent_dim=2)


def test_walks_begin_at_the_classes_that_there_are() -> None:
    found = ends.kinds(model([12, 7, 0, 7], "classes"))
    assert found.all == ("0", "7", "12", "prior", "drawing")
    assert found.name("12") == "a test image of class 12"
    assert found.fit("7", "prior") == ("7", "prior")
    assert found.fit("3", "8") == ("0", "12")
    assert ends.kinds(model([3, 8], "digits")).name("3") == "a test digit 3"
    none = ends.kinds(model([0, 0], "none"))
    assert (none.classes, none.name("0"), none.fit("3", "8")) == (("0",), "a test image", ("0", "0"))


def test_what_a_tray_offers_is_of_each_class_in_turn() -> None:
    vae = model([12, 7, 0, 7], "classes")
    codes, draws = ends.offered(vae, 3)
    assert (codes.shape, draws.shape) == ((3, 3, 2), (12, 2))
    for row, label in zip(codes, (0, 7, 12), strict=True):
        own = {tuple(z) for z in vae.codes.loc[vae.codes.label == label]}
        assert {tuple(z) for z in row} <= own


# --- What a browser is given, and what of it is believed.


def sent(at: AppTest) -> dict[str, Any]:
    (data,) = json.loads(at.get("bidi_component")[0].proto.json)
    return data


def picking() -> None:
    import numpy as np
    import streamlit as st

    from demo.components.gallery import gallery

    st.text(gallery(np.arange(60, dtype=np.uint8).reshape(2, 30), shape=st.session_state.shape, picked=0, key="g"))


def test_a_gallery_says_its_shape_and_another_shape_is_another_choice() -> None:
    at = AppTest.from_function(picking)
    at.session_state["shape"] = WIDE
    at.run()
    assert not at.exception
    assert sent(at)["shape"] == [3, 10]
    assert base64.b64decode(sent(at)["images"]) == bytes(range(60))
    at.session_state["g"] = {"held": {"number": 0, "value": 1}}
    assert at.run().text[0].value == "1"
    at.session_state["shape"] = (10, 3)
    assert at.run().text[0].value == "0"


def drawing() -> None:
    import streamlit as st

    from demo.components.pad import pad

    x = pad(frame=st.session_state.frame, bits=st.session_state.get("given"), key="d")
    st.text("none" if x is None else f"{x.dtype} {x.shape} " + "".join(map(str, x)))


def test_a_pad_believes_as_many_bits_as_its_picture_has_and_none_of_another_picture() -> None:
    x = (np.arange(30) % 7 == 0).astype(np.uint8)
    packed = base64.b64encode(np.packbits(x).tobytes()).decode()
    at = AppTest.from_function(drawing)
    at.session_state["frame"] = FRAME
    assert at.run().text[0].value == "none"
    assert sent(at)["frame"] == {"shape": [3, 10], "fit": [3, 8], "centre": [1.0, 4.5], "kept": True}
    at.session_state["d"] = {"held": {"number": 0, "value": packed}}
    expected = "uint8 (30,) " + "".join(map(str, x))
    assert at.run().text[0].value == expected
    beyond = base64.b64encode(np.packbits(np.ones(32, np.uint8)).tobytes()).decode()
    for bad in (beyond, base64.b64encode(bytes(98)).decode(), packed[:-1], packed + "=", "A" * 8):
        at.session_state["d"] = {"held": {"number": 0, "value": bad}}
        assert at.run().text[0].value == expected
    at.session_state["frame"] = MNIST
    at.session_state["d"] = {"held": {"number": 0, "value": packed}}
    assert at.run().text[0].value == "none", "what was drawn for the picture before is not carried over"
    assert not at.exception


def walk(x: NDArray, shape: tuple[int, int]) -> object:
    end = codewalk.End(np.zeros(4), "a")
    return codewalk.codewalk(
        "m", "coordinates", "straight", end, end, x, shape=shape, x_name="x", directions=None, kl=np.ones(4),
        inactive=np.zeros(4, bool), place=Place(), key="w",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gallery.gallery(np.zeros((3, 784), np.uint8), shape=WIDE, picked=0, key="k"), r"\[n, 30\]"),
        (lambda: gallery.gallery(np.zeros((3, 0), np.uint8), shape=(0, 3), picked=0, key="k"), "1 to 256 rows"),
        (lambda: gallery.gallery(np.zeros((1, 600), np.uint8), shape=(2, 300), picked=0, key="k"), "not 2 and 300"),
        (lambda: pad.pad(bits=np.zeros(784), frame=FRAME, key="k"), "x must be 30 pixels"),
        (lambda: pad.pad(bits=np.full(30, 2), frame=FRAME, key="k"), "0 or 1"),
        (lambda: walk(np.zeros(784), WIDE), "x must be 30 pixels"),
        (lambda: walk(np.full(30, 0.5), WIDE), "0 or 1"),
        (lambda: raster.sized((2.0, 3)), "rows and columns"),  # type: ignore[arg-type]
        (lambda: player.chosen({"a": ["3", 0]}, ("0", "12")), "an end is one of 0, 12"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_classes_of_two_letters_are_ends() -> None:
    assert player.chosen({"a": ["12", 4]}, ("0", "12")) == {"a": ("12", 4)}


# --- Downloads and pictures on a page.


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("shape", [(3, 10), (10, 3), (8, 8)])
def test_pictures_keep_rows_and_columns_apart(shape: tuple[int, int]) -> None:
    rows, columns = shape
    images = RNG.random((3, rows * columns))
    rgb = pictures.inked(images, shape=shape)
    assert rgb.shape == (3, rows, columns, 3)
    np.testing.assert_array_equal(
        rgb[1], pictures.inked(images, shape=(1, rows * columns))[1].reshape(rows, columns, 3)
    )
    scale = 112 // max(shape)
    strip = opened(pictures.strip(images, shape))
    assert strip.size == (3 * columns * scale, rows * scale)
    sheet = opened(pictures.sheet(images, shape))
    assert sheet.size == (2 * columns * scale, 2 * rows * scale)
    tile = np.asarray(sheet.convert("RGB"))[rows * scale :: scale, : columns * scale : scale]
    np.testing.assert_array_equal(tile, rgb[2])
    film = opened(pictures.animation(images, shape))
    assert film.size == (columns * (224 // max(shape)), rows * (224 // max(shape)))
    assert len(list(ImageSequence.Iterator(film))) == 4
    width, height = pictures.fitted(shape, 90)
    assert max(width, height) == 90
    assert abs(width / height - columns / rows) < 0.02 * columns / rows
    assert f'width="{width}" height="{height}"' in pictures.html_digit(images[0], "a", "light", 90, shape)
    assert pictures.html_digits([(images[0], "a", "b")], "light", 90, shape).count(f'height="{height}"') == 1


def test_without_a_shape_a_picture_is_a_square_and_else_refused() -> None:
    assert pictures.inked(np.zeros(64)).shape == (1, 8, 8, 3)
    with pytest.raises(ValueError, match="reshape"):
        pictures.inked(np.zeros(30))
