"""A grid of digits of which the visitor picks one. Knows nothing of models or of where digits come from."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.raster import MNIST, Shape, sized

MOST = 100
_element = st.components.v2.component("gallery", js=bundle("gallery"), css=style("gallery"), isolate_styles=True)


def gallery(
    images: NDArray[np.uint8],
    *,
    shape: Shape = MNIST,
    picked: int,
    key: str,
    label: str = "digits",
    noun: str = "sample",
    captions: Sequence[str] | None = None,
) -> int:
    """Shows `images` [n, rows · columns] of the shape (rows, columns), 0 (paper) to 255 (ink), 1 ≤ n ≤ 100, and returns
    which one is picked, 0 to n − 1.

    `picked` counts where it or the images are new; otherwise the visitor's choice does. `label` names the grid and
    `noun` its members for those who listen ("sample 7"); `captions`, n short texts, stand under the digits.
    Raises ValueError for images of another shape or type, and for a `picked` or captions that do not fit them.
    """
    rows, columns = sized(shape)
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != rows * columns:
        raise ValueError(f"images must be uint8 [n, {rows * columns}], not {images.dtype} {list(images.shape)}")
    n = len(images)
    if not 1 <= n <= MOST:
        raise ValueError(f"a gallery shows 1 to {MOST} digits, not {n}")
    if not 0 <= picked < n:
        raise ValueError(f"picked must be 0 to {n - 1}, not {picked}")
    if captions is not None and len(captions) != n:
        raise ValueError(f"{n} digits need {n} captions, not {len(captions)}")

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < n:
            raise ValueError(f"no index of {n} digits: {value!r}")
        return value

    pixels = np.ascontiguousarray(images).tobytes()
    subject = f"{rows} {columns} {hashlib.blake2b(pixels, digest_size=8).hexdigest()}"
    choice = held(key, int(picked), subject, read)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": choice.number,
                "base": choice.base,
                "shape": [rows, columns],
                "images": b64encode(pixels).decode("ascii"),
                "label": label,
                "noun": noun,
                "captions": None if captions is None else [str(caption) for caption in captions],
            }
        ),
        on_held_change=lambda: None,
    )
    return choice.value
