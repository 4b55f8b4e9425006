"""Brute force: log p(x) by uniform grids of rising resolution, the squares of the adaptive rule, and the cost in d."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from demo import address, cache, figures, layout, toys
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import grid as of_grid

NODES = (5, 6, 9, 11, 21, 26, 41, 51, 101, 201)  # the grids that are part of the table of 201 × 201


def _nodes(text: str) -> int:
    if text not in map(str, NODES):
        raise ValueError(f"one of {', '.join(map(str, NODES))}")
    return int(text)


FIELDS = (address.Field("nodes", 41, _nodes),)
state = st.session_state


def show(view: View) -> None:
    if view.planar:
        _resolution(view)
        _squares(view)
    else:
        layout.text(
            f"A grid needs every combination of its nodes, so its cost is a power of the dimension. The plane of the "
            f"two-dimensional model takes 201² = {201**2:,} decodings; {view.vae.latent_dim} dimensions take this:"
        )
    _cost(view)


def receipts(view: View) -> tuple[Receipt, ...]:
    cost = of_grid.cost(view.model_id, view.vae.decode, view.vae.latent_dim, cache.decoding_rate(view.model_id))
    if not view.planar:
        return cost
    n, log_p_x = cache.coarse_grids(view.model_id, view.key)
    by_grid = float(log_p_x[np.flatnonzero(n == state.nodes)[0]])
    one, exact = view.subject, view.exact
    squares = of_grid.squares(one, exact, lambda: cache.table(view.model_id))
    return of_grid.grid(one, state.nodes, by_grid, exact) + squares + cost


def _resolution(view: View) -> None:
    n, log_p_x = cache.coarse_grids(view.model_id, view.key)
    exact = view.exact.log_p_x
    st.select_slider("Nodes an axis, n", NODES, key="nodes", width=330)
    picked = int(np.flatnonzero(n == state.nodes)[0])
    step = 10 / (state.nodes - 1)
    symbol = layout.symbols()
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &= \log \int {symbol.prior}\, p(x|z)\,dz \\
        &\approx \log \sum_{{g=1}}^{{{state.nodes}^2}} p(z_g)\,p(x|z_g)\,h^2 = {layout.latex(float(log_p_x[picked]), 3)}
        \end{{aligned}}"""
    )
    off = float(log_p_x[picked]) - exact
    layout.metrics(
        (f"{state.nodes} × {state.nodes} nodes, nats", layout.nats(float(log_p_x[picked]), 3), f"h = {step:.3g}"),
        ("exact, nats", layout.nats(exact, 3), "The adaptive rule; refined until it moves less than 0.001."),
        ("off by, nats", layout.nats(off, 3), "Grid minus exact."),
    )
    layout.chart(figures.resolution(n, log_p_x, picked, exact, layout.theme()), key="resolution")
    narrow = float(np.exp(view.q[1]).min())
    layout.caption(
        f"The narrowest side of the encoder’s $q$ has a standard deviation of {narrow:.3f}. A grid is right once its "
        f"step $h$ is about that small; before, it falls beside the peak or sits on top of it. Drag $n$ and watch."
    )


def _squares(view: View) -> None:
    evidence, window = view.exact.evidence, view.window
    layout.chart(
        figures.refined_cells(
            window.axis1,
            window.axis2,
            window.log_posterior,
            evidence.cells.centres,
            evidence.cells.widths,
            layout.theme(),
        ),
        key="squares",
    )
    layout.caption(
        f"What beats the enemy here: {evidence.evaluations:,} decodings in {len(evidence.cells):,} squares, the "
        f"smallest {evidence.cells.widths.min():.4f} wide, where the table of 201 × 201 says there is mass. Refining "
        f"once more moved the result by a relative {layout.small(evidence.error)}."
    )


def _cost(view: View) -> None:
    d, rate = view.vae.latent_dim, cache.decoding_rate(view.model_id)
    seconds = toys.log10_seconds(201, d, rate)
    st.latex(
        rf"201^{{{d}}} = {layout.power_of_ten(d * math.log(201))}\ \text{{decodings, at }}"
        rf"{layout.power_of_ten(math.log(rate))}\ \text{{a second}}"
    )
    layout.caption(
        f"That is {toys.duration_in_words(seconds)} on this server, at the rate it decodes in now. "
        + ("Choose the deeper model above to see the enemy win." if view.planar else "The enemy has won.")
    )
