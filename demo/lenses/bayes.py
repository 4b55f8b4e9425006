"""Bayes' rule: the joint surface, and the same surface divided by p(x)."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from demo import address, figures, layout
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import bayes as of_bayes

FIELDS: tuple[address.Field, ...] = ()


def receipts(view: View) -> tuple[Receipt, ...]:
    return of_bayes.receipts(view.subject, view.exact, view.window)


def show(view: View) -> None:
    exact, window, theme, symbol = view.exact, view.window, layout.theme(), layout.symbols()
    log_p_x = exact.log_p_x
    density = np.exp(window.log_posterior)
    row, column = np.unravel_index(np.argmax(density), density.shape)
    peak = float(window.log_posterior[row, column])
    h = (window.axis1[1] - window.axis1[0]) * (window.axis2[1] - window.axis2[0])
    log_sum = math.log(float(density.sum()) * h)
    z = rf"({layout.latex(float(window.axis1[column]), 3)},\, {layout.latex(float(window.axis2[row]), 3)})"
    st.latex(
        rf"""\begin{{aligned}}
        {symbol.posterior} &= \frac{{p(x,z)}}{{p(x)}} \\[0.3em]
        \log {symbol.posterior} &= ({layout.latex(peak + log_p_x)}) - ({layout.latex(log_p_x)})
        = {layout.latex(peak)} \\[0.2em]
        \text{{at the peak, }} z &= {z}
        \end{{aligned}}"""
    )
    before, after = st.columns(2, gap="small")
    with before:
        st.markdown("**Before** · $p(x,z)$, a surface over $z$")
        # Shown relative to its peak: the surface itself is below the smallest float.
        layout.chart(
            figures.surface(window.axis1, window.axis2, density / density.max(), "x", "p(x,z) / peak", theme),
            key="before",
        )
        st.latex(
            rf"\text{{peak }} {layout.power_of_ten(peak + log_p_x)},\quad "
            rf"\textstyle\sum h^2 = {layout.power_of_ten(log_sum + log_p_x)}"
        )
    with after:
        st.markdown("**After** · divided by $p(x)$: a density")
        layout.chart(
            figures.surface(window.axis1, window.axis2, density, "posterior", "p(z|x)", theme), key="after division"
        )
        st.latex(rf"\text{{peak }} {math.exp(peak):.4g},\quad \textstyle\sum h^2 = {math.exp(log_sum):.4f}")
    st.latex(rf"p(x) = {layout.power_of_ten(log_p_x)}")
    layout.caption(
        "The same shape twice, to one scale. The volume under the left one is $p(x)$; dividing by it makes the volume "
        "1. The evidence is the normaliser of the posterior, and that is why nobody has the posterior without it. "
        "The sums are over the pixels of these pictures, a patch of the plane."
    )
