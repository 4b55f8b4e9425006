"""Explore: a latent space of any dimension without a plane, walked in three ways."""

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, drawn, ends, layout, ledger, links, paths, walks
from demo.components.codewalk import End, codewalk
from demo.components.weights import weights
from demo.lenses.dimensions import INACTIVE
from demo.pretrained import PretrainedVAE
from demo.receipts import explore as explore_receipts
from demo.receipts import subject, vector
from demo.receipts.explore import Start, Walk
from demo.walks import Amounts, Place

models = layout.models()
KINDS = (*cache.classes(), *ends.OTHERS)
DEFAULT = layout.deepest()
FIRST, LAST = cache.first_ends(DEFAULT)
MODE_NAMES = {
    "between": "Between digits",
    "directions": "Directions",
    "coordinates": "Coordinates",
}


def amounts(reach: float) -> Callable[[str], Amounts]:
    """Reads numbers with their amounts, 7_1.25~12_-0.40."""

    def read(text: str) -> Amounts:
        pairs = [pair.split("_") for pair in text.split("~") if pair]
        try:
            number, amount = address.whole(1, 4096), address.real(-reach, reach)
            found = {number(name): round(amount(value), 2) for name, value in pairs}
        except ValueError:
            found = {}
        if len(found) < len(pairs) or not found:
            raise ValueError(f"numbers with amounts from −{reach:g} to {reach:g}, as in 7_1.25~12_-0.40")
        return tuple(sorted(found.items()))

    return read


def write(pairs: Amounts) -> str:
    return "~".join(f"{number}_{amount:.2f}" for number, amount in pairs)


FIELDS = (
    address.Field("model", DEFAULT, address.one_of(models)),
    address.Field("mode", "directions", address.one_of(walks.MODES)),
    address.Field("a", FIRST, address.one_of(KINDS)),
    address.Field("a_n", 0, address.whole(0, 9999)),
    address.Field("b", LAST, address.one_of(KINDS)),
    address.Field("b_n", 0, address.whole(0, 9999)),
    drawn.field(),
    address.Field("route", "straight", address.one_of(tuple(paths.ROUTES))),
    address.Field("t", 0.0, address.real(0, 1), "{:.3f}".format),
    address.Field("along", (), amounts(walks.ALONG), write),
    address.Field("moved", (), amounts(walks.REACH), write),
    ledger.FIELD,
)
state = st.session_state


def start_over() -> None:
    """Another code: what was moved belonged to the one before."""
    state.along = state.moved = ()


def another(end: str) -> None:
    state[f"{end}_n"] = (state[f"{end}_n"] + 1) % 10_000
    if end == "a":
        start_over()


def fit_ends(kinds: ends.Kinds) -> None:
    """An end that only another model offers makes way."""
    fitting = kinds.fit(state.a, state.b)
    if fitting == (state.a, state.b):
        return
    if fitting[0] != state.a:
        start_over()
    state.a, state.b = fitting
    if fitting[0] == fitting[1] and state.a_n == state.b_n:
        state.b_n = (state.a_n + 1) % 10_000


def choose_end(end: str, label: str, kinds: ends.Kinds) -> None:
    st.selectbox(
        label,
        kinds.all,
        key=end,
        format_func=kinds.name,
        width=190,
        on_change=start_over if end == "a" else None,
    )
    st.button(
        "Another", key=f"another_{end}", on_click=another, args=(end,), disabled=state[end] == "drawing",
        help=f"Another start for “{label}”",
    )  # fmt: skip


def pinned_x(vae: PretrainedVAE, z: NDArray[np.float64]) -> tuple[NDArray[np.uint8], subject.Origin]:
    """The x of the start: the drawing, the test digit where MNIST lies on this machine, else the likeliest at its z."""
    if state.a == "drawing":
        x = drawn.given(vae)
        assert x is not None  # the page waits for it
        return x, subject.drawing(state.bits, vae.pixels)
    test_set = cache.test_images(state.model)
    if state.a not in ends.OTHERS and test_set is not None:
        number = ends.number_in_test_set(vae, state.a, state.a_n)
        return test_set[number], subject.test_digit(number)
    return digits.mode(vae.decode(z[None]))[0], subject.Origin(
        "the likeliest picture at the start", "x = digits.mode(vae.decode(a[None]))[0]"
    )


