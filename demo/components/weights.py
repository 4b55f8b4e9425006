"""Hands files to the browser once, for every element of the page: a model's decoder, tables of numbers. Draws nothing.

Knows nothing of what is in the files beyond the name in their header.
"""

from __future__ import annotations

import json
import struct

import streamlit as st

from demo.components import bundle
from demo.components.crate import crated

_networks = st.components.v2.component("weights", js=bundle("weights"), isolate_styles=True)
_tables = st.components.v2.component("tables", js=bundle("tables"), isolate_styles=True)


def weights(model_id: str, blob: bytes) -> None:
    """Gives the decoder of `model_id` (the bytes of its decoder.bin) to the page, before or after who needs it.

    Raises ValueError where the bytes are cut short or are those of another model.
    """
    length = struct.unpack("<I", blob[:4])[0] if len(blob) >= 4 else 0
    if not 0 < length <= len(blob) - 4:
        raise ValueError(f"the weights of {model_id} are cut short: {len(blob)} bytes")
    name = json.loads(blob[4 : 4 + length])["model"]
    if name != model_id:
        raise ValueError(f"these are the weights of {name}, not of {model_id}")
    _networks(key=f"weights-{model_id}", data=crated(blob))


def shelve(key: str, blob: bytes) -> None:
    """Gives a file of tables to the page."""
    _tables(key=key, data=crated(blob))
