"""By sampling: importance sampling through q and plain Monte Carlo from the prior race towards log p(x)."""

from __future__ import annotations

import streamlit as st

from demo import address, cache, estimators, figures, layout
from demo.lenses.view import View
from demo.receipts import Receipt
from demo.receipts import evidence as of_evidence
from demo.receipts import race as of_race


def _draws(text: str) -> int:
    if text not in map(str, estimators.N_SAMPLES):
        raise ValueError(f"a power of 2 from 1 to {estimators.N_SAMPLES[-1]}")
    return int(text)


FIELDS = (address.Field("k", 64, _draws),)
state = st.session_state


def receipts(view: View) -> tuple[Receipt, ...]:
    one, lanes, exact = view.subject, cache.races(view.model_id, view.key), view.exact if view.planar else None
    of_lanes = of_race.receipts(one, lanes, state.k, cache.RACE_SEED, exact)
    return of_lanes if exact is None else (*of_lanes, of_evidence.log_p_x(one, exact.log_p_x))


def show(view: View) -> None:
    by_q, by_prior, *by_mixture = cache.races(view.model_id, view.key)
    exact = view.exact.log_p_x if view.planar else None
    st.select_slider("Draws an estimate, K", estimators.N_SAMPLES, key="k", width=330)
    i = estimators.N_SAMPLES.index(state.k)
    symbol = layout.symbols()
    st.latex(
        rf"""\begin{{aligned}}
        p(x) &= \int \frac{{p(x,z)}}{{{symbol.q}}}\, {symbol.q}\,dz \;\approx\; \frac1K \sum_{{k=1}}^{{K}} w_k \\
        w_k &= \frac{{p(x,z_k)}}{{{symbol.q_at("z_k")}}},\quad z_k \sim {symbol.q}
        \end{{aligned}}"""
    )
    best = (("exact, nats", layout.nats(exact), "By adaptive quadrature."),) if exact is not None else ()
    layout.metrics(
        (
            f"draws of q, K = {state.k}",
            f"{layout.nats(by_q.mean[i])} ± {layout.nats(by_q.standard_error[i])}",
            f"Mean of log (1/K) Σ w over {by_q.repeats[i]:,} repeats, and its standard error, in nats. On average "
            f"{by_q.effective_sample_size[i]:.1f} of the K draws count.",
        ),
        (
            f"draws of the prior, K = {state.k}",
            f"{layout.nats(by_prior.mean[i])} ± {layout.nats(by_prior.standard_error[i])}",
            f"The same with z ~ p(z), so that w = p(x|z). {by_prior.effective_sample_size[i]:.1f} draws count.",
        ),
        ("of them count, q", f"{by_q.effective_sample_size[i]:.1f} of {state.k}", "Effective sample size (Σw)²/Σw²."),
        *(
            (
                f"refined, K = {state.k}",
                f"{layout.nats(lane.mean[i])} ± {layout.nats(lane.standard_error[i])}",
                "Draws of a mixture with a wide normal at each mode of the posterior, found by the quadrature. "
                f"{lane.effective_sample_size[i]:.1f} draws count.",
            )
            for lane in by_mixture
        ),
        *best,
    )
    lanes = [("q", "from q", by_q), *(("posterior", "refined", lane) for lane in by_mixture)]
    lanes.append(("prior", "from the prior", by_prior))
    layout.chart(figures.race(lanes, i, exact, layout.theme()), key="race")
    layout.caption(
        "Each line is the mean of $\\log \\frac1K \\sum w$; its band holds 80 % of the repeats, its bars one standard "
        "error. Every estimate is below $\\log p(x)$ on average and climbs with $K$; at $K = 1$ the line of $q$ is the "
        "ELBO. Draws of the prior rarely land where this picture could have come from."
    )