def start(end: str, z: NDArray[np.float64], vae: PretrainedVAE) -> Start:
    """The end as the receipts know it."""
    kind, number = state[end], state[f"{end}_n"]
    if kind == "drawing":
        return Start(
            z,
            f"your drawing: {vector(z)}",
            f"np.float64(vae.encode({subject.unpacked(state.bits, vae.pixels)}[None])[0][0])",
        )
    if kind == "prior":
        seeded = f"digits.sample_prior(1, vae.latent_dim, seed={number})[0]"
        return Start(z, f"a draw of the prior, number {number}: {vector(z)}", seeded)
    index = ends.number_in_test_set(vae, kind, number)
    what = f", a {kind}" if vae.kinds == "digits" else f", of class {kind}" * (vae.kinds == "classes")
    return Start(z, f"code of test {vae.noun} {index}{what}: {vector(z)}", f"np.float64(vae.codes.loc[{index}])")


NOTICE = {
    "between": "Every picture is a decoding of one z on the way, none is blended from the two ends. "
    "As z leaves the start, log p(x|z) of the pinned x falls; log p(z) says whether the prior expects the place.",
    "directions": "The decoder changes most along v₁, then along v₂ at right angles to it, and so on: right singular "
    "vectors of ∂p/∂z at the code, p the chances of ink and s the change of the picture for a step of one standard "
    "deviation of the prior. Go far along one of them: log p(x|z) of the pinned x falls at once, log p(z) in the end.",
    "coordinates": "Sorted by the nats that the encoder spends on each coordinate, the mean of KL(q‖p) over the test "
    "{noun}s. Coordinates below {least} nats are marked as unused: they change next to nothing but log p(z).",
}

with layout.frame(
    "Explore what has no plane",
    "Many coordinates cannot be drawn on a sheet. Start from the code of a digit and move in three ways; the decoder "
    "follows your hand.",
):
    layout.complain(address.restore(FIELDS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control(
            "Model", models, key="model", format_func=layout.model_name, required=True, on_change=start_over
        )
        st.segmented_control("Move", walks.MODES, key="mode", format_func=MODE_NAMES.__getitem__, required=True)
    between = state.mode == "between"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        vae = layout.open_model(state.model)
        kinds = cache.kinds(state.model)
        fit_ends(kinds)
        choose_end("a", "From" if between else "Around", kinds)
        if between:
            choose_end("b", "To", kinds)
            st.segmented_control("Route", tuple(paths.ROUTES), key="route", required=True)
    drawn.given(vae)
    if (state.a == "drawing" or (between and state.b == "drawing")) and drawn.asked(vae) is None:
        st.markdown(f"Draw {vae.a_noun}, and the walk begins.")
        links.show(FIELDS)
        st.stop()
    a = ends.latent(vae, state.a, state.a_n, state.bits)
    b = ends.latent(vae, state.b, state.b_n, state.bits) if between else a
    x, origin = pinned_x(vae, a)
    directions = cache.directions(state.model, a.tobytes()) if state.mode == "directions" else None
    kl = cache.mean_kl(state.model)
    count = 0 if directions is None else len(directions.values)
    state.along = tuple(pair for pair in state.along if directions is None or pair[0] <= count)
    state.moved = tuple(pair for pair in state.moved if pair[0] <= vae.latent_dim)
    weights(state.model, vae.decoder_weights())
    place = codewalk(
        state.model,
        state.mode,
        state.route,
        End(a, kinds.name(state.a)),
        End(b, kinds.name(state.b)),
        x,
        shape=vae.shape,
        x_name=origin.words,
        directions=directions,
        kl=kl,
        inactive=kl < INACTIVE,
        place=Place(state.t, state.along, state.moved),
        key="walk",
    )
    state.t, state.along, state.moved = place
    layout.caption(NOTICE[state.mode].format(least=INACTIVE, noun=vae.noun))
    walk = Walk(
        state.model, vae.decode, state.mode, state.route, start("a", a, vae), start("b", b, vae), x, origin, place,
        directions, vae.noun,
    )  # fmt: skip
    ledger.show(lambda: explore_receipts.receipts(walk, kl, vae.codes[:2], INACTIVE), "explore")
    links.show(FIELDS)
