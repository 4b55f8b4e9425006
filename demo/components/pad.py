"""A pad to draw a digit on. Knows nothing of models; what the browser sends is checked before it becomes an x."""

from __future__ import annotations

from base64 import b64decode, b64encode
from functools import partial

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.raster import packed, sized
from demo.framing import MNIST, Frame

_element = st.components.v2.component("pad", js=bundle("pad"), css=style("pad"), isolate_styles=True)


def pad(*, key: str, bits: NDArray | None = None, frame: Frame = MNIST) -> NDArray[np.uint8] | None:
    """Returns what the visitor drew, binarised: [pixels] in {0, 1}, None for a blank pad; heard at the end of a stroke.

    `frame`: the shape of the picture, and how a drawing is laid into it. `bits` [pixels] in {0, 1} is what the pad
    shows first (from a link, say) and again whenever it is new; None is blank. Raises ValueError for bits of another
    shape or with other values.
    """
    rows, columns = sized(frame.shape)
    pixels = rows * columns
    given = None if bits is None else _inked(packed(bits, pixels))
    drawn = held(key, given, f"a drawing of {rows} × {columns}", partial(_checked, pixels=pixels))
    _element(
        key=key,
        data=sealed({"slot": key, "number": drawn.number, "base": drawn.base, "frame": frame._asdict()}),
        on_held_change=lambda: None,
    )
    return None if drawn.value is None else np.unpackbits(np.frombuffer(b64decode(drawn.value), np.uint8), count=pixels)


def _inked(text: str) -> str | None:
    """The bits, None where all are paper."""
    return text if any(b64decode(text)) else None


def _checked(value: object, pixels: int) -> str | None:
    """The browser's text if it is so many bits in base64, some of them set, or None for blank; else ValueError."""
    if value is None:
        return None
    size = (pixels + 7) // 8
    if not isinstance(value, str) or len(value) != 4 * -(-size // 3) or not value.isascii():
        raise ValueError(f"a drawing is {4 * -(-size // 3)} letters of base64")
    raw = b64decode(value, validate=True)
    if len(raw) != size or raw[-1] & (0xFF >> (pixels % 8 or 8)):
        raise ValueError(f"a drawing is {pixels} bits in {size} bytes, not {len(raw)} bytes")
    return _inked(b64encode(raw).decode("ascii"))
