"""What the visitor draws for a model: the pad, and the drawing in the link. Knows nothing of what is made of it."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, layout
from demo.components.pad import pad
from demo.pretrained import PretrainedVAE

FIELD_KEY = "bits"


def field() -> address.Field:
    """The drawing as a link carries it, of the size of any of the site's models."""
    return address.Field(FIELD_KEY, "", address.bits(layout.sizes()))


def given(vae: PretrainedVAE) -> NDArray[np.uint8] | None:
    """The drawing that the link or another page brought, if it is of the model's size; another one is forgotten."""
    return address.drawing(FIELD_KEY, vae.pixels)


def asked(vae: PretrainedVAE) -> NDArray[np.uint8] | None:
    """Shows the pad; what is on it, [pixels] of 0 and 1, or None while it is blank."""
    x = pad(bits=given(vae), frame=cache.frame(vae.model_id), key="pad")
    st.session_state[FIELD_KEY] = "" if x is None else digits.pack(x)
    return x
