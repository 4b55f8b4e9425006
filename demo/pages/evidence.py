"""Evidence: an x of the visitor's choice, and what each lens shows of log p(x), the bound on it, and the gap."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, drawn, layout, ledger, links, pictures, pretrained
from demo.lenses import bayes, contest, dimensions, grid, identity, sampling
from demo.lenses.view import View
from demo.pretrained import PretrainedVAE
from demo.receipts import subject

LENSES = {
    "identity": ("The identity", identity),
    "grid": ("Brute force", grid),
    "sampling": ("By sampling", sampling),
    "bayes": ("Bayes’ rule", bayes),
    "dimensions": ("Per dimension", dimensions),
    "contest": ("Beat the encoder", contest),
}
PLANAR = ("bayes", "contest")  # these need the posterior itself
SOURCES = {"sample": "the model imagines one", "drawing": "you draw one", "test": "a test digit"}
models = layout.models()
FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.Field("lens", "identity", address.one_of(tuple(LENSES))),
    address.Field("x", "sample", address.one_of(tuple(SOURCES))),
    address.SEED,
    address.Field("digit", 0, address.whole(0, 9999)),
    drawn.field(),
    ledger.FIELD,
    *(field for _, lens in LENSES.values() for field in lens.FIELDS),
)
state = st.session_state


def step(key: str, size: int) -> None:
    state[key] = (state[key] + 1) % size


def choose_x(vae: PretrainedVAE) -> tuple[NDArray[np.uint8], subject.Origin] | None:
    """Widgets for the chosen source; the x they give and where it is from, or None while there is none."""
    if state.x == "drawing":
        x = drawn.asked(vae)
        return None if x is None else (x, subject.drawing(state.bits, vae.pixels))
    if state.x == "test":
        test_set = cache.test_images(state.model)
        if test_set is None:
            st.info("MNIST’s test digits are not on this machine. Set MNIST_DIR to their folder, or draw a digit.")
            return None
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Test digit", 0, 9999, key="digit", width=150)
            st.button("Next", on_click=step, args=("digit", 10_000))
        return test_set[state.digit], subject.test_digit(state.digit)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Seed", 0, 999_999, key="seed", width=150)
        st.button("Imagine another", on_click=step, args=("seed", 1_000_000), key="imagine")
    x = digits.sample_pixels(vae.decode(digits.sample_prior(1, vae.latent_dim, state.seed)), state.seed)[0]
    return x, subject.imagined(state.seed)


with layout.frame(
    "The evidence, the bound and the gap",
    "The enemy is $p(x) = \\int p(z)\\,p(x|z)\\,dz$. With two latent dimensions brute force can still beat it, so the "
    "article’s identity can be checked: the evidence is the bound plus the gap. With more, only bounds are left.",
):
    layout.complain(address.restore(FIELDS))
    left, right = st.columns([2, 5], gap="large")
    with left:
        st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
        vae = layout.open_model(state.model)
        drawn.given(vae)
        sources = [source for source in SOURCES if source != "test" or vae.dataset == pretrained.MNIST]
        state.x = state.x if state.x in sources else sources[0]
        st.radio("An x to explain", sources, key="x", format_func=SOURCES.__getitem__)
        if "test" not in sources:
            st.caption(f"No test {vae.noun} to choose: of {vae.dataset} the site has codes, but no pixels.")
        chosen = choose_x(vae)
        if chosen is not None and state.x != "drawing":
            st.html(
                pictures.html_digits(
                    [(chosen[0], "The x that is explained", "x, each pixel 0 or 1")], layout.theme(), 168, vae.shape
                )
            )
    with right:
        offered = [name for name in LENSES if vae.latent_dim == 2 or name not in PLANAR]
        state.lens = state.lens if state.lens in offered else offered[0]
        st.segmented_control(
            "Look at it through",
            offered,
            key="lens",
            format_func=lambda name: LENSES[name][0],
            required=True,
            label_visibility="collapsed",
        )
        if chosen is None:
            st.markdown("Give it an x to explain and the numbers appear here.")
        else:
            lens, view = LENSES[state.lens][1], View(state.model, vae, *chosen)
            lens.show(view)
            ledger.show(lambda: lens.receipts(view), "evidence")
    links.show(FIELDS)
