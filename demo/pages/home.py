"""Home: the plane of digits under the visitor's hand, the identity under it, and four ways on."""

import streamlit as st

from demo import address, cache, layout, ledger, links
from demo.components.explorer import TILES, ahead, explorer
from demo.components.tables import BOX
from demo.components.weights import weights
from demo.pages import PAGES
from demo.receipts import home as home_receipts


def coordinate(value: float) -> str:
    """Two to four decimals: what the plane's z has."""
    text = f"{value:.4f}"
    return text[:-2] + text[-2:].rstrip("0")


FIELDS = (
    address.Field("z1", 0.5, address.real(-BOX, BOX), coordinate),
    address.Field("z2", -0.5, address.real(-BOX, BOX), coordinate),
    address.Field("pin", "", address.bits(layout.sizes())),
    ledger.FIELD,
)

with layout.frame(
    "The biggest enemy of generative modelling",
    "Every point of this plane is a digit that a neural network imagines: move over it. The enemy is the integral "
    "behind $p(x)$. In two dimensions we can still compute it, and see how close the bound of a variational "
    "autoencoder comes.",
):
    state = st.session_state
    toured = not state.setdefault("opened by a link", bool(st.query_params))  # once: what changes is sent anew
    layout.complain(address.restore(FIELDS))
    model_id = layout.planar_model()
    vae = layout.open_model(model_id)
    address.drawing("pin", vae.pixels)
    with st.container(key="explorer-room", gap=None):
        wide, narrow = (cache.plane(model_id, BOX, tiles, layout.theme()) for tiles in TILES)
        ahead(wide, narrow, layout.style())
        weights(model_id, vae.decoder_weights())
        state.z1, state.z2, state.pin = explorer(
            model_id,
            z=(state.z1, state.z2),
            shape=vae.shape,
            kinds=vae.kinds,
            pin=state.pin,
            lattice=vae.extras,
            codes=vae.codes._asdict(),
            tour=toured,
            key="explorer",
        )
    ways = {
        "sample": ("Sample the prior", "Two draws make a new digit. Watch both, with their log-probabilities."),
        "interpolate": ("Walk between two digits", "Pick two ends, scrub along the way, take the film home."),
        "explore": ("Go where there is no plane", "In many dimensions, find the few that shape a digit."),
        "enemy": ("Face the enemy", "An integral: easy in one dimension, out of reach in many. Try both."),
        "evidence": ("Beat it once", "Draw a digit; see log p(x) computed, the bound, and the gap between them."),
    }
    pages = {page.name: page for page in PAGES}
    for column, (name, (label, promise)) in zip(st.columns(len(ways)), ways.items(), strict=True):
        with column:
            st.page_link(pages[name].file, label=f"**{label}** →")
            st.caption(promise)
    st.caption(
        "After the article *The Biggest Enemy of Generative Modeling* (17 April 2025). "
        "Every number on these pages is computed from a trained model, none is typed in."
    )
    ledger.show(
        lambda: home_receipts.receipts(model_id, (state.z1, state.z2), vae.extras, vae.encode, vae.decode, state.pin),
        "home",
    )
    links.show(FIELDS)
