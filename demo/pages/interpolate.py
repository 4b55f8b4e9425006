"""Interpolate: two ends, a route between them, a film along it that answers without the server."""

import numpy as np
import streamlit as st

from demo import address, digits, layout, ledger, links, paths, pictures
from demo.components.pad import pad
from demo.components.player import player
from demo.densities import Array, log_standard_normal, sigmoid
from demo.pretrained import PretrainedVAE
from demo.receipts import interpolate as interpolate_receipts
from demo.receipts.interpolate import End

models = layout.models()
CLASSES = tuple("0123456789")
KINDS = (*CLASSES, "prior", "drawing")
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


def swap() -> None:
    state.a, state.b, state.a_n, state.b_n = state.b, state.a, state.b_n, state.a_n
    state.via = state.via[::-1]
    state.t = 1 - state.t


def kind_name(kind: str) -> str:
    return {"prior": "a draw of the prior", "drawing": "your drawing"}.get(kind, f"a test digit {kind}")


def end_latent(vae: PretrainedVAE, kind: str, number: int) -> Array:
    """The latent of one end, [d]: the mean of q for the drawing or the number-th test digit of its class, or a draw
    of the prior."""
    if kind == "drawing":
        x = digits.unpack(state.bits)
        assert x is not None  # the page waits for a drawing
        return vae.encode(x[None])[0][0].astype(np.float64)
    if kind == "prior":
        return digits.sample_prior(1, vae.latent_dim, number)[0]
    of_class = np.flatnonzero(vae.codes.label == int(kind))
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return np.asarray(vae.codes.loc[order[number % len(order)]], np.float64)


with layout.frame(
    "Walk between two digits",
    "Every digit has a code: the mean of $q(z|x)$. Walk from one to another and decode each point on the way.",
):
    layout.complain(address.restore(FIELDS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
        for end, label in (("a", "From"), ("b", "To")):
            st.selectbox(label, KINDS, key=end, format_func=kind_name, width=190)
            st.button(
                "Another", key=f"another_{end}", on_click=another, args=(end,), disabled=state[end] == "drawing",
                help=f"Another start for “{label}”",
            )  # fmt: skip
        with st.popover("More"):
            st.multiselect(
                "On the way", CLASSES, key="via", max_selections=MOST_ON_THE_WAY, placeholder="digits to pass by",
            )  # fmt: skip
            st.segmented_control(
                "At the end", ("no", "yes"), key="closed", required=True,
                format_func={"no": "stay", "yes": "back to the start"}.__getitem__,
            )  # fmt: skip
            st.segmented_control("Route", tuple(paths.ROUTES), key="route", required=True)
            st.slider("Frames", 5, 121, key="steps")
            st.button("Swap the ends", on_click=swap)
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
    stops = [End(kind, n, end_latent(vae, kind, n), state.bits * (kind == "drawing")) for kind, n in named]
    steps_a_leg = max(4, round((state.steps - 1) / (len(stops) - 1)))
    route = paths.tour([stop.z for stop in stops], steps_a_leg, paths.ROUTES[state.route])
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
        labels=(kind_name(stops[0].kind), kind_name(stops[-1].kind)),
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
    name = "-".join([state.model, *(stop.kind for stop in stops)])
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
    frame = round(state.t * (len(route) - 1))
    ledger.show(
        lambda: interpolate_receipts.receipts(state.model, stops, state.route, route, steps_a_leg, frame), "interpolate"
    )
    links.show(FIELDS)
