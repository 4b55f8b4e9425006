"""What the visitor set, kept in the address bar and across pages. Knows nothing of what the values mean to a page.

A `Field` is one choice: its key (in the address, in st.session_state and as a widget's key), its default and how its
text is read. Only choices that differ from their default stand in the address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import digits

_KEPT = "kept choices"  # in st.session_state: key → value, also of pages that are not shown now
_PUBLISHED = "published address"  # in st.session_state: the query this session last wrote itself


@dataclass(frozen=True)
class Field:
    """One choice of the visitor. `read` returns the value of a text or raises ValueError; `write` is its inverse."""

    key: str
    default: Any
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def one_of(options: Sequence[str]) -> Callable[[str], str]:
    """Reads one of the options."""

    def read(text: str) -> str:
        if text not in options:
            raise ValueError(f"one of {', '.join(options)}")
        return text

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number in a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return read


def real(least: float, most: float) -> Callable[[str], float]:
    """Reads a finite number in a range."""

    def read(text: str) -> float:
        try:
            value = float(text) if text.isascii() and "_" not in text else float("nan")
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise ValueError(f"a number from {least} to {most}")
        return value

    return read


# Of what a page draws, one for all pages. The first is one for whose x q stands close beside the posterior of the 2-D
# model, so that a visitor's first gap is in sight: of five digits q misses the posterior of one by far.
SEED = Field("seed", 12, whole(0, 999_999))


def bits(sizes: Collection[int]) -> Callable[[str], str]:
    """Reads a drawing of any of these numbers of pixels, as digits.pack writes it; empty for none."""
    lengths = sorted({digits.letters(pixels) for pixels in sizes})

    def read(text: str) -> str:
        if text and all(digits.unpack(text, pixels) is None for pixels in sizes):
            raise ValueError(f"a drawing as this site packs it, {' or '.join(map(str, lengths))} characters")
        return text

    return read


def drawing(key: str, pixels: int) -> NDArray[np.uint8] | None:
    """The drawing that the restored field of that key holds; None where there is none, and one of another size goes."""
    x = digits.unpack(st.session_state[key], pixels)
    if x is None:
        st.session_state[key] = ""
    return x


def restore(fields: Sequence[Field]) -> list[str]:
    """Puts every field into st.session_state: from the address where it was changed from outside, else as it was left.

    Call it before the page's widgets. Returns one sentence for each value of the address that could not be read; its
    field then keeps what it had.
    """
    state = st.session_state
    kept = state.setdefault(_KEPT, {})
    query = st.query_params.to_dict()
    followed = query != state.get(_PUBLISHED)
    complaints = []
    for field in fields:
        if followed and field.key in query:
            try:
                kept[field.key] = state[field.key] = field.read(query[field.key])
            except ValueError as error:
                complaints.append(
                    f"The link asks for {field.key} = “{_short(query[field.key])}”; it must be {error}. "
                    "Shown without it."
                )
        # Written even where it stands already: a widget of this key on the page before takes it along as it goes.
        state[field.key] = state[field.key] if field.key in state else kept.get(field.key, field.default)
    return complaints


def publish(fields: Sequence[Field]) -> None:
    """Writes the fields into the address and keeps them for other pages. Call it after the page's widgets."""
    state = st.session_state
    kept = state.setdefault(_KEPT, {})
    for field in fields:
        kept[field.key] = state[field.key]
    query = {f.key: f.write(state[f.key]) for f in fields if state[f.key] != f.default}
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
    state[_PUBLISHED] = query


def changed(fields: Sequence[Field]) -> bool:
    """Whether any field is not at its default."""
    return any(st.session_state[field.key] != field.default for field in fields)


def reset(fields: Sequence[Field]) -> None:
    """Puts every field back to its default, as the callback of a button: before the next run's widgets."""
    kept = st.session_state.setdefault(_KEPT, {})
    for field in fields:
        kept[field.key] = st.session_state[field.key] = field.default


def _short(text: str) -> str:
    """At most 40 printable characters of what a stranger put into a link, without anything Markdown would act on.

    A dot beside a letter goes too: Markdown makes a link of www.example.org.
    """
    plain = "".join(c if c.isalnum() or c in " .,+-_" else "·" for c in text)
    plain = re.sub(r"(?<=[^\W\d_])\.|\.(?=[^\W\d_])", "·", plain)
    return plain if len(plain) <= 40 else plain[:39] + "…"
