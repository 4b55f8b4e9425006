"""Receipts of the contest with the encoder: the bound of the visitor's q, the gaps, and who leads. Knows no page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo.contest import Fit, best_q, mode_starts
from demo.densities import Array
from demo.evidence import Account, Elbo, elbo
from demo.receipts import Receipt, Second, Sheet, again, near, vector
from demo.receipts.evidence import ACCOUNT, BOUND, CLOSED, KL, NODES, TOLERANCE, log_p_x
from demo.receipts.grid import Counted
from demo.receipts.subject import Subject

_BOTH = "log p(x) on even lattices of the plane, the bound on a lattice around q."
_BOUNDS = "The bounds on even lattices around their q."
_SEARCH = "fit = best_q(vae.decode, x, [(loc, log_scale), *mode_starts(exact.evidence)])\n"


Q = tuple[Array, Array]  # loc and scale [2] of a q


class _Again:
    """Bounds and gaps of any q (loc, scale), by lattices."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def reconstruction(self, q: Q) -> float:
        return again.mean_by_lattice(lambda z: self.subject.log_joint(z) - again.log_normal(z), *q)

    def bound(self, q: Q) -> float:
        return again.mean_by_lattice(lambda z: self.subject.log_joint(z) - again.log_normal(z, *q), *q)

    def gap(self, q: Q) -> Callable[[], Second]:
        return near(lambda: self.subject.log_p_x() - self.bound(q), TOLERANCE)


def receipts(subject: Subject, exact: Account, fit: Fit, loc: Array, scale: Array) -> tuple[Receipt, ...]:
    """Of the visitor's q = N(loc, diag scale²) and its bound, of all gaps, of the lead, and of the search."""
    q, best = (loc, scale), (fit.loc, np.exp(fit.log_scale))
    yours = elbo(subject.decode, subject.x, loc, np.log(scale))
    mean, log_scale = ([float(v) for v in part] for part in (loc, np.log(scale)))
    own = f"yours = elbo(vae.decode, x, np.array({mean}), np.array({log_scale}))\n"
    your_q = {"your q": f"mean {vector(loc)}, σ {vector(scale, 3)}"}
    searched = subject.sheet(ACCOUNT + _SEARCH, {"best q": f"mean {vector(best[0])}, σ {vector(best[1], 3)}"})
    return (
        log_p_x(subject, exact.log_p_x),
        *_bound(subject, yours, subject.sheet(own, your_q), q),
        *_gaps(subject, exact, yours, subject.sheet(ACCOUNT + own, your_q), q),
        *_best_gaps(subject, exact, fit, searched.given(places=".3f"), best),
        *_lead(subject, (yours.value, exact.elbo.value, exact.log_p_x), subject.sheet(ACCOUNT + own, your_q), q),
        *_search(searched.given(unit="", places=".0f"), subject, exact, fit),
    )


def _bound(subject: Subject, yours: Elbo, sheet: Sheet, q: Q) -> tuple[Receipt, ...]:
    second = _Again(subject)
    return (
        sheet.receipt(
            "your bound",
            BOUND,
            "Gauss–Hermite nodes for the first term, closed form for the second.",
            yours.value,
            "yours.value",
            "The mean of log p(x, z)/q(z|x) on an even lattice around your q.",
            near(lambda: second.bound(q), TOLERANCE),
        ),
        sheet.receipt(
            "your reconstruction",
            r"\mathbb{E}_q[\log p(x|z)]",
            "Gauss–Hermite nodes, more of them until two orders agree.",
            yours.reconstruction,
            "yours.reconstruction",
            "An even lattice around your q, out to 7σ, the step halved until nothing moves.",
            near(lambda: second.reconstruction(q), TOLERANCE),
        ),
        sheet.receipt(
            "your KL to the prior",
            KL,
            CLOSED,
            yours.kl,
            "yours.kl",
            NODES,
            near(lambda: float(again.kl_to_prior(*q).sum()), TOLERANCE),
        ),
    )


