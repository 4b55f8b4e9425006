"""Sample the prior: ancestral sampling as two steps, with the three log-densities of the digit the visitor picks."""

import streamlit as st

from demo import address, digits, drawings, layout, ledger, links, pictures
from demo.colours import coloured
from demo.components.gallery import gallery
from demo.densities import log_bernoulli, log_standard_normal, sigmoid
from demo.receipts import sample as sample_receipts

models = layout.models()
SHOWN = {"mean": "mean, p(x|z)", "draw": "binary draw, x"}
FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.Field("n", 25, address.whole(1, 100)),
    address.Field("shown", "mean", address.one_of(tuple(SHOWN))),
    address.SEED,
    address.Field("picked", 0, address.whole(0, 99)),
    ledger.FIELD,
)
state = st.session_state


def draw_again() -> None:
    state.seed = (state.seed + 1) % 1_000_000
    state.picked = 0


with layout.frame(
    "Sample the prior",
    "A latent variable model makes a digit in two draws: first a point $z$ from the prior, then ink, pixel by pixel, "
    "from what the decoder says at $z$. Neither draw needs the intractable integral.",
):
    layout.complain(address.restore(FIELDS))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
        st.segmented_control("Show", tuple(SHOWN), key="shown", format_func=SHOWN.__getitem__, required=True)
        st.number_input("How many", 1, 100, key="n", width=130)
        st.number_input("Seed", 0, 999_999, key="seed", width=150)
        st.button("Draw again", on_click=draw_again, type="primary")
    vae = layout.open_model(state.model)
    z = digits.sample_prior(state.n, vae.latent_dim, state.seed)
    logits = vae.decode(z)
    x = digits.sample_pixels(logits, state.seed)
    mean = sigmoid(logits)
    state.picked = min(state.picked, state.n - 1)

    left, right = st.columns([3, 2], gap="large")
    with left:
        images = mean if state.shown == "mean" else x
        state.picked = gallery(
            (images * 255).round().astype("uint8"),
            shape=vae.shape,
            picked=state.picked,
            label="Samples",
            key="samples",
        )
        layout.caption(
            f"Pick {vae.a_noun} with a click or the arrow keys. The same seed always gives the same {vae.noun}s."
        )
        st.download_button(
            "Download as PNG",
            lambda: pictures.sheet(images, vae.shape),
            file_name=f"{state.model}-samples-seed-{state.seed}.png",
            mime="image/png",
            on_click="ignore",
        )
    k = state.picked
    log_p_z = float(log_standard_normal(z[k]))
    log_p_x_given_z = float(log_bernoulli(x[k], logits[k]))
    colour = layout.palette()
    with right:
        st.markdown(f"**First draw** · $z \\sim p(z) = \\mathcal{{N}}(0, I)$ in {vae.latent_dim} dimensions")
        if vae.latent_dim == 2:
            st.html(drawings.latent_plane(z, k, layout.theme()))
        else:
            shown = ", ".join(layout.nats(value) for value in z[k, :4])
            st.markdown(f"$z_{{{k + 1}}}$ = ({shown}, …), at distance {(z[k] ** 2).sum() ** 0.5:.2f} from the origin")
        st.markdown("**Second draw** · $x \\sim p(x|z)$, ink where a coin of bias $p(x_i{=}1|z)$ falls so")
        pair = ((mean[k], "p(x|z)"), (x[k], "x"))
        shown_pair = [(image, f"Sample {k + 1}: {w}", w) for image, w in pair]
        st.html(pictures.html_digits(shown_pair, layout.theme(), shape=vae.shape))
    p_z, p_x_given_z = coloured(r"\log p(z)", colour["prior"]), r"\log p(x|z)"
    st.latex(
        rf"\underbrace{{\log p(x,z)}}_{{{layout.latex(log_p_z + log_p_x_given_z)}}}"
        rf"= \underbrace{{{p_z}}}_{{{layout.latex(log_p_z)}}}"
        rf"+ \underbrace{{{p_x_given_z}}}_{{{layout.latex(log_p_x_given_z)}}}\ \text{{nats}}"
    )
    layout.caption(
        f"The joint density of sample {k + 1}: the point and the picture together. What it does not say is $p(x)$ "
        "alone, the probability of the picture whatever point it came from. That needs the integral."
    )
    ledger.show(lambda: sample_receipts.receipts(state.model, state.seed, k, z, x, logits), "sample")
    links.show(FIELDS)
