"""Receipts of what draws of q say of one x: bounds with their errors, and the divergence. Knows no page.

Where a draw is all there is, the second computation makes as many others, by the formulas of `again`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from demo import estimators
from demo.densities import Array
from demo.evidence import elbo_monte_carlo, importance_bound
from demo.receipts import Receipt, Second, again, near
from demo.receipts.evidence import CLOSED, KL, KL_IN_FULL, NODES, Level
from demo.receipts.subject import Subject

MEAN_W = r"\log \frac1K \sum_{k=1}^K w_k, \quad w_k = \frac{p(x,z_k)}{q(z_k|x)}"
EFFECTIVE = r"\Big(\sum_k w_k\Big)^2 \Big/ \sum_k w_k^2"
BY_SHARES = "1 / Σ w̃², with weights that sum to one, in logarithms throughout."


def seeded(seed: int) -> str:
    """Python of a generator of that seed."""
    return f"rng = np.random.default_rng({seed})\n"


def other_weights(subject: Subject, components: Sequence[tuple[Array, Array]], count: int) -> Array:
    """log w of `count` draws of their own from an even mixture of normals (loc, scale) [d]."""
    rng = np.random.default_rng([2, 2026])
    which = rng.integers(len(components), size=count)
    loc, scale = (np.array(part)[which] for part in zip(*components, strict=True))
    z = loc + scale * rng.standard_normal(loc.shape)
    return subject.log_joint(z) - again.mixture_log_density(z, components)


def _mean_and_error(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def standard_error(values: Array) -> float:
    """Of a mean of values [K], from sums of squares."""
    shifted = values - values[0]
    variance = ((shifted**2).sum() - shifted.sum() ** 2 / len(values)) / (len(values) - 1)
    return float(np.sqrt(max(variance, 0) / len(values)))


class _Drawn:
    """`count` draws of q by evidence.draw with np.random.default_rng(seed), and what is asked of them twice."""

    def __init__(self, subject: Subject, count: int, seed: int) -> None:
        self.subject, self.count = subject, count
        self.draws = subject.draws(count, seed)
        self.code = f"{seeded(seed)}draws = draw(vae.decode, x, loc, log_scale, {count}, rng)\n"
        self.sheet = subject.sheet(self.code, {"draws": f"{count:,} of q", "seed": str(seed)})
        self.bound = importance_bound(self.draws)
        self.elbo, self.elbo_error = elbo_monte_carlo(self.draws, subject.loc, subject.log_scale)
        self.exact = subject.dimension == 2
        self.others = f"{count:,} other draws of q, every term a mean over them"

    def fresh(self, estimate: Callable[[Array], tuple[float, float]], error: float) -> Second:
        """From other draws: both may stray by their errors."""
        value, own = estimate(other_weights(self.subject, [self.subject.q], self.count))
        return Second(value, 4 * float(np.hypot(error, own)))

    def elbo_again(self) -> Second:
        if not self.exact:
            return self.fresh(_mean_and_error, self.elbo_error)
        mean = again.mean_by_lattice(lambda z: self.subject.log_joint(z) - self.subject.log_q(z), *self.subject.q)
        return Second(mean, 4 * self.elbo_error)

    def bound_again(self) -> Second:
        if not self.exact:
            return self.fresh(again.log_mean, self.bound.standard_error)
        return Second(self.subject.log_p_x(), 4 * self.bound.standard_error)

    def kl_again(self) -> float:
        return float(again.kl_to_prior(self.subject.loc, self.subject.scale).sum())


def importance(subject: Subject, count: int, seed: int) -> tuple[Receipt, ...]:
    """The importance bound, its standard error and the effective sample size. Any number of dimensions."""
    drawn = _Drawn(subject, count, seed)
    bound, log_w = drawn.bound, drawn.draws.log_w
    ess = bound.effective_sample_size

    def error() -> float:
        return float(np.sqrt(max(count / again.effective_sample_size(log_w) - 1, 0) / (count - 1)))

    return (
        drawn.sheet.receipt(
            "importance bound",
            MEAN_W,
            "The logarithm of the weights’ mean: on average below log p(x), and rising with K.",
            bound.value,
            "importance_bound(draws).value",
            "log p(x) on even lattices, without draws." if drawn.exact else f"The weights of {drawn.others}.",
            drawn.bound_again,
        ),
        drawn.sheet.receipt(
            "standard error of the importance bound",
            r"\frac{\mathrm{sd}(w)}{\bar w \sqrt K}",
            "The spread of the weights, to first order of the logarithm.",
            bound.standard_error,
            "importance_bound(draws).standard_error",
            "From the effective sample size: √((K/ESS − 1)/(K − 1)).",
            near(error, 1e-6),
        ),
        drawn.sheet.given(unit="draws", places=".0f").receipt(
            "effective sample size",
            EFFECTIVE,
            "The draws that carry the mean: all K where the weights are equal, one where one outweighs all.",
            ess,
            "importance_bound(draws).effective_sample_size",
            BY_SHARES,
            near(lambda: again.effective_sample_size(log_w), 1e-6 * ess),
        ),
    )


def bounds(subject: Subject, count: int, seed: int) -> tuple[Receipt, ...]:
    """All that is known without quadrature: both bounds, their errors, the ELBO's parts, the least that the gap is."""
    drawn = _Drawn(subject, count, seed)
    elbo, error, sheet = drawn.elbo, drawn.elbo_error, drawn.sheet
    parts = "elbo_monte_carlo(draws, loc, log_scale)"
    by_others = "An even lattice instead of draws." if drawn.exact else f"{drawn.others}."

    def reconstruction() -> Second:
        found = drawn.elbo_again()
        return Second(found.value + drawn.kl_again(), found.tolerance)

    def gap() -> Second:
        upper, lower = drawn.bound_again(), drawn.elbo_again()
        return Second(upper.value - lower.value, float(np.hypot(upper.tolerance, lower.tolerance)))

    return (
        *importance(subject, count, seed),
        sheet.receipt(
            "ELBO, sampled",
            rf"\frac1K \sum_{{k=1}}^K \log p(x|z_k) - {KL}",
            "The mean over the draws, and the divergence in closed form.",
            elbo.value,
            f"{parts}[0].value",
            by_others,
            drawn.elbo_again,
        ),
        sheet.receipt(
            "standard error of the sampled ELBO",
            r"s / \sqrt K",
            "The spread of log p(x|z) over the draws, divided by the root of their number.",
            error,
            f"{parts}[1]",
            "The sum of squares about the mean, from the mean of squares.",
            near(lambda: standard_error(drawn.draws.log_p_x_given_z), 1e-6 * (1 + error)),
        ),
        sheet.receipt(
            "reconstruction, sampled",
            r"\frac1K \sum_{k=1}^K \log p(x|z_k)",
            "The mean over the draws.",
            elbo.reconstruction,
            f"{parts}[0].reconstruction",
            f"The bound and the divergence, each by its other way. {by_others}",
            reconstruction,
        ),
        subject.sheet().receipt(
            "KL to the prior",
            KL_IN_FULL,
            CLOSED,
            elbo.kl,
            "kl_to_prior_per_dimension(loc, log_scale).sum()",
            NODES,
            near(drawn.kl_again, 1e-6),
        ),
        sheet.receipt(
            "gap, at least",
            r"\log \frac1K \sum_{k=1}^K w_k - \text{ELBO}",
            "The importance bound less the ELBO, for log p(x) lies above both.",
            drawn.bound.value - elbo.value,
            f"importance_bound(draws).value - {parts}[0].value",
            f"Both bounds by their other ways. {by_others}",
            gap,
        ),
    )


