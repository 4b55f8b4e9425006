"""The KL to the prior, dimension by dimension: the closed form beside its estimate from draws."""

from __future__ import annotations

import numpy as np
import streamlit as st

from demo import address, cache, figures, layout
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import evidence as of_evidence
from demo.receipts import sampling as of_sampling

FIELDS: tuple[address.Field, ...] = ()
INACTIVE = 0.01  # nats


def receipts(view: View) -> tuple[Receipt, ...]:
    exact = of_evidence.kl_per_dimension(view.subject, INACTIVE)
    return exact + of_sampling.divergence(view.subject, cache.KL_DRAWS, cache.KL_SEED)


def show(view: View) -> None:
    kl, (loc, log_scale), symbol = cache.kl_draws(view.model_id, view.key), view.q, layout.symbols()
    order = np.argsort(-kl.exact) if view.vae.latent_dim > 2 else np.arange(2)
    j = int(order[0])
    mean, scale, log_variance = float(loc[j]), float(np.exp(log_scale[j])), 2 * float(log_scale[j])
    st.latex(
        rf"""\begin{{aligned}}
        D_{{KL}}[{symbol.q} \,\|\, {symbol.prior}] &= \sum_j \tfrac12 \left( \mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2
        \right) \\ &= {layout.latex(float(kl.exact.sum()), 3)}\ \text{{nats}} \\[0.4em]
        j = {j + 1}: \quad &\tfrac12 \left( {mean**2:.3f} + {scale**2:.5f} - 1 - ({log_variance:.3f})
        \right) \\ &= {layout.latex(float(kl.exact[j]), 3)}
        \end{{aligned}}"""
    )
    # The draws of the dimensions are independent, so their variances add.
    total_error = float(np.sqrt((kl.standard_error**2).sum()))
    layout.metrics(
        ("closed form, nats", layout.nats(float(kl.exact.sum()), 3), "No draw, no integral: two normals."),
        (
            f"{kl.n_samples:,} draws, nats",
            f"{layout.nats(float(kl.mean.sum()), 3)} ± {layout.nats(total_error, 3)}",
            "Mean of log q(z|x) − log p(z) over z ~ q, with its standard error.",
        ),
        (
            "dimensions in use",
            f"{int((kl.exact > INACTIVE).sum())} of {view.vae.latent_dim}",
            f"KL above {INACTIVE} nat for this x; q equals the prior in the others.",
        ),
    )
    layout.chart(figures.kl_bars(kl, order, layout.theme()), key="kl")
    layout.caption(
        "What the encoder tells about this picture, in nats, coordinate by coordinate. Bars: closed form. Marks: the "
        "estimate from draws, with two standard errors. Training pays for every nat of it."
    )
