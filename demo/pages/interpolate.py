"""Interpolate: two ends, a route between them, a film along it that answers without the server."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from demo import address, cache, drawn, layout, ledger, links, paths, pictures
from demo import ends as ends_of_walks
from demo.components import tables
from demo.components.player import Choice, player
from demo.components.weights import weights
from demo.densities import Array, sigmoid
from demo.pretrained import PretrainedVAE
from demo.receipts import interpolate as interpolate_receipts
from demo.receipts.interpolate import End
from demo.receipts.subject import unpacked

models = layout.models()
CLASSES = cache.classes()
KINDS = (*CLASSES, *ends_of_walks.OTHERS)
FIRST, LAST = cache.first_ends(models[0])
MOST_ON_THE_WAY = 4


def on_the_way(text: str) -> list[str]:
    """Reads classes of digits, "27", each once; of more than one letter, "12~7"."""
    found = [name for name in text.split("~") if name] if "~" in text else list(text)
    if len(found) > MOST_ON_THE_WAY or not set(found) <= set(CLASSES) or len(set(found)) < len(found):
        raise ValueError(f"at most {MOST_ON_THE_WAY} different digits, as in 27")
    return found


def way_written(names: list[str]) -> str:
    return "".join(names) if all(len(name) == 1 for name in names) else "~".join([*names, ""])


FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.Field("a", FIRST, address.one_of(KINDS)),
    address.Field("a_n", 0, address.whole(0, 9999)),
    address.Field("b", LAST, address.one_of(KINDS)),
    address.Field("b_n", 0, address.whole(0, 9999)),
    address.Field("via", [], on_the_way, way_written),
    address.Field("closed", "no", address.one_of(("no", "yes"))),
    drawn.field(),
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


def fit_ends(vae: PretrainedVAE) -> ends_of_walks.Kinds:
    """What the model offers; ends and stops that another model offered make way."""
    kinds = cache.kinds(vae.model_id)
    fitting = kinds.fit(state.a, state.b)
    if fitting != (state.a, state.b):
        state.a, state.b = fitting
        if fitting[0] == fitting[1] and state.a_n == state.b_n:
            state.b_n = (state.a_n + 1) % 10_000
    state.via = [name for name in state.via if name in kinds.classes]
    return kinds


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
        vae = layout.open_model(state.model)
        kinds = fit_ends(vae)
        st.button("Draw an end", on_click=draw_an_end, disabled="drawing" in (state.a, state.b))
        st.button("Swap the ends", on_click=swap)
        with st.popover("More"):
            for end, label in (("a", "From"), ("b", "To")):
                with st.container(horizontal=True, vertical_alignment="bottom"):
                    st.selectbox(label, kinds.all, key=end, format_func=kinds.name, width=190)
                    st.button(
                        "Another", key=f"another_{end}", on_click=another, args=(end,),
                        disabled=state[end] == "drawing", help=f"Another {vae.noun} for “{label}”",
                    )  # fmt: skip
            st.multiselect(
                "On the way", kinds.classes, key="via", max_selections=MOST_ON_THE_WAY,
                placeholder=f"{vae.noun}s to pass by",
            )  # fmt: skip
            st.segmented_control(
                "At the end", ("no", "yes"), key="closed", required=True,
                format_func={"no": "stay", "yes": "back to the start"}.__getitem__,
            )  # fmt: skip
            st.segmented_control("Route", tuple(paths.ROUTES), key="route", required=True)
            st.slider("Frames of the film", 5, 121, key="steps")
    drawn.given(vae)
    if "drawing" in (state.a, state.b):
        drawn.asked(vae)
    waiting = "drawing" in (state.a, state.b) and not state.bits
    named = [(state.a, state.a_n), *((kind, 0) for kind in state.via), (state.b, state.b_n)]
    named += named[:1] * (state.closed == "yes")
    if waiting:
        st.markdown(f"Draw {vae.a_noun}, and the walk begins.")
        links.show(FIELDS)
        st.stop()
    stops = [
        End(kind, n, ends_of_walks.latent(vae, kind, n, state.bits), kinds.name(kind), unpacked(state.bits, vae.pixels))
        for kind, n in named
    ]
    latents = [stop.z for stop in stops]
    steps_a_leg = max(4, round((state.steps - 1) / (len(stops) - 1)))
    weights(state.model, vae.decoder_weights())
    state.t = player(
        state.model,
        latents,
        shape=vae.shape,
        classes=kinds,
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
            f"On the map, dots are the codes of test {vae.noun}s and circles the prior’s 1σ, 2σ and 3σ."
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
            "Film as GIF", lambda: pictures.animation(film(), vae.shape), f"{name}.gif", "image/gif", on_click="ignore"
        )
        st.download_button(
            "Strip as PNG", lambda: pictures.strip(strip(), vae.shape), f"{name}.png", "image/png", on_click="ignore"
        )
    ledger.show(
        lambda: interpolate_receipts.receipts(state.model, stops, state.route, steps_a_leg, state.t), "interpolate"
    )
    links.show(FIELDS)
