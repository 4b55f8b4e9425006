"""The identity log p(x) = ELBO + KL with its numbers; where there are too many dimensions, the bounds alone."""

from __future__ import annotations

import numpy as np
import streamlit as st

from demo import address, cache, drawings, layout, units
from demo.densities import sigmoid
from demo.evidence import Account
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import evidence as of_evidence
from demo.receipts import grid as of_grid
from demo.receipts import sampling as of_sampling

FIELDS: tuple[address.Field, ...] = ()
FEW = 10  # draws that count: with fewer, an error bar says nothing
UNSETTLED = 2e-3  # nats; the last refinement is asked to move less than half of it


def show(view: View) -> None:
    (_exact if view.planar else _bounds)(view)


def receipts(view: View) -> tuple[Receipt, ...]:
    one, scores, drawn = view.subject, view.vae.scores, (cache.BOUND_DRAWS, cache.BOUND_SEED)
    if view.planar:
        of_x, level = of_evidence.account(one, view.exact), of_evidence.exactly(one, view.exact.log_p_x)
        of_x += (of_grid.moved(one, view.exact),) * _unsettled(view.exact)
    else:
        of_x, level = of_sampling.bounds(one, *drawn), of_sampling.level(one, *drawn)
    in_units = of_evidence.other_units(one, level, None if scores is None else scores.log_p_x)
    return of_x + in_units + of_evidence.grey(one)


def _unsettled(exact: Account) -> bool:
    """Whether a rule has not settled, so that the page says so."""
    return max(exact.evidence.error, abs(exact.residual)) > UNSETTLED


def _exact(view: View) -> None:
    exact = view.exact
    number, symbol = layout.latex, layout.symbols()
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &= \text{{ELBO}} + D_{{KL}}[{symbol.q} \,\|\, {symbol.posterior}] \\
        {number(exact.log_p_x)} &= ({number(exact.elbo.value)}) + {number(exact.gap)} \\[0.8em]
        \text{{ELBO}} &= {symbol.mean_under_q}[\log p(x|z)] - D_{{KL}}[{symbol.q} \,\|\, {symbol.prior}] \\
        {number(exact.elbo.value)} &= ({number(exact.elbo.reconstruction)}) - {number(exact.elbo.kl)}
        \end{{aligned}}"""
    )
    layout.metrics(
        ("log p(x), nats", layout.nats(exact.log_p_x), "By adaptive quadrature over the whole plane."),
        ("ELBO, nats", layout.nats(exact.elbo.value), "Gauss–Hermite for the reconstruction, closed form for the KL."),
        ("gap, nats", layout.nats(exact.gap), "KL from q to the true posterior, by a trapezoidal rule around q."),
        ("left over, nats", layout.small(exact.residual), "log p(x) − ELBO − gap: three rules, no shared nodes."),
    )
    if _unsettled(exact):
        st.info(
            "On this x the rules have not settled: the last refinement of the integral still moved it by "
            f"{layout.small(exact.evidence.error)} of itself, far more than it is off, and "
            f"{layout.small(exact.residual)} nats are left over. Take the last decimals with care."
        )
    theme = layout.theme()
    st.html(drawings.account_bar(exact.log_p_x, exact.elbo.value, exact.gap, theme))
    window, (loc, log_scale) = view.sketch, view.q
    st.html(drawings.posterior_map(window.axis1, window.axis2, window.log_posterior, loc, np.exp(log_scale), theme))
    layout.caption(
        "Where could this picture have come from? The stain is the true posterior $p(z|x)$; the ellipses are the "
        "encoder’s guess $q(z|x)$ at 1σ (solid) and 2σ (dotted), to the same scale. The gap is what the guess costs."
    )
    _in_other_units(view, exact.log_p_x, bound=False)


def _bounds(view: View) -> None:
    elbo, error, importance = cache.bounds(view.model_id, view.key)
    number, symbol = layout.latex, layout.symbols()
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &\ge \log \tfrac{{1}}{{K}} \textstyle\sum_k \frac{{p(x,z_k)}}{{{symbol.q_at("z_k")}}}
        = {number(importance.value)} \\[0.4em]
        &\ge \text{{ELBO}} \\
        &= {symbol.mean_under_q}[\log p(x|z)] - D_{{KL}}[{symbol.q} \| {symbol.prior}] \\
        &= ({number(elbo.reconstruction)}) - {number(elbo.kl)} = {number(elbo.value)}
        \end{{aligned}}"""
    )
    layout.metrics(
        (
            "importance-weighted, nats",
            f"{layout.nats(importance.value)} ± {layout.nats(importance.standard_error)}",
            f"K = {importance.n_samples:,} draws of q; a lower bound of log p(x) in expectation.",
        ),
        ("ELBO, nats", f"{layout.nats(elbo.value)} ± {layout.nats(error)}", "From the same draws; KL in closed form."),
        (
            "draws that count",
            f"{importance.effective_sample_size:,.0f} of {importance.n_samples:,}",
            "Effective sample size (Σw)²/Σw². Far below K, the error bar is not to be trusted.",
        ),
    )
    if importance.effective_sample_size < FEW:
        layout.caption(
            "Hardly any draw counts: the encoder’s $q$ misses this x. The bound still holds in expectation, but it may "
            "be far below, and its ± is not to be trusted."
        )
    gap = importance.value - elbo.value
    st.html(drawings.account_bar(importance.value, elbo.value, gap, layout.theme(), end="log p(x) ≥"))
    layout.caption(
        f"With {view.vae.latent_dim} latent dimensions nobody can compute $\\log p(x)$, nor the gap: these are bounds. "
        f"The gap is at least {layout.nats(importance.value - elbo.value)} nats, give or take the error. The lens "
        "“by sampling” shows how the bound climbs with $K$."
    )
    _in_other_units(view, importance.value, bound=True)


