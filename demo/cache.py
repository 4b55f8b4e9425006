"""Every st.cache_* wrapper of the site: pure functions, computed once and shared. Knows nothing of pages."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import digits, evidence, mnist, pretrained
from demo.derivation import Given, Step, derive
from demo.evidence import Account, DecoderTable, Window, account
from demo.pretrained import PretrainedVAE


@st.cache_resource(show_spinner=False)
def model(model_id: str) -> PretrainedVAE:
    """The model, opened and verified once for all visitors. Raises pretrained.AssetError."""
    return pretrained.load(model_id)


@st.cache_resource(show_spinner="Decoding 201 × 201 points of the latent plane, once for everyone …")
def table(model_id: str) -> DecoderTable:
    """The decoded grid of a two-dimensional model: 127 MB, read-only, once for all visitors."""
    return DecoderTable.build(model(model_id).decode)


@st.cache_data(show_spinner="Integrating over the latent plane …", max_entries=512)
def exact_account(model_id: str, x: bytes) -> Account:
    """log p(x), ELBO and gap of one x, given as 784 bytes of 0 and 1."""
    pixels = np.frombuffer(x, np.uint8)
    vae = model(model_id)
    loc, log_scale = vae.encode(pixels[None])
    return account(table(model_id), vae.decode, pixels, loc[0], log_scale[0])


@st.cache_resource(show_spinner=False)
def test_set() -> NDArray[np.uint8] | None:
    """The binarised test digits [10000, 784], read-only, where MNIST lies on this machine; else None."""
    try:
        x = digits.binarised_test_set()
    except mnist.DataError:
        return None
    x.setflags(write=False)
    return x


@st.cache_data(show_spinner=False, max_entries=128)
def posterior_window(model_id: str, x: bytes) -> Window:
    """The patch of the plane that the posterior map shows, for one x given as 784 bytes of 0 and 1."""
    pixels = np.frombuffer(x, np.uint8)
    vae = model(model_id)
    loc, log_scale = vae.encode(pixels[None])
    return evidence.posterior_window(vae.decode, pixels, exact_account(model_id, x), loc[0], log_scale[0])


@st.cache_resource(show_spinner=False, max_entries=64)
def derivation_at(model_id: str, x: bytes) -> tuple[Given, tuple[Step, ...]]:
    """All lines of the derivation at q's mean, and what they used, for one x given as 784 bytes of 0 and 1."""
    vae = model(model_id)
    pixels = np.frombuffer(x, np.uint8)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(pixels[None]))
    given = Given(table(model_id), vae.decode, pixels, loc, log_scale, z=loc)
    return given, derive(given)
