"""Receipts of the evidence page: the account of one x by brute force, and the bounds that need none. Knows no page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from demo.densities import Array, kl_to_prior_per_dimension
from demo.evidence import Account, elbo_monte_carlo, importance_bound
from demo.receipts import Receipt, Second, again
from demo.receipts.subject import Subject

TOLERANCE = 1e-3  # nats between two rules of quadrature
TABLE = "table = DecoderTable.build(vae.decode)  # 201 × 201 decodings"


def account(subject: Subject, exact: Account) -> tuple[Receipt, ...]:
    """log p(x), ELBO, its two parts, the gap and what is left over, for a model of two dimensions."""
    loc, scale = subject.loc, subject.scale

    def reconstruction() -> float:
        return again.mean_by_lattice(lambda z: subject.log_joint(z) - again.log_normal(z), loc, scale)

    def kl() -> float:
        return float(again.kl_to_prior(loc, scale).sum())

    def gap() -> float:
        return again.mean_by_hermite(lambda z: subject.log_q(z) - subject.log_joint(z), loc, scale) + subject.log_p_x()

    def receipt(
        name: str,
        formula: str,
        method: str,
        value: float,
        second_method: str,
        second: Callable[[], float],
        body: str,
        imports: str,
        places: str = ".2f",
    ) -> Receipt:
        return Receipt(
            name=name,
            formula=formula,
            inputs=subject.inputs,
            method=method,
            value=value,
            unit="nats",
            second_method=second_method,
            again=lambda: Second(second(), TOLERANCE),
            snippet=subject.code(body, f"from demo.evidence import {imports}"),
            places=places,
        )

    bound = "bound = elbo(vae.decode, x, loc, log_scale)"
    whole = f"{TABLE}\nexact = account(table, vae.decode, x, loc, log_scale)"
    return (
        evidence(subject, exact.log_p_x),
        receipt(
            "ELBO",
            r"\text{ELBO} = \mathbb{E}_q[\log p(x|z)] - D_{KL}[q(z|x) \,\|\, p(z)]",
            "Gauss–Hermite nodes for the first term, closed form for the second.",
            exact.elbo.value,
            "Both terms on even lattices around q.",
            lambda: reconstruction() - kl(),
            f'{bound}\nprint(f"{{bound.value:.2f}}")',
            "elbo",
        ),
        receipt(
            "reconstruction",
            r"\mathbb{E}_q[\log p(x|z)]",
            "Gauss–Hermite nodes, more of them until two orders agree.",
            exact.elbo.reconstruction,
            "An even lattice of 57 × 57 nodes around q, out to 7σ.",
            reconstruction,
            f'{bound}\nprint(f"{{bound.reconstruction:.2f}}")',
            "elbo",
        ),
        receipt(
            "KL to the prior",
            r"D_{KL}[q(z|x) \,\|\, p(z)] = \tfrac12 \sum_j \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big)",
            "In closed form: both are normal.",
            exact.elbo.kl,
            "∫ q log(q/p), summed on 401 nodes a dimension.",
            kl,
            f'{bound}\nprint(f"{{bound.kl:.2f}}")',
            "elbo",
        ),
        receipt(
            "gap",
            r"D_{KL}[q(z|x) \,\|\, p(z|x)] = \int q(z|x) \log \frac{q(z|x)}{p(z|x)} \,dz",
            "The trapezoidal rule around q, out to 7σ, its step shrinking until nothing moves.",
            exact.gap,
            "64 × 64 Gauss–Hermite nodes, and the second log p(x).",
            gap,
            f'{whole}\nprint(f"{{exact.gap:.2f}}")',
            "DecoderTable, account",
        ),
        receipt(
            "left over",
            r"\log p(x) - \text{ELBO} - D_{KL}[q(z|x) \,\|\, p(z|x)]",
            "Zero on paper: what three rules without a common node leave over.",
            exact.residual,
            "The same from the second computations of all three terms.",
            lambda: subject.log_p_x() - (reconstruction() - kl()) - gap(),
            f'{whole}\nprint(f"{{exact.residual:.1e}}")',
            "DecoderTable, account",
            ".1e",
        ),
    )


def evidence(subject: Subject, log_p_x: float) -> Receipt:
    """log p(x) by quadrature, for a model of two dimensions."""
    return Receipt(
        name="log p(x)",
        formula=r"\log p(x) = \log \int p(z)\, p(x|z) \,dz",
        inputs=subject.inputs_without_q,
        method="A table of the plane says where the mass is; there, squares are quartered until nothing moves.",
        value=log_p_x,
        unit="nats",
        second_method="The midpoint rule on even lattices, the step halved until nothing moves; no table.",
        again=lambda: subject.log_p_x_again(TOLERANCE),
        snippet=subject.code(
            f'{TABLE}\nprint(f"{{log_evidence(table, vae.decode, x).value:.2f}}")',
            "from demo.evidence import DecoderTable, log_evidence",
            q=False,
        ),
    )


@dataclass(frozen=True)
class Fresh:
    """Draws of its own for a second estimate, by the formulas of `again`: log w [K]."""

    log_w: Array

    @classmethod
    def draw(cls, subject: Subject, loc: Array, scale: Array, count: int) -> Fresh:
        z = loc + scale * np.random.default_rng([2, 2026]).standard_normal((count, len(loc)))
        return cls(subject.log_joint(z) - again.log_normal(z, loc, scale))

    def mean(self) -> tuple[float, float]:
        return float(self.log_w.mean()), float(self.log_w.std(ddof=1) / np.sqrt(len(self.log_w)))


def sampled(
    subject: Subject, count: int, seed: int, *, proposal: str = "q", places: str = ".2f"
) -> tuple[Receipt, ...]:
    """ELBO and importance bound with their standard errors, and the effective sample size, from `count` draws of q or
    of the prior that evidence.draw makes with np.random.default_rng(seed). Any number of dimensions.
    """
    from_prior = proposal == "prior"
    loc, log_scale = (np.zeros(subject.dimension),) * 2 if from_prior else (subject.loc, subject.log_scale)
    scale = np.exp(np.asarray(log_scale, np.float64))
    draws = subject.draws(count, seed, from_prior=from_prior)
    elbo, elbo_error = elbo_monte_carlo(draws, loc, log_scale)
    bound = importance_bound(draws)
    ess = bound.effective_sample_size
    start = "loc = log_scale = np.zeros(vae.latent_dim)  # the prior\n" if from_prior else ""
    drawn = f"{start}rng = np.random.default_rng({seed})\ndraws = draw(vae.decode, x, loc, log_scale, {count}, rng)\n"
    whence = "the prior" if from_prior else "q"
    inputs = (subject.inputs_without_q if from_prior else subject.inputs) | {
        "draws": f"{count:,} of {whence}",
        "seed": str(seed),
    }

    def code(body: str, function: str) -> str:
        return subject.code(drawn + body, f"from demo.evidence import draw, {function}", q=not from_prior)

    def fresh(estimate: Callable[[Fresh], tuple[float, float]], error: float) -> Second:
        value, own = estimate(Fresh.draw(subject, loc, scale, count))
        return Second(value, 4 * float(np.hypot(error, own)))

    def second_elbo() -> Second:
        if subject.dimension > 2:
            return fresh(Fresh.mean, elbo_error)
        log_ratio = again.mean_by_lattice(lambda z: subject.log_joint(z) - again.log_normal(z, loc, scale), loc, scale)
        return Second(log_ratio, 4 * elbo_error)

    def second_bound() -> Second:
        if subject.dimension > 2:
            return fresh(lambda f: again.log_mean(f.log_w), bound.standard_error)
        return subject.log_p_x_again(4 * bound.standard_error)

    other = f"{count:,} other draws of {whence}, every term a mean over them"
    exact = subject.dimension == 2
    mean_w = r"\log \frac1K \sum_{k=1}^K w_k, \quad w_k = \frac{p(x,z_k)}{q(z_k|x)}"
    return (
        Receipt(
            name="ELBO, sampled",
            formula=r"\frac1K \sum_{k=1}^K \log p(x|z_k) - D_{KL}[q(z|x) \,\|\, p(z)]",
            inputs=inputs,
            method="The mean over the draws, and the divergence in closed form.",
            value=elbo.value,
            unit="nats",
            second_method="An even lattice instead of draws." if exact else f"{other}.",
            again=second_elbo,
            snippet=code(
                f'bound, standard_error = elbo_monte_carlo(draws, loc, log_scale)\nprint(f"{{bound.value:{places}}}")',
                "elbo_monte_carlo",
            ),
            places=places,
        ),
        Receipt(
            name="standard error of the sampled ELBO",
            formula=r"s / \sqrt K",
            inputs=inputs,
            method="The spread of log p(x|z) over the draws, divided by the root of their number.",
            value=elbo_error,
            unit="nats",
            second_method="The sum of squares about the mean, from the mean of squares.",
            again=lambda: Second(standard_error(draws.log_p_x_given_z), 1e-6 * (1 + elbo_error)),
            snippet=code(
                "bound, standard_error = elbo_monte_carlo(draws, loc, log_scale)\n"
                f'print(f"{{standard_error:{places}}}")',
                "elbo_monte_carlo",
            ),
            places=places,
        ),
        Receipt(
            name="importance bound",
            formula=mean_w,
            inputs=inputs,
            method="The logarithm of the weights’ mean: on average below log p(x), and rising with K.",
            value=bound.value,
            unit="nats",
            second_method="log p(x) on even lattices, without draws." if exact else f"The weights of {other}.",
            again=second_bound,
            snippet=code(f'print(f"{{importance_bound(draws).value:{places}}}")', "importance_bound"),
            places=places,
        ),
        Receipt(
            name="standard error of the importance bound",
            formula=r"\frac{\mathrm{sd}(w)}{\bar w \sqrt K}",
            inputs=inputs,
            method="The spread of the weights, to first order of the logarithm.",
            value=bound.standard_error,
            unit="nats",
            second_method="From the effective sample size: √((K/ESS − 1)/(K − 1)).",
            again=lambda: Second(
                float(np.sqrt(max(count / again.effective_sample_size(draws.log_w) - 1, 0) / (count - 1))), 1e-6
            ),
            snippet=code(f'print(f"{{importance_bound(draws).standard_error:{places}}}")', "importance_bound"),
            places=places,
        ),
        Receipt(
            name="effective sample size",
            formula=r"\Big(\sum_k w_k\Big)^2 \Big/ \sum_k w_k^2",
            inputs=inputs,
            method="The draws that carry the mean: all K where the weights are equal, one where one outweighs all.",
            value=ess,
            unit="draws",
            second_method="1 / Σ w̃², with weights that sum to one, in logarithms throughout.",
            again=lambda: Second(again.effective_sample_size(draws.log_w), 1e-6 * ess),
            snippet=code('print(f"{importance_bound(draws).effective_sample_size:.0f}")', "importance_bound"),
            places=".0f",
        ),
    )


def standard_error(values: Array) -> float:
    """Of a mean of values [K], from sums of squares."""
    shifted = values - values[0]
    variance = ((shifted**2).sum() - shifted.sum() ** 2 / len(values)) / (len(values) - 1)
    return float(np.sqrt(max(variance, 0) / len(values)))


def kl_per_dimension(
    subject: Subject, dimensions: Sequence[int] | None = None, *, places: str = ".2f"
) -> tuple[Receipt, ...]:
    """D_KL[q(z|x) ‖ p(z)], whole, then of single dimensions counted from 0: those given, else the three largest."""
    each = kl_to_prior_per_dimension(subject.loc, subject.log_scale)
    chosen = np.argsort(-each)[:3].tolist() if dimensions is None else list(dimensions)
    formula = r"D_{KL}[q(z_j|x) \,\|\, p(z_j)] = \tfrac12 \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big)"
    kl = "kl = kl_to_prior_per_dimension(loc, log_scale)\n"

    def receipt(name: str, value: float, second: Callable[[], float], expression: str) -> Receipt:
        return Receipt(
            name=name,
            formula=formula,
            inputs=subject.inputs,
            method="In closed form: both are normal.",
            value=value,
            unit="nats",
            second_method="∫ q log(q/p), summed on 401 nodes a dimension.",
            again=lambda: Second(second(), 1e-6),
            snippet=subject.code(
                f'{kl}print(f"{{{expression}:{places}}}")', "from demo.densities import kl_to_prior_per_dimension"
            ),
            places=places,
        )

    def one(j: int) -> Receipt:
        return receipt(
            f"KL to the prior, dimension {j + 1}",
            float(each[j]),
            lambda: float(again.kl_to_prior(subject.loc, subject.scale)[j]),
            f"kl[{j}]",
        )

    total = receipt(
        f"KL to the prior, all {subject.dimension} dimensions",
        float(each.sum()),
        lambda: float(again.kl_to_prior(subject.loc, subject.scale).sum()),
        "kl.sum()",
    )
    return (total, *map(one, chosen))
