"""Receipts of the evidence page's other lenses: race of estimators, grid, divergence by draws, contest, bits.

Knows no page, and nothing of how the lenses look.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from demo import estimators
from demo.contest import Fit
from demo.densities import Array
from demo.evidence import Account, elbo
from demo.receipts import Receipt, Second, again, vector
from demo.receipts.evidence import TABLE, TOLERANCE, Fresh, standard_error
from demo.receipts.subject import Subject

_EXACT = f"{TABLE}\nexact = account(table, vae.decode, x, loc, log_scale)\n"
_EVIDENCE = "from demo.evidence import DecoderTable, account"
_LATTICES = "log p(x) on even lattices of the plane, the bound on a lattice around q."


def _receipt(
    subject: Subject,
    name: str,
    formula: str,
    method: str,
    value: float,
    second_method: str,
    second: Callable[[], Second],
    body: str,
    *imports: str,
    places: str = ".3f",
    unit: str = "nats",
    more: Mapping[str, str] | None = None,
) -> Receipt:
    """`body` is Python that leaves the number in `value`."""
    return Receipt(
        name=name,
        formula=formula,
        inputs=subject.inputs | dict(more or {}),
        method=method,
        value=float(value),
        unit=unit,
        second_method=second_method,
        again=second,
        snippet=subject.code(f'{body.rstrip()}\nprint(f"{{value:{places}}}")', *imports),
        places=places,
    )


def race(subject: Subject, k: int, seed: int) -> tuple[Receipt, ...]:
    """Mean, standard error and effective sample size of estimates of K = k draws, of q and then of the prior; the
    pool is estimators.POOL draws made with np.random.default_rng(seed).
    """
    return (*_lane(subject, k, seed, from_prior=False), *_lane(subject, k, seed, from_prior=True))


def _lane(subject: Subject, k: int, seed: int, *, from_prior: bool) -> tuple[Receipt, ...]:
    draws, whence = subject.draws(estimators.POOL, seed, from_prior=from_prior), "the prior" if from_prior else "q"
    found = estimators.race(draws, (k,))
    blocks = draws.log_w[: len(draws.log_w) // k * k].reshape(-1, k)
    error = float(found.standard_error[0])
    q = "np.zeros((2, vae.latent_dim))" if from_prior else "(loc, log_scale)"
    body = (
        f"rng = np.random.default_rng({seed})\n"
        f"draws = draw(vae.decode, x, *{q}, estimators.POOL, rng)\nvalue = estimators.race(draws, [{k}])."
    )

    def fresh() -> Second:
        loc, scale = (np.zeros(subject.dimension), np.ones(subject.dimension)) if from_prior else subject.q
        other = _log_means(Fresh.draw(subject, loc, scale, len(blocks) * k).log_w.reshape(-1, k))
        return Second(float(other.mean()), 4 * float(np.hypot(error, standard_error(other))))

    def receipt(
        name: str, formula: str, method: str, second_method: str, second: Callable[[], Second], field: str, places: str
    ) -> Receipt:
        return _receipt(
            subject,
            f"{name}, draws of {whence}",
            formula,
            method,
            float(getattr(found, field)[0]),
            second_method,
            second,
            f"{body}{field}[0]",
            "from demo.evidence import draw",
            places=places,
            unit="draws" if field.startswith("effective") else "nats",
            more={"draws": f"{len(blocks):,} repeats of {k}, of {whence}", "seed": str(seed)},
        )

    return (
        receipt(
            "mean estimate",
            r"\log \frac1K \sum_{k=1}^K w_k, \quad w_k = \frac{p(x,z_k)}{q(z_k|x)}",
            "The mean over all repeats; each is the logarithm of K weights’ mean.",
            "As many other draws; four standard errors are allowed.",
            fresh,
            "mean",
            ".2f",
        ),
        receipt(
            "standard error",
            r"s / \sqrt{\text{repeats}}",
            "The spread of the repeats, divided by the root of their number.",
            "The repeats by np.logaddexp, their spread from sums of squares.",
            lambda: Second(standard_error(_log_means(blocks)), 1e-6 * (1 + error)),
            "standard_error",
            ".2f",
        ),
        receipt(
            "draws that count",
            r"\Big(\sum_k w_k\Big)^2 \Big/ \sum_k w_k^2",
            "The effective sample size, a mean over the repeats.",
            "1 / Σ w̃², with weights that sum to one, in logarithms throughout.",
            lambda: Second(float(np.mean([again.effective_sample_size(block) for block in blocks])), 1e-6 * k),
            "effective_sample_size",
            ".1f",
        ),
    )


def _log_means(blocks: Array) -> Array:
    """log of the mean of each block's weights. [repeats, K] → [repeats]."""
    means: Array = np.logaddexp.reduce(blocks, axis=-1) - np.log(blocks.shape[1])
    return means


