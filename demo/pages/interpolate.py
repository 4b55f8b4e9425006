"""Interpolate: two ends, a route between them, a film along it that answers without the server."""

import numpy as np
import streamlit as st

from demo import address, digits, layout, ledger, paths, pictures
from demo.components.player import player
from demo.densities import Array, log_standard_normal, sigmoid
from demo.pretrained import PretrainedVAE
from demo.receipts import interpolate as interpolate_receipts
from demo.receipts.interpolate import End

models = layout.models()
KINDS = (*"0123456789", "prior")
FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.Field("a", "3", address.one_of(KINDS)),
    address.Field("a_n", 0, address.whole(0, 9999)),
    address.Field("b", "8", address.one_of(KINDS)),
    address.Field("b_n", 0, address.whole(0, 9999)),
    address.Field("route", "straight", address.one_of(tuple(paths.ROUTES))),
    address.Field("steps", 61, address.whole(5, 121)),
    address.Field("t", 0.0, address.real(0, 1), "{:.3f}".format),
    ledger.FIELD,
)
state = st.session_state


def another(end: str) -> None:
    state[f"{end}_n"] = (state[f"{end}_n"] + 1) % 10_000


def swap() -> None:
    state.a, state.b, state.a_n, state.b_n = state.b, state.a, state.b_n, state.a_n
    state.t = 1 - state.t


def kind_name(kind: str) -> str:
    return "a draw of the prior" if kind == "prior" else f"a test digit {kind}"


def end_latent(vae: PretrainedVAE, kind: str, number: int) -> Array:
    """The latent of one end, [d]: the mean of q for the number-th test digit of its class, or a draw of the prior."""
    if kind == "prior":
        return digits.sample_prior(1, vae.latent_dim, number)[0]
    of_class = np.flatnonzero(vae.codes.label == int(kind))
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return np.asarray(vae.codes.loc[order[number % len(order)]], np.float64)


with layout.frame(
    "Walk between two digits",
    "Every test digit has a code: the mean of $q(z|x)$. Walk from one to another and decode each point on the way.",
):
    layout.complain(address.restore(FIELDS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
        for end, label in (("a", "From"), ("b", "To")):
            st.selectbox(label, KINDS, key=end, format_func=kind_name, width=190)
            st.button(
                "Another", key=f"another_{end}", on_click=another, args=(end,), help=f"Another start for “{label}”"
            )
        with st.popover("More"):
            st.segmented_control("Route", tuple(paths.ROUTES), key="route", required=True)
            st.slider("Frames", 5, 121, key="steps")
            st.button("Swap the ends", on_click=swap)
    vae = layout.open_model(state.model)
    a, b = (end_latent(vae, state[end], state[f"{end}_n"]) for end in ("a", "b"))
    t = np.linspace(0, 1, state.steps)
    route = paths.ROUTES[state.route](a, b, t)
    frames = sigmoid(vae.decode(route))
    planar = vae.latent_dim == 2
    background = None
    if planar:
        some = slice(None, None, 8)
        background = np.column_stack([vae.codes.loc[some], vae.codes.label[some]])
    state.t = player(
        (frames * 255).round().astype(np.uint8),
        t=state.t,
        log_p_z=log_standard_normal(route),
        labels=(kind_name(state.a), kind_name(state.b)),
        path=route if planar else None,
        background=background,
        key="rail",
    )
    layout.caption(
        "Scrub, play, or click a frame. Each frame is one decoding, none is blended from its neighbours. "
        + (
            "On the map, dots are the codes of test digits and circles the prior’s 1σ, 2σ and 3σ."
            if planar
            else "A straight line between far codes cuts through the middle, where the prior has hardly any mass; "
            "the great circle keeps its distance from the origin. Compare log p(z) along both."
        )
    )
    name = f"{state.model}-{state.a}-{state.b}"
    with st.container(horizontal=True):
        st.download_button(
            "Film as GIF", lambda: pictures.animation(frames), f"{name}.gif", "image/gif", on_click="ignore"
        )
        st.download_button(
            "Strip as PNG",
            lambda: pictures.strip(frames[np.linspace(0, len(frames) - 1, 11).astype(int)]),
            f"{name}.png",
            "image/png",
            on_click="ignore",
        )
    ends = (End(state.a, state.a_n, a), End(state.b, state.b_n, b))
    frame = round(state.t * (state.steps - 1))
    ledger.show(lambda: interpolate_receipts.receipts(state.model, *ends, state.route, route, frame), "interpolate")
    address.publish(FIELDS)
