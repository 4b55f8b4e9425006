"""Evidence: log p(x) computed, the bound on it, and the gap, for an x of the visitor's choice."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, figures, layout, pictures
from demo.colours import coloured
from demo.components.pad import pad

FIELDS = (
    address.Field("x", "sample", address.one_of(("sample", "drawing", "test"))),
    address.Field("seed", 1, address.whole(0, 999_999)),
    address.Field("digit", 0, address.whole(0, 9999)),
    address.Field("bits", "", address.bits),
)
SOURCES = {"sample": "the model imagines one", "drawing": "you draw one", "test": "a test digit"}
UNSETTLED = 2e-3  # nats; the last refinement is asked to move less than half of it
state = st.session_state


def step(key: str, size: int) -> None:
    state[key] = (state[key] + 1) % size


def choose_x(model_id: str) -> NDArray[np.uint8] | None:
    """Widgets for the chosen source; the x they give, or None while there is none."""
    if state.x == "drawing":
        drawn = pad(bits=digits.unpack(state.bits) if state.bits else None, key="pad")
        state.bits = "" if drawn is None else digits.pack(drawn)
        return drawn
    if state.x == "test":
        test_set = cache.test_set()
        if test_set is None:
            st.info("MNIST’s test digits are not on this machine. Set MNIST_DIR to their folder, or draw a digit.")
            return None
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Test digit", 0, 9999, key="digit", width=150)
            st.button("Next", on_click=step, args=("digit", 10_000))
        return test_set[state.digit]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Seed", 0, 999_999, key="seed", width=150)
        st.button("Imagine another", on_click=step, args=("seed", 1_000_000))
    vae = layout.open_model(model_id)
    return digits.sample_pixels(vae.decode(digits.sample_prior(1, vae.latent_dim, state.seed)), state.seed)[0]


def show_account(model_id: str, x: NDArray[np.uint8]) -> None:
    """The identity with its numbers, then the posterior beside q."""
    vae = layout.open_model(model_id)
    exact = cache.exact_account(model_id, x.tobytes())
    colour, number = layout.palette(), layout.latex
    q, posterior, prior = (
        coloured(body, colour[name]) for body, name in (("q(z|x)", "q"), ("p(z|x)", "posterior"), ("p(z)", "prior"))
    )
    gap = rf"D_{{KL}}[{q} \,\|\, {posterior}]"
    reconstruction = rf"\mathbb{{E}}_{{{coloured('q', colour['q'])}}}[\log p(x|z)]"
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &= \text{{ELBO}} + {gap} \\
        {number(exact.log_p_x)} &= ({number(exact.elbo.value)}) + {number(exact.gap)} \\[0.8em]
        \text{{ELBO}} &= {reconstruction} - D_{{KL}}[{q} \,\|\, {prior}] \\
        {number(exact.elbo.value)} &= ({number(exact.elbo.reconstruction)}) - {number(exact.elbo.kl)}
        \end{{aligned}}"""
    )
    numbers = (
        ("log p(x), nats", layout.nats(exact.log_p_x), "By adaptive quadrature over the whole plane."),
        ("ELBO, nats", layout.nats(exact.elbo.value), "Gauss–Hermite for the reconstruction, closed form for the KL."),
        ("gap, nats", layout.nats(exact.gap), "KL from q to the true posterior, by a trapezoidal rule around q."),
        ("left over, nats", layout.small(exact.residual), "log p(x) − ELBO − gap: three rules, no shared nodes."),
    )
    with st.container(horizontal=True, gap="large"):
        for label, shown, words in numbers:
            st.metric(label, shown, help=words, width="content")
    if max(exact.evidence.error, abs(exact.residual)) > UNSETTLED:
        st.info(
            "This x is so unlike a digit that the rules have not settled: refining the integral once more moved it by "
            f"{layout.small(exact.evidence.error)}, and {layout.small(exact.residual)} nats are left over."
        )
    theme = layout.theme()
    st.plotly_chart(
        figures.account_bar(exact.log_p_x, exact.elbo.value, exact.gap, theme),
        config={"displayModeBar": False},
        key="bar",
    )
    window = cache.posterior_window(model_id, x.tobytes())
    loc, log_scale = vae.encode(x[None])
    st.plotly_chart(
        figures.posterior_map(window.axis1, window.axis2, window.log_posterior, loc[0], np.exp(log_scale[0]), theme),
        config={"displayModeBar": False},
        key="map",
    )
    layout.caption(
        "Where could this picture have come from? The stain is the true posterior $p(z|x)$; the ellipses are the "
        "encoder’s guess $q(z|x)$ at 1σ (solid) and 2σ (dotted), to the same scale. The gap is what the guess costs. "
        f"The integral took {exact.evidence.evaluations:,} decodings in {len(exact.evidence.cells):,} cells, on top of "
        "the table of 201 × 201."
    )


with layout.frame(
    "The evidence, the bound and the gap",
    "The enemy is $p(x) = \\int p(z)\\,p(x|z)\\,dz$. With two latent dimensions brute force can still beat it, so the "
    "article’s identity can be checked: the evidence is the bound plus the gap.",
):
    layout.complain(address.restore(FIELDS))
    model_id = layout.planar_model()
    left, right = st.columns([2, 5], gap="large")
    with left:
        st.radio("An x to explain", tuple(SOURCES), key="x", format_func=SOURCES.__getitem__)
        x = choose_x(model_id)
        if x is not None and state.x != "drawing":
            st.html(pictures.html_digit(x, "The x that is explained", layout.theme(), 168))
            st.caption("x, each pixel 0 or 1")
    with right:
        if x is None:
            st.markdown("Give it an x to explain and the numbers appear here.")
        else:
            show_account(model_id, x)
    address.publish(FIELDS)
