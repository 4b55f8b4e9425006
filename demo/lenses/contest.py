"""Beat the encoder: the visitor shapes q, the bound follows, and log p(x) is never passed."""

from __future__ import annotations

import numpy as np
import streamlit as st

from demo import address, cache, contest, layout
from demo.components.ellipse import LEAST, MOST, REACH, Exact, Ground, Q, Rival, ellipse, within
from demo.components.weights import weights
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import contest as of_contest

FIELDS = (
    address.Field("m1", None, address.real(-REACH, REACH), "{:.5f}".format),  # None: the encoder's
    address.Field("m2", None, address.real(-REACH, REACH), "{:.5f}".format),
    address.Field("s1", None, address.real(LEAST, MOST), "{:.6f}".format),
    address.Field("s2", None, address.real(LEAST, MOST), "{:.6f}".format),
)
KEYS = tuple(field.key for field in FIELDS)
WORDS = ("mean μ₁", "mean μ₂", "width σ₁", "width σ₂")
_SHAPED_FOR = "the x that q was shaped for"  # in st.session_state: (x, the visitor's q)
_RECORDS = "the visitor's best bounds"  # in st.session_state: (model, x) → nats
_REVEALED = "the x whose best q was asked for"  # in st.session_state
state = st.session_state


def take(q: Q | None) -> None:
    """Sets the visitor's q, means and standard deviations; None hands back to the encoder."""
    for key, value in zip(KEYS, q or (None,) * 4, strict=True):
        state[key] = value


def typed(key: str) -> None:
    """A number was typed: the others stay what they were, to the last digit."""
    for other, value in zip(KEYS, state[_SHAPED_FOR][1], strict=True):
        state[other] = value
    state[key] = state[f"type {key}"]


def reveal(subject: tuple[str, bytes]) -> None:
    """Shows the best q of this x as an outline, and its bound."""
    state[_REVEALED] = subject


def encoders(view: View) -> Q:
    loc, log_scale = view.q
    s1, s2 = np.exp(log_scale)
    return within((float(loc[0]), float(loc[1]), float(s1), float(s2)))


def given(view: View, encoder: Q) -> Q | None:
    """The visitor's q as the page has it: None, the encoder's, until it is touched, and again for another x."""
    last = state.get(_SHAPED_FOR)
    if last is not None and last[0] != view.key:
        take(None)
    values = [state[key] for key in KEYS]
    if all(value is None for value in values):
        return None
    m1, m2, s1, s2 = (own if value is None else value for own, value in zip(encoder, values, strict=True))
    return m1, m2, s1, s2


def by_number(q: Q) -> None:
    """The same q, to the last digit."""
    with st.expander("By number", type="compact"), st.container(horizontal=True):
        for key, label, value in zip(KEYS, WORDS, q, strict=True):
            state[f"type {key}"] = value
            low, high, form = (-REACH, REACH, "%.5f") if key.startswith("m") else (LEAST, MOST, "%.6f")
            st.number_input(
                label, low, high, step=None, format=form, key=f"type {key}", on_change=typed, args=(key,), width=150
            )


def receipts(view: View) -> tuple[Receipt, ...]:
    q = np.array(state[_SHAPED_FOR][1])
    return of_contest.receipts(view.subject, view.exact, cache.best_q(view.model_id, view.key), q[:2], q[2:])


def show(view: View) -> None:
    exact, encoder, subject = view.exact, encoders(view), (view.model_id, view.key)
    fit = cache.best_q(*subject)
    s1, s2 = np.exp(fit.log_scale)
    best: Q = within((float(fit.loc[0]), float(fit.loc[1]), float(s1), float(s2)))
    revealed = state.get(_REVEALED) == subject

    def scored(q: Q | None) -> Exact:
        bound = cache.bound_of(*subject, q or encoder)
        records = state.setdefault(_RECORDS, {})
        if q not in (None, encoder, best):  # what was handed over is no merit
            records[subject] = max(bound.value, records.get(subject, bound.value))
        return Exact(bound.reconstruction, bound.kl, records.get(subject))

    equation = st.container()
    weights(view.model_id, view.vae.decoder_weights())
    window = view.window
    before = given(view, encoder)
    q = ellipse(
        view.model_id,
        view.x,
        Ground(window.axis1, window.axis2, window.log_posterior),
        shape=view.vae.shape,
        log_p_x=exact.log_p_x,
        encoder=Rival(encoder, exact.elbo.value),
        best=Rival(best, fit.elbo.value),
        revealed=revealed,
        given=before,
        exact=scored,
        key="ellipse",
    )
    if q != before:
        take(q)
    yours = cache.bound_of(*subject, q or encoder)
    state[_SHAPED_FOR] = (view.key, q or encoder)
    if revealed:
        st.button("Take the best q", on_click=take, args=(best,), disabled=q == best)
    else:
        st.button("Show the best q", on_click=reveal, args=(subject,))
    by_number(q or encoder)
    with equation:
        _bound(exact.log_p_x, yours.reconstruction, yours.kl)
    _account(exact.log_p_x, yours.value, contest.Gaps(exact.log_p_x, fit.elbo.value, exact.elbo.value), q, encoder)
    layout.caption(
        "The better the ellipse covers the stain, the higher the bound; it never passes $\\log p(x)$. By keyboard: Tab "
        "to the cross or a dot, then the arrows. What even the best $q$ leaves is the approximation gap; what the "
        "encoder leaves beyond that is the amortisation gap (Cremer, Li and Duvenaud 2018). The best one was found by "
        f"Newton’s method in {fit.iterations} steps and {fit.decodings:,} decodings."
    )


def _bound(log_p_x: float, reconstruction: float, kl: float) -> None:
    symbol, number = layout.symbols(), layout.latex
    st.latex(
        rf"""\begin{{aligned}}
        \log p(x) &\ge {symbol.mean_under_q}[\log p(x|z)] \! - \! D_{{KL}}[{symbol.q} \| {symbol.prior}] \\
        {number(log_p_x)} &\ge ({number(reconstruction)}) - {number(kl)} = {number(reconstruction - kl)}
        \end{{aligned}}"""
    )


def _account(log_p_x: float, yours: float, gaps: contest.Gaps, q: Q | None, encoder: Q) -> None:
    layout.metrics(
        ("your gap, nats", layout.nats(log_p_x - yours, 3), "log p(x) − ELBO of the q shown; never below 0."),
        ("the encoder’s gap", layout.nats(log_p_x - gaps.encoder, 3), "Of one network for every picture."),
        ("approximation gap", layout.nats(gaps.approximation, 3), "log p(x) − the best bound: q has no other shape."),
        ("amortisation gap", layout.nats(gaps.amortisation, 3), "Best bound − the encoder’s bound."),
    )
    st.markdown(_verdict(yours, gaps, q in (None, encoder)))


def _verdict(yours: float, gaps: contest.Gaps, untouched: bool) -> str:
    """One sentence on where the visitor stands between the encoder and the best."""
    if untouched:
        return "This is the encoder’s own guess. Can you do better?"
    gained = yours - gaps.encoder
    if gained <= 0:
        return f"The encoder is still {layout.nats(-gained, 2)} nats ahead."
    share = gained / (gaps.log_p_x - gaps.encoder)
    lead = f"{layout.nats(gained, 2)} nats and closed {100 * share:.0f} % of its gap"
    if gained > 0.995 * gaps.amortisation:
        return f"You beat the encoder by {lead}. As good as it gets: no normal with upright axes does better."
    return f"You beat the encoder by {lead}."
