"""Every st.cache_* wrapper of the site: pure functions, computed once and shared. Knows nothing of pages."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import (
    contest,
    digits,
    ends,
    estimators,
    evidence,
    framing,
    memory,
    mnist,
    pictures,
    pretrained,
    training,
    walks,
)
from demo.contest import Fit
from demo.densities import kl_to_prior_per_dimension, sigmoid
from demo.derivation import Given, Step, derive
from demo.ends import Kinds
from demo.estimators import KlPerDimension, Race
from demo.evidence import Account, DecoderTable, Elbo, ImportanceBound, Window, account
from demo.framing import Frame
from demo.pretrained import PretrainedVAE
from demo.walks import Directions


@st.cache_resource(show_spinner=False)
def model(model_id: str) -> PretrainedVAE:
    """The model, opened and verified once for all visitors. Raises pretrained.AssetError."""
    memory.share_one_heap()  # before the first large array
    return pretrained.load(model_id)


@st.cache_resource(show_spinner=False)
def training_story() -> training.Training:
    """The sweep over dimensions and the plane that unfolds, read once. Raises pretrained.AssetError."""
    return training.load()


@st.cache_data(show_spinner=False, max_entries=16)
def plane(model_id: str, reach: float, n: int, theme: str | None) -> bytes:
    """The latent plane [−reach, reach]² as a PNG of n × n decoded pictures, z₁ rightwards and z₂ upwards."""
    vae = model(model_id)
    middles = reach * (2 * (np.arange(n) + 0.5) / n - 1)
    z1, z2 = np.meshgrid(middles, -middles)
    return pictures.mosaic(sigmoid(vae.decode(np.stack([z1.ravel(), z2.ravel()], axis=1))), theme, vae.shape)


@st.cache_resource(show_spinner="Decoding 201 × 201 points of the latent plane, once for everyone …")
def table(model_id: str) -> DecoderTable:
    """The decoded grid of a two-dimensional model: 127 MB, read-only, once for all visitors."""
    return DecoderTable.build(model(model_id).decode)


def _encoded(model_id: str, x: bytes) -> tuple[PretrainedVAE, NDArray[np.uint8], NDArray, NDArray]:
    """The model, the pixels, and loc, log_scale [d] of q(z|x) in float64."""
    vae = model(model_id)
    pixels = np.frombuffer(x, np.uint8)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(pixels[None]))
    return vae, pixels, loc, log_scale


@st.cache_data(show_spinner="Integrating over the latent plane …", max_entries=512)
def exact_account(model_id: str, x: bytes) -> Account:
    """log p(x), ELBO and gap of one x, given as bytes of 0 and 1, one a pixel."""
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    decoded = table(model_id)
    with memory.in_turn():
        return account(decoded, vae.decode, pixels, loc, log_scale)


def test_images(model_id: str) -> NDArray[np.uint8] | None:
    """The binarised test images that the model's codes are of, [N, pixels], where they are at hand: MNIST at most."""
    return test_set() if model(model_id).dataset == pretrained.MNIST else None


@st.cache_resource(show_spinner=False)
def frame(model_id: str) -> Frame:
    """How a drawing is laid as the model's data are: MNIST's way for its size, else as decodings of its codes lie."""
    vae = model(model_id)
    if vae.shape == framing.MNIST.shape:
        return framing.MNIST
    return framing.frame_of(vae.decode(vae.codes.loc[:FRAMED]) > FAINT, vae.shape)


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
def posterior_window(model_id: str, x: bytes, n: int = 61) -> Window:
    """The patch of the plane that the posterior map shows, n × n nodes, for one x given as bytes of 0 and 1."""
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    exact = exact_account(model_id, x)
    with memory.in_turn():
        return evidence.posterior_window(vae.decode, pixels, exact, loc, log_scale, n=n)


@st.cache_resource(show_spinner=False, max_entries=64)
def derivation_at(model_id: str, x: bytes) -> tuple[Given, tuple[Step, ...]]:
    """All lines of the derivation at q's mean, and what they used, for one x given as bytes of 0 and 1, one a pixel."""
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    given = Given(table(model_id), vae.decode, pixels, loc, log_scale, z=loc)
    with memory.in_turn():
        return given, derive(given)


class Bounds(NamedTuple):
    """What sampling says of log p(x): the ELBO with its standard error, and the importance-weighted bound, in nats."""

    elbo: Elbo
    standard_error: float
    importance: ImportanceBound


BOUND_DRAWS, BOUND_SEED = 5000, 0
RACE_SEED = 1
KL_DRAWS, KL_SEED = 2000, 2
FRAMED = 400  # decodings that say where a model's ink lies
FAINT = -1.0986  # the logit of ¼: from there on a pixel of a decoding, which is a mean of pictures, counts as ink


@st.cache_data(show_spinner="Drawing 5,000 latents of q …", max_entries=256)
def bounds(model_id: str, x: bytes) -> Bounds:
    """ELBO and importance-weighted bound from 5,000 draws of q, for a model of any latent dimension."""
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    with memory.in_turn():
        draws = evidence.draw(vae.decode, pixels, loc, log_scale, BOUND_DRAWS, np.random.default_rng(BOUND_SEED))
    return Bounds(*evidence.elbo_monte_carlo(draws, loc, log_scale), evidence.importance_bound(draws))