def grid(subject: Subject, nodes: int, log_p_x_n: float, log_p_x: float) -> tuple[Receipt, ...]:
    """log p(x) by an even grid of `nodes` a side on [−5, 5]², and how far that is off the adaptive rule's."""
    axis = np.linspace(-5, 5, nodes)

    def own_sum() -> float:
        z = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)
        return float(np.logaddexp.reduce(np.sort(subject.log_joint(z))) + 2 * np.log(axis[1] - axis[0]))

    small = f"small = DecoderTable.build(vae.decode, Grid(5.0, {nodes}))\nby_grid = small.grid.log_integral"
    small += "(small.log_joint(x))\n"
    more = {"grid": f"{nodes} × {nodes} nodes on [−5, 5]²"}
    imports = "from demo.evidence import DecoderTable", "from demo.integrate import Grid"
    return (
        _receipt(
            subject,
            f"log p(x) by {nodes} × {nodes} nodes",
            r"\log \sum_g p(z_g)\, p(x|z_g)\, h^2",
            "The midpoint rule on nodes of the table; too coarse a grid is wrong, and shows it.",
            log_p_x_n,
            "The same nodes decoded once more, each pixel’s logarithm summed in float64.",
            lambda: Second(own_sum(), TOLERANCE),
            f"{small}value = by_grid",
            *imports,
            more=more,
        ),
        _receipt(
            subject,
            "off by",
            r"\log \sum_g p(z_g)\, p(x|z_g)\, h^2 - \log p(x)",
            "The grid less the adaptive rule.",
            log_p_x_n - log_p_x,
            "The same nodes decoded once more, less log p(x) on finer and finer lattices.",
            lambda: Second(own_sum() - subject.log_p_x(), TOLERANCE),
            f"{small}{TABLE}\nvalue = by_grid - log_evidence(table, vae.decode, x).value",
            "from demo.evidence import DecoderTable, log_evidence",
            imports[1],
            more=more,
        ),
    )


def divergence_by_draws(subject: Subject, n_samples: int, seed: int) -> tuple[Receipt, ...]:
    """D_KL[q(z|x) ‖ p(z)] as a mean over draws of q made with np.random.default_rng(seed), and its standard error."""
    rng = np.random.default_rng(seed)
    kl = estimators.kl_per_dimension(subject.loc, subject.log_scale, n_samples, rng)
    error = float(np.sqrt((kl.standard_error**2).sum()))
    body = f"rng = np.random.default_rng({seed})\nkl = estimators.kl_per_dimension(loc, log_scale, {n_samples}, rng)\n"
    formula = r"\frac1K \sum_{k=1}^K \log \frac{q(z_k|x)}{p(z_k)}"
    more = {"draws": f"{n_samples:,} of q", "seed": str(seed)}

    def spread() -> float:
        """√(Var[log q/p] / K), with the variance of each dimension by an even lattice."""
        each = zip(subject.loc, subject.scale, strict=True)
        return math.sqrt(sum(_variance_of_log_ratio(m, s) for m, s in each) / n_samples)

    return (
        _receipt(
            subject,
            "KL to the prior, sampled",
            formula,
            "The mean of log q/p over the draws, dimension by dimension, summed.",
            float(kl.mean.sum()),
            "∫ q log(q/p), summed on 401 nodes a dimension; four standard errors are allowed.",
            lambda: Second(float(again.kl_to_prior(subject.loc, subject.scale).sum()), 4 * error),
            f"{body}value = kl.mean.sum()",
            more=more,
        ),
        _receipt(
            subject,
            "standard error of the sampled KL",
            r"\sqrt{\textstyle\sum_j s_j^2 / K}",
            "The spread of log q/p over the draws; dimensions are independent, so variances add.",
            error,
            "The true variance of log q/p by an even lattice; draws may stray a tenth from it.",
            lambda: Second(spread(), 0.1 * error + 8 / n_samples),
            f"{body}value = np.sqrt((kl.standard_error**2).sum())",
            more=more,
        ),
    )


def _variance_of_log_ratio(mean: float, scale: float) -> float:
    noise = np.linspace(-10, 10, 401)
    weights = np.exp(-(noise**2) / 2) / np.exp(-(noise**2) / 2).sum()
    log_ratio = ((mean + scale * noise) ** 2 - noise**2) / 2
    return float(weights @ log_ratio**2 - (weights @ log_ratio) ** 2)