def _gaps(subject: Subject, exact: Account, yours: Elbo, sheet: Sheet, q: Q) -> tuple[Receipt, ...]:
    second = _Again(subject)
    formula = r"\log p(x) - \text{ELBO}"
    return (
        sheet.given(places=".3f").receipt(
            "your gap",
            formula,
            "log p(x) by quadrature, less your bound.",
            exact.log_p_x - yours.value,
            "exact.log_p_x - yours.value",
            _BOTH,
            second.gap(q),
        ),
        subject.sheet(ACCOUNT)
        .given(places=".3f")
        .receipt(
            "the encoder’s gap",
            formula,
            "log p(x) by quadrature, less the bound of the encoder’s q.",
            exact.log_p_x - exact.elbo.value,
            "exact.log_p_x - exact.elbo.value",
            _BOTH,
            second.gap(subject.q),
        ),
    )


def _best_gaps(subject: Subject, exact: Account, fit: Fit, sheet: Sheet, best: Q) -> tuple[Receipt, ...]:
    second = _Again(subject)
    return (
        sheet.receipt(
            "approximation gap",
            r"\log p(x) - \max_q \text{ELBO}",
            "What the best q leaves, found by Newton’s method.",
            exact.log_p_x - fit.elbo.value,
            "exact.log_p_x - fit.elbo.value",
            _BOTH,
            second.gap(best),
        ),
        sheet.receipt(
            "amortisation gap",
            r"\max_q \text{ELBO} - \text{ELBO}",
            "The best bound, less the bound of the encoder’s q.",
            fit.elbo.value - exact.elbo.value,
            "fit.elbo.value - exact.elbo.value",
            _BOUNDS,
            near(lambda: second.bound(best) - second.bound(subject.q), TOLERANCE),
        ),
    )


def _lead(subject: Subject, bounds: tuple[float, float, float], sheet: Sheet, q: Q) -> tuple[Receipt, ...]:
    """By how much the visitor leads, and which part that is of the encoder's gap; or by how much the encoder leads.

    `bounds` are the visitor's, the encoder's and log p(x), which bounds them.
    """
    yours, encoder, evidence = bounds
    gained, gap, second = yours - encoder, evidence - encoder, _Again(subject)

    def lead() -> float:
        return second.bound(q) - second.bound(subject.q)

    def share() -> Second:
        whole = subject.log_p_x() - second.bound(subject.q)
        return Second(100 * lead() / whole, 300 * TOLERANCE / whole)

    if abs(gained) < 1e-6:  # the encoder’s own q
        return ()
    sign = 1 if gained > 0 else -1
    receipts = [
        sheet.receipt(
            "you lead the encoder by" if gained > 0 else "the encoder leads by",
            r"|\text{ELBO}_{\text{yours}} - \text{ELBO}|",
            "Both bounds by Gauss–Hermite nodes and the closed form.",
            abs(gained),
            "abs(yours.value - exact.elbo.value)",
            _BOUNDS,
            near(lambda: sign * lead(), TOLERANCE),
        )
    ]
    if gained > 0:
        receipts.append(
            sheet.given(unit="%", places=".0f").receipt(
                "share of the encoder’s gap that you closed",
                r"100 \cdot \frac{\text{ELBO}_{\text{yours}} - \text{ELBO}}{\log p(x) - \text{ELBO}}",
                "Your lead, as a share of the gap that the encoder leaves.",
                100 * gained / gap,
                "100 * (yours.value - exact.elbo.value) / (exact.log_p_x - exact.elbo.value)",
                _BOTH,
                share,
            )
        )
    return tuple(receipts)


def _search(sheet: Sheet, subject: Subject, exact: Account, fit: Fit) -> tuple[Receipt, ...]:
    """Newton's steps and decodings."""

    def once_more() -> tuple[Fit, int]:
        counted = Counted(subject.decode)
        starts = [(subject.loc, subject.log_scale), *mode_starts(exact.evidence)]
        return best_q(counted, subject.x, starts), counted.decodings

    return (
        sheet.receipt(
            "decodings for the best q",
            r"\#\{z : \text{decoded}\}",
            "All nodes of all rules, from every start.",
            fit.decodings,
            "fit.decodings",
            "A count has no other formula: the same search once more, counted by the decoder.",
            near(lambda: float(once_more()[1]), 0),
        ),
        sheet.receipt(
            "steps of Newton’s method",
            r"\#\{\text{steps}\}",
            "From every start, until a step promises less than a millionth of a nat.",
            fit.iterations,
            "fit.iterations",
            "A count has no other formula: the same search, once more.",
            near(lambda: float(once_more()[0].iterations), 0),
        ),
    )
