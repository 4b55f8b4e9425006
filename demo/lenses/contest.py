"""Beat the encoder: the visitor shapes q, the bound follows, and log p(x) is never passed."""

from __future__ import annotations

import numpy as np
import streamlit as st

from demo import address, cache, contest, figures, layout
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import lenses as of_lenses

REACH, LEAST, MOST = 12.0, 1e-4, 8.0  # of a link's numbers; the sliders' ranges fit the posterior
FIELDS = (
    address.Field("m1", None, address.real(-REACH, REACH), "{:.5f}".format),  # None: the encoder's
    address.Field("m2", None, address.real(-REACH, REACH), "{:.5f}".format),
    address.Field("s1", None, address.real(LEAST, MOST), "{:.6f}".format),
    address.Field("s2", None, address.real(LEAST, MOST), "{:.6f}".format),
)
KEYS = tuple(field.key for field in FIELDS)
_SHAPED_FOR = "the x that q was shaped for"
state = st.session_state
Q = tuple[float, float, float, float]


def take(q: Q | None) -> None:
    """Sets the visitor's q, means and standard deviations; None hands back to the encoder."""
    for key, value in zip(KEYS, q or (None,) * 4, strict=True):
        state[key] = value


def moved(key: str) -> None:
    """A slider was moved: the others stay what they were, to the last digit."""
    for other, value in zip(KEYS, state[_SHAPED_FOR][1], strict=True):
        state[other] = value
    state[key] = state[f"slide {key}"]


def shaped(view: View) -> tuple[Q, Q]:
    """The encoder's q and the visitor's, which is the encoder's until it is touched, and again for another x."""
    loc, log_scale = view.q
    s1, s2 = np.clip(np.exp(log_scale), LEAST, MOST)
    encoder: Q = (float(loc[0]), float(loc[1]), float(s1), float(s2))
    last = state.get(_SHAPED_FOR)
    if last is not None and last[0] != view.key:
        take(None)
    chosen = [state[key] for key in KEYS]
    m1, m2, s1, s2 = (own if given is None else given for own, given in zip(encoder, chosen, strict=True))
    state[_SHAPED_FOR] = (view.key, (m1, m2, s1, s2))
    return encoder, (m1, m2, s1, s2)


def sliders(view: View, q: Q) -> None:
    """Means along the map, standard deviations on a scale of equal ratios."""
    window = view.window
    scales = [float(f"{value:.4g}") for value in np.geomspace(1 / 150, 1, 61) * (window.axis1[-1] - window.axis1[0])]
    for axis, names in ((window.axis1, ("m1", "s1")), (window.axis2, ("m2", "s2"))):
        mean, scale = names
        low, high = float(axis[0]), float(axis[-1])
        index = KEYS.index(mean)
        state[f"slide {mean}"] = float(np.clip(q[index], low, high))
        nearest = int(np.abs(np.log(np.array(scales) / q[index + 2])).argmin())
        state[f"slide {scale}"] = scales[nearest]
        subscript = "₁₂"[index]
        st.slider(
            f"mean μ{subscript}", low, high, step=(high - low) / 400, format="%.3f", key=f"slide {mean}",
            on_change=moved, args=(mean,),
        )  # fmt: skip
        st.select_slider(
            f"width σ{subscript}", scales, key=f"slide {scale}", on_change=moved, args=(scale,),
            format_func=lambda value: f"{value:.3g}",
        )  # fmt: skip


def receipts(view: View) -> tuple[Receipt, ...]:
    q = np.array(state[_SHAPED_FOR][1])
    return of_lenses.contest(view.subject, view.exact, cache.best_q(view.model_id, view.key), q[:2], q[2:])


def show(view: View) -> None:
    exact, symbol, number = view.exact, layout.symbols(), layout.latex
    encoder, q = shaped(view)
    log_p_x = exact.log_p_x
    yours = cache.bound_of(view.model_id, view.key, q)
    fit = cache.best_q(view.model_id, view.key)
    gaps = contest.Gaps(log_p_x, fit.elbo.value, exact.elbo.value)
    s1, s2 = np.exp(fit.log_scale)
    best: Q = (float(fit.loc[0]), float(fit.loc[1]), float(s1), float(s2))
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &\ge {symbol.mean_under_q}[\log p(x|z)] \! - \! D_{{KL}}[{symbol.q} \| {symbol.prior}] \\
        {number(log_p_x)} &\ge ({number(yours.reconstruction)}) - {number(yours.kl)} = {number(yours.value)}
        \end{{aligned}}"""
    )
    st.space("xsmall")
    controls, picture = st.columns([2, 3], gap="medium")
    with controls:
        sliders(view, q)
        with st.container(horizontal=True):
            st.button("Show the best q", on_click=take, args=(best,), type="primary")
            st.button("Back to the encoder", on_click=take, args=(None,), disabled=q == encoder)
    with picture:
        window = view.window
        shown_best = (np.array(best[:2]), np.array(best[2:])) if q == best else None
        figure = figures.posterior_map(
            window.axis1, window.axis2, window.log_posterior, np.array(q[:2]), np.array(q[2:]), layout.theme(),
            best=shown_best,
        )  # fmt: skip
        layout.chart(figure, key="contest")
    layout.metrics(
        (
            "your gap, nats",
            layout.nats(log_p_x - yours.value, 3),
            "log p(x) − ELBO of the q shown; never below 0.",
        ),
        ("the encoder’s gap", layout.nats(log_p_x - exact.elbo.value, 3), "Of one network for every picture."),
        ("approximation gap", layout.nats(gaps.approximation, 3), "log p(x) − the best bound: q has no other shape."),
        ("amortisation gap", layout.nats(gaps.amortisation, 3), "Best bound − the encoder’s bound."),
    )
    st.markdown(_verdict(yours.value, gaps, q == encoder))
    layout.caption(
        "Stretch and shift the ellipses until they cover the stain: the bound rises towards $\\log p(x)$ and never "
        "passes it. What even the best $q$ leaves is the approximation gap; what the encoder leaves beyond that is "
        "the amortisation gap (Cremer, Li and Duvenaud 2018). The best one was found by Newton’s method in "
        f"{fit.iterations} steps and {fit.decodings:,} decodings."
    )


def _verdict(yours: float, gaps: contest.Gaps, untouched: bool) -> str:
    """One sentence on where the visitor stands between the encoder and the best."""
    if untouched:
        return "This is the encoder’s own guess. Can you do better?"
    gained = yours - gaps.encoder
    if gained <= 0:
        return f"The encoder is still {layout.nats(-gained, 2)} nats ahead."
    share = gained / gaps.amortisation if gaps.amortisation > 0 else 1.0
    if share > 0.995:
        return "As good as it gets: no normal with upright axes does better."
    return f"You beat the encoder by {layout.nats(gained, 2)} nats, {100 * share:.0f} % of all that can be gained."