def contest(subject: Subject, exact: Account, fit: Fit, loc: Array, scale: Array) -> tuple[Receipt, ...]:
    """The bound of the visitor's q = N(loc, diag scale²) and its gap; the encoder's gap, and its two parts."""
    yours = elbo(subject.decode, subject.x, loc, np.log(scale))
    log_p_x = exact.log_p_x
    of_fit, of_encoder = (fit.loc, np.exp(fit.log_scale)), subject.q

    def bound(loc: Array, scale: Array) -> float:
        def log_ratio(z: Array) -> Array:
            return subject.log_joint(z) - again.log_normal(z, loc, scale)

        return again.mean_by_lattice(log_ratio, loc, scale)

    places = [[float(v) for v in part] for part in (loc, np.log(scale))]
    own = f"yours = elbo(vae.decode, x, np.array({places[0]}), np.array({places[1]}))\n"
    best = "starts = [(loc, log_scale), *mode_starts(exact.evidence)]\nfit = best_q(vae.decode, x, starts)\n"
    both, elbo_too = _EVIDENCE, f"{_EVIDENCE}, elbo"
    searched = (both, "from demo.contest import best_q, mode_starts")
    mine = {"your q": f"mean {vector(loc)}, σ {vector(scale, 3)}"}
    return (
        _receipt(
            subject,
            "your bound",
            r"\mathbb{E}_q[\log p(x|z)] - D_{KL}[q(z|x) \,\|\, p(z)]",
            "Gauss–Hermite nodes for the first term, closed form for the second.",
            yours.value,
            "The mean of log p(x, z)/q(z|x) on an even lattice around your q.",
            lambda: Second(bound(loc, scale), TOLERANCE),
            f"{own}value = yours.value",
            "from demo.evidence import elbo",
            places=".2f",
            more=mine,
        ),
        _receipt(
            subject,
            "your gap",
            r"\log p(x) - \text{ELBO}",
            "log p(x) by quadrature, less your bound.",
            log_p_x - yours.value,
            _LATTICES,
            lambda: Second(subject.log_p_x() - bound(loc, scale), TOLERANCE),
            f"{_EXACT}{own}value = exact.log_p_x - yours.value",
            elbo_too,
            more=mine,
        ),
        _receipt(
            subject,
            "the encoder’s gap",
            r"\log p(x) - \text{ELBO}",
            "log p(x) by quadrature, less the bound of the encoder’s q.",
            log_p_x - exact.elbo.value,
            _LATTICES,
            lambda: Second(subject.log_p_x() - bound(*of_encoder), TOLERANCE),
            f"{_EXACT}value = exact.log_p_x - exact.elbo.value",
            both,
        ),
        _receipt(
            subject,
            "approximation gap",
            r"\log p(x) - \max_q \text{ELBO}",
            "What the best q leaves, found by Newton’s method.",
            log_p_x - fit.elbo.value,
            _LATTICES,
            lambda: Second(subject.log_p_x() - bound(*of_fit), TOLERANCE),
            f"{_EXACT}{best}value = exact.log_p_x - fit.elbo.value",
            *searched,
        ),
        _receipt(
            subject,
            "amortisation gap",
            r"\max_q \text{ELBO} - \text{ELBO}",
            "The best bound, less the bound of the encoder’s q.",
            fit.elbo.value - exact.elbo.value,
            "Both bounds on even lattices around their q.",
            lambda: Second(bound(*of_fit) - bound(*of_encoder), TOLERANCE),
            f"{_EXACT}{best}value = fit.elbo.value - exact.elbo.value",
            *searched,
        ),
    )


def bits(subject: Subject, exact: Account) -> tuple[Receipt, ...]:
    """−log₂ p(x), and that a pixel, for a model of two dimensions."""
    pixels = len(subject.x)
    return (
        _receipt(
            subject,
            "−log₂ p(x)",
            r"-\log_2 p(x) = -\log p(x) / \log 2",
            "Nats divided by log 2.",
            -exact.log_p_x / math.log(2),
            "log p(x) on even lattices, times log₂ e.",
            lambda: Second(-subject.log_p_x() * float(np.log2(np.e)), TOLERANCE / math.log(2)),
            f"{_EXACT}value = -units.bits(exact.log_p_x)",
            _EVIDENCE,
            places=".1f",
            unit="bits",
        ),
        _receipt(
            subject,
            "bits per pixel",
            r"-\log_2 p(x) / 784",
            f"Over {pixels} pixels, each 0 or 1.",
            -exact.log_p_x / math.log(2) / pixels,
            "log p(x) on even lattices, times log₂ e, divided by the pixels.",
            lambda: Second(-subject.log_p_x() * float(np.log2(np.e)) / pixels, TOLERANCE),
            f"{_EXACT}value = units.bits_per_pixel(exact.log_p_x, {pixels})",
            _EVIDENCE,
            unit="bits",
        ),
    )