@st.cache_data(show_spinner="Racing the estimators, 8,192 draws each …", max_entries=128)
def races(model_id: str, x: bytes) -> tuple[Race, ...]:
    """The race of q's draws and that of the prior's, from one seed; in two dimensions also of a mixture that has a
    normal at each mode of the posterior.
    """
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    exact = exact_account(model_id, x) if vae.latent_dim == 2 else None
    lanes = []
    with memory.in_turn():
        for proposal in ((loc, log_scale), (np.zeros_like(loc), np.zeros_like(loc))):
            rng = np.random.default_rng(RACE_SEED)
            lanes.append(estimators.race(evidence.draw(vae.decode, pixels, *proposal, estimators.POOL, rng)))
        if exact is not None:
            modes = estimators.widened([(loc, log_scale), *contest.mode_starts(exact.evidence, n=8)])
            rng = np.random.default_rng(RACE_SEED)
            lanes.append(estimators.race(estimators.draw_mixture(vae.decode, pixels, modes, estimators.POOL, rng)))
    return tuple(lanes)


@st.cache_data(show_spinner=False, max_entries=256)
def coarse_grids(model_id: str, x: bytes) -> tuple[NDArray, NDArray]:
    """Nodes an axis n and log p(x) by each uniform grid that is part of the table."""
    return evidence.coarse_grids(table(model_id), np.frombuffer(x, np.uint8))


@st.cache_data(show_spinner=False, max_entries=256)
def kl_draws(model_id: str, x: bytes) -> KlPerDimension:
    """KL to the prior of each dimension, in closed form and from 2,000 draws."""
    _, _, loc, log_scale = _encoded(model_id, x)
    return estimators.kl_per_dimension(loc, log_scale, KL_DRAWS, np.random.default_rng(KL_SEED))


@st.cache_data(show_spinner="Looking for the best q …", max_entries=128)
def best_q(model_id: str, x: bytes) -> Fit:
    """The best q of the family in two dimensions, from the encoder's and from the posterior's heaviest modes."""
    vae, pixels, loc, log_scale = _encoded(model_id, x)
    starts = [(loc, log_scale), *contest.mode_starts(exact_account(model_id, x).evidence)]
    with memory.in_turn():
        return contest.best_q(vae.decode, pixels, starts)


@st.cache_data(show_spinner=False, max_entries=2048)
def bound_of(model_id: str, x: bytes, q: tuple[float, float, float, float]) -> Elbo:
    """The bound of any q of the plane: loc and standard deviation of each axis."""
    scale = np.log(np.array(q[2:]))
    decode = model(model_id).decode
    with memory.in_turn():
        return evidence.elbo(decode, np.frombuffer(x, np.uint8), np.array(q[:2]), scale)


@st.cache_resource(show_spinner=False)
def mean_kl(model_id: str) -> NDArray[np.float64]:
    """KL to the prior of each dimension, the mean over the test digits' codes. [d], read-only."""
    codes = model(model_id).codes
    kl = kl_to_prior_per_dimension(codes.loc, codes.log_scale).mean(axis=0)
    kl.setflags(write=False)
    return kl


@st.cache_data(show_spinner=False, max_entries=512)
def directions(model_id: str, z: bytes) -> Directions:
    """The directions at z, given as the bytes of d float64, in which the decoder changes most."""
    return walks.principal_directions(model(model_id).decode, np.frombuffer(z, np.float64))


@st.cache_resource(show_spinner=False)
def decoding_rate(model_id: str) -> float:
    """Decodings a second of this server, timed once on 4,096 draws of the prior."""
    vae = model(model_id)
    z = digits.sample_prior(4096, vae.latent_dim, 0)
    vae.decode(z[:256])
    start = time.perf_counter()
    vae.decode(z)
    return len(z) / (time.perf_counter() - start)


@st.cache_resource(show_spinner=False)
def kinds(model_id: str) -> Kinds:
    """What a walk through this model's latents may start from."""
    return ends.kinds(model(model_id))


def classes() -> tuple[str, ...]:
    """The classes that any model of the site has; what cannot be opened has none."""
    found: set[str] = set()
    for model_id in pretrained.available():
        with suppress(pretrained.AssetError):
            found |= set(kinds(model_id).classes)
    return tuple(sorted(found, key=int))


def first_ends(model_id: str) -> tuple[str, str]:
    """Where a walk begins and ends until the visitor says otherwise."""
    wanted = ("3", "8")
    with suppress(pretrained.AssetError):
        return kinds(model_id).fit(*wanted)
    return wanted


OFFERED = 10  # test images of each class, for the ends of a walk


@st.cache_resource(show_spinner=False)
def offered(model_id: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latents that a walk may start from: test images of each class and draws of the prior."""
    return ends.offered(model(model_id), OFFERED)
