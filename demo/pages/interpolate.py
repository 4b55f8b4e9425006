"""Interpolate: two ends, a route between them, a film along it that answers without the server."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from demo import address, cache, digits, layout, ledger, links, paths, pictures
from demo import ends as ends_of_walks
from demo.components import tables
from demo.components.pad import pad
from demo.components.player import Choice, player
from demo.components.weights import weights
from demo.densities import Array, sigmoid
from demo.ends import CLASSES, KINDS, kind_name
from demo.receipts import interpolate as interpolate_receipts
from demo.receipts.interpolate import End

models = layout.models()
MOST_ON_THE_WAY = 4


def on_the_way(text: str) -> list[str]:
    """Reads classes of digits, "27", each once."""
    if len(text) > MOST_ON_THE_WAY or not set(text) <= set(CLASSES) or len(set(text)) < len(text):
        raise ValueError(f"at most {MOST_ON_THE_WAY} different digits, as in 27")
    return list(text)


FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.Field("a", "3", address.one_of(KINDS)),
    address.Field("a_n", 0, address.whole(0, 9999)),
    address.Field("b", "8", address.one_of(KINDS)),
    address.Field("b_n", 0, address.whole(0, 9999)),
    address.Field("via", [], on_the_way, "".join),
    address.Field("closed", "no", address.one_of(("no", "yes"))),
    address.Field("bits", "", address.bits),
    address.Field("route", "straight", address.one_of(tuple(paths.ROUTES))),
    address.Field("steps", 61, address.whole(5, 121)),
    address.Field("t", 0.0, address.real(0, 1), "{:.3f}".format),
    ledger.FIELD,
)
state = st.session_state


def another(end: str) -> None:
    state[f"{end}_n"] = (state[f"{end}_n"] + 1) % 10_000


def draw_an_end() -> None:
    state.b = "drawing"


def swap() -> None:
    state.a, state.b, state.a_n, state.b_n = state.b, state.a, state.b_n, state.a_n
    state.via = state.via[::-1]
    state.t = 1 - state.t


def set_ends(chosen: Mapping[str, Choice]) -> None:
    for end, (kind, number) in chosen.items():
        state[end], state[f"{end}_n"] = kind, number


with layout.frame(
    "Walk between two digits",
    "Every digit has a code: the mean of $q(z|x)$. Walk from one to another and decode each point on the way.",
):
    layout.complain(address.restore(FIELDS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
        st.button("Draw an end", on_click=draw_an_end, disabled="drawing" in (state.a, state.b))
        st.button("Swap the ends", on_click=swap)
        with st.popover("More"):
            for end, label in (("a", "From"), ("b", "To")):
                with st.container(horizontal=True, vertical_alignment="bottom"):
                    st.selectbox(label, KINDS, key=end, format_func=kind_name, width=190)
                    st.button(
                        "Another", key=f"another_{end}", on_click=another, args=(end,),
                        disabled=state[end] == "drawing", help=f"Another digit for “{label}”",
                    )  # fmt: skip
            st.multiselect(
                "On the way", CLASSES, key="via", max_selections=MOST_ON_THE_WAY, placeholder="digits to pass by",
            )  # fmt: skip
            st.segmented_control(
                "At the end", ("no", "yes"), key="closed", required=True,
                format_func={"no": "stay", "yes": "back to the start"}.__getitem__,
            )  # fmt: skip
            st.segmented_control("Route", tuple(paths.ROUTES), key="route", required=True)
            st.slider("Frames of the film", 5, 121, key="steps")
    vae = layout.open_model(state.model)
    if "drawing" in (state.a, state.b):
        drawn = pad(bits=digits.unpack(state.bits) if state.bits else None, key="pad")
        state.bits = "" if drawn is None else digits.pack(drawn)
    waiting = "drawing" in (state.a, state.b) and not state.bits
    named = [(state.a, state.a_n), *((kind, 0) for kind in state.via), (state.b, state.b_n)]
    named += named[:1] * (state.closed == "yes")
    if waiting:
        st.markdown("Draw a digit, and the walk begins.")
        links.show(FIELDS)
        st.stop()
    stops = [
        End(kind, n, ends_of_walks.latent(vae, kind, n, state.bits), state.bits * (kind == "drawing"))
        for kind, n in named
    ]
    latents = [stop.z for stop in stops]
    steps_a_leg = max(4, round((state.steps - 1) / (len(stops) - 1)))
    weights(state.model, vae.decoder_weights())
    state.t = player(
        state.model,
        latents,
        route=state.route,
        frames=steps_a_leg,
        closed=state.closed == "yes",
        ends=((state.a, state.a_n), (state.b, state.b_n)),
        tray=tables.pack_tray(*cache.offered(state.model), vae.codes._asdict()),
        drawing=ends_of_walks.latent(vae, "drawing", 0, state.bits) if state.bits else None,
        t=state.t,
        on_ends=set_ends,
        key="rail",
    )
    layout.caption(
        "Scrub, play, or click a picture. Each is one decoding, none is blended from its neighbours. "
        + (
            "On the map, dots are the codes of test digits and circles the prior’s 1σ, 2σ and 3σ."
            if vae.latent_dim == 2
            else "A straight line between far codes cuts through the middle, where the prior has hardly any mass; "
            "the great circle keeps its distance from the origin. Compare log p(z) along both."
        )
    )
    name = "-".join([state.model, *(stop.kind for stop in stops)])
    route = paths.ROUTES[state.route]

    def film() -> Array:
        return sigmoid(vae.decode(paths.tour(latents, steps_a_leg, route)))

    def strip() -> Array:
        return sigmoid(vae.decode(paths.along(latents, np.linspace(0, 1, 11), route)))

    with st.container(horizontal=True):
        st.download_button(
            "Film as GIF", lambda: pictures.animation(film()), f"{name}.gif", "image/gif", on_click="ignore"
        )
        st.download_button(
            "Strip as PNG", lambda: pictures.strip(strip()), f"{name}.png", "image/png", on_click="ignore"
        )
    ledger.show(
        lambda: interpolate_receipts.receipts(state.model, stops, state.route, steps_a_leg, state.t), "interpolate"
    )
    links.show(FIELDS)