def level(subject: Subject, count: int, seed: int) -> Level:
    """The importance bound in the place of log p(x)."""
    drawn = _Drawn(subject, count, seed)
    code = f"{drawn.code}importance_bound(draws).value"
    return Level(drawn.bound.value, code, drawn.bound_again, f"The weights of {drawn.others}")


def divergence(subject: Subject, count: int, seed: int) -> tuple[Receipt, ...]:
    """D_KL[q(z|x) ‖ p(z)] as a mean over draws of q made with np.random.default_rng(seed), and its standard error."""
    kl = estimators.kl_per_dimension(subject.loc, subject.log_scale, count, np.random.default_rng(seed))
    error = float(np.sqrt((kl.standard_error**2).sum()))
    sheet = subject.sheet(
        f"{seeded(seed)}kl = estimators.kl_per_dimension(loc, log_scale, {count}, rng)",
        {"draws": f"{count:,} of q", "seed": str(seed)},
    ).given(places=".3f")

    def spread() -> float:
        """√(Var[log q/p] / K), with the variance of each dimension by an even lattice."""
        each = zip(*subject.q, strict=True)
        return math.sqrt(sum(_variance_of_log_ratio(m, s) for m, s in each) / count)

    return (
        sheet.receipt(
            "KL to the prior, sampled",
            r"\frac1K \sum_{k=1}^K \log \frac{q(z_k|x)}{p(z_k)}",
            "The mean of log q/p over the draws, dimension by dimension, summed.",
            float(kl.mean.sum()),
            "kl.mean.sum()",
            "∫ q log(q/p), summed on 401 nodes a dimension; four standard errors are allowed.",
            near(lambda: float(again.kl_to_prior(subject.loc, subject.scale).sum()), 4 * error),
        ),
        sheet.receipt(
            "standard error of the sampled KL",
            r"\sqrt{\textstyle\sum_j s_j^2 / K}",
            "The spread of log q/p over the draws; dimensions are independent, so variances add.",
            error,
            "np.sqrt((kl.standard_error**2).sum())",
            "The true variance of log q/p by an even lattice; draws may stray a tenth from it.",
            near(spread, 0.1 * error + 8 / count),
        ),
    )


def _variance_of_log_ratio(mean: float, scale: float) -> float:
    noise = np.linspace(-10, 10, 401)
    weights = np.exp(-(noise**2) / 2) / np.exp(-(noise**2) / 2).sum()
    log_ratio = ((mean + scale * noise) ** 2 - noise**2) / 2
    return float(weights @ log_ratio**2 - (weights @ log_ratio) ** 2)
