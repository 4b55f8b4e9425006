"""A pad to draw a digit on. Knows nothing of models; what the browser sends is checked before it becomes an x."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo.components import bundle, sealed, style
from demo.components.held import held

PIXELS = 784
LETTERS = 132  # of 98 bytes in base64
_element = st.components.v2.component("pad", js=bundle("pad"), css=style("pad"), isolate_styles=True)


def pad(*, key: str, bits: NDArray | None = None) -> NDArray[np.uint8] | None:
    """Returns what the visitor drew, binarised: [784] in {0, 1}, or None for a blank pad; heard at the end of a stroke.

    `bits` [784] in {0, 1} is what the pad shows first (from a link, say) and again whenever it is new; None is blank.
    Raises ValueError for bits of another shape or with other values.
    """
    drawn = held(key, None if bits is None else _packed(bits), "a drawing", _checked)
    _element(
        key=key, data=sealed({"slot": key, "number": drawn.number, "base": drawn.base}), on_held_change=lambda: None
    )
    return None if drawn.value is None else np.unpackbits(np.frombuffer(b64decode(drawn.value), np.uint8))


def _packed(bits: NDArray) -> str | None:
    """784 bits as base64 of 98 bytes, the first pixel in the highest bit; None for blank paper."""
    array = np.asarray(bits)
    if array.shape != (PIXELS,) or not np.isin(array, (0, 1)).all():
        raise ValueError(f"bits must be {PIXELS} values 0 or 1, not {list(array.shape)}")
    return b64encode(np.packbits(array.astype(bool)).tobytes()).decode("ascii") if array.any() else None


def _checked(value: object) -> str | None:
    """The browser's text if it is 784 bits in base64, some of them set, or None for blank; else ValueError."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != LETTERS or not value.isascii():
        raise ValueError("a drawing is 132 letters of base64")
    raw = b64decode(value, validate=True)
    if len(raw) != PIXELS // 8:
        raise ValueError(f"a drawing is {PIXELS // 8} bytes, not {len(raw)}")
    return b64encode(raw).decode("ascii") if any(raw) else None