def _in_other_units(view: View, log_p_x: float, *, bound: bool) -> None:
    """Bits, bits per pixel, the rank among test digits, and what such a number does not say."""
    pixels, scores = view.vae.pixels, view.vae.scores
    at_most = "≤ " if bound else ""
    numbers = [
        ("−log₂ p(x), bits", f"{at_most}{layout.nats(-units.bits(log_p_x), 1)}", "Nats divided by log 2."),
        (
            "bits per pixel",
            f"{at_most}{units.bits_per_pixel(log_p_x, pixels):.3f}",
            f"Over {pixels} pixels, each 0 or 1; plain storage takes 1.",
        ),
    ]
    if scores is not None:
        rank = units.percentile(log_p_x, scores.log_p_x)
        of = "their bounds" if bound else "their log p(x)"
        numbers.append(
            (
                "likelier than",
                f"{100 * rank:.1f} % of test {view.vae.noun}s",
                f"Share of the {len(scores.log_p_x):,} {view.vae.dataset} test {view.vae.noun}s, binarised once with a "
                f"fixed seed, whose value lies below ({of}).",
            )
        )
    layout.metrics(*numbers)
    layout.caption(
        "Likely is not typical: smooth or empty pictures often score above every real digit, since each pixel has "
        "less to surprise with. Compare a thin 1 with a curly 8."
    )
    with st.expander("Why black and white pixels only?", type="compact"):
        logits = view.vae.decode(view.q[0][None])[0]
        log_mass = float(units.grey_log_mass(logits))
        mean = sigmoid(logits)
        bce = float(-(mean * logits - np.logaddexp(0, logits.astype(np.float64))).sum())
        st.markdown(
            "Every $x$ has pixels 0 or 1: test digits are binarised, $x_i \\sim \\text{Bernoulli}(\\text{grey}_i)$, "
            "drawings by the pad. Many codebases feed grey pixels into the same formula, binary cross-entropy, and "
            "call it a likelihood. It is none: over all grey pictures its exponential does not integrate to 1."
        )
        st.latex(
            rf"\int_{{[0,1]^{{{pixels}}}}} e^{{-\text{{BCE}}(x, l)}}\,dx = \prod_i \frac{{\tanh(l_i/2)}}{{l_i}}"
            rf" = e^{{{layout.latex(log_mass, 1)}}}"
        )
        st.caption(
            f"At q’s mean, for this x. The decoder’s own grey picture has a BCE of {layout.nats(bce)} “nats”, which is "
            "no −log p(x) of anything: the enemy, a missing normaliser, in a line of everyday code."
        )
