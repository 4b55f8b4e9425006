"""Receipts of the account of one x by brute force, of its divergence in closed form, and of both in other units.

Knows no page, and nothing of draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from demo import units
from demo.densities import Array, kl_to_prior_per_dimension, sigmoid
from demo.evidence import Account
from demo.receipts import Receipt, Second, Sheet, again, near
from demo.receipts.subject import Subject

TOLERANCE = 1e-3  # nats between two rules of quadrature
TABLE = "table = DecoderTable.build(vae.decode)  # 201 × 201 decodings\n"
ACCOUNT = f"{TABLE}exact = account(table, vae.decode, x, loc, log_scale)\n"
LATTICES = "The midpoint rule on even lattices, the step halved until nothing moves; no table."
KL = r"D_{KL}[q(z|x) \,\|\, p(z)]"
KL_IN_FULL = rf"{KL} = \tfrac12 \sum_j \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big)"
BOUND = rf"\mathbb{{E}}_q[\log p(x|z)] - {KL}"
GAP = r"D_{KL}[q(z|x) \,\|\, p(z|x)]"
CLOSED = "In closed form: both are normal."
NODES = "∫ q log(q/p), summed on 401 nodes a dimension."


def log_p_x(subject: Subject, value: float, places: str = ".2f") -> Receipt:
    """log p(x) by quadrature, for a model of two dimensions."""
    sheet = subject.sheet(q=False).given(places=places)
    return sheet.receipt(
        "log p(x)",
        r"\log p(x) = \log \int p(z)\, p(x|z) \,dz",
        "A table of the plane says where the mass is; there, squares are quartered until nothing moves.",
        value,
        f"{TABLE}log_evidence(table, vae.decode, x).value",
        LATTICES,
        near(subject.log_p_x, TOLERANCE),
    )


def account(subject: Subject, exact: Account) -> tuple[Receipt, ...]:
    """log p(x), ELBO, its two parts, the gap and what is left over, for a model of two dimensions."""
    loc, scale = subject.q
    sheet = subject.sheet()

    def reconstruction() -> float:
        return again.mean_by_lattice(lambda z: subject.log_joint(z) - again.log_normal(z), loc, scale)

    def kl() -> float:
        return float(again.kl_to_prior(loc, scale).sum())

    def gap() -> float:
        return again.mean_by_hermite(lambda z: subject.log_q(z) - subject.log_joint(z), loc, scale) + subject.log_p_x()

    return (
        log_p_x(subject, exact.log_p_x),
        sheet.receipt(
            "ELBO",
            rf"\text{{ELBO}} = {BOUND}",
            "Gauss–Hermite nodes for the first term, closed form for the second.",
            exact.elbo.value,
            "elbo(vae.decode, x, loc, log_scale).value",
            "Both terms on even lattices around q.",
            near(lambda: reconstruction() - kl(), TOLERANCE),
        ),
        sheet.receipt(
            "reconstruction",
            r"\mathbb{E}_q[\log p(x|z)]",
            "Gauss–Hermite nodes, more of them until two orders agree.",
            exact.elbo.reconstruction,
            "elbo(vae.decode, x, loc, log_scale).reconstruction",
            "An even lattice around q, out to 7σ, the step halved until nothing moves.",
            near(reconstruction, TOLERANCE),
        ),
        sheet.receipt(
            "KL to the prior",
            KL_IN_FULL,
            CLOSED,
            exact.elbo.kl,
            "elbo(vae.decode, x, loc, log_scale).kl",
            NODES,
            near(kl, TOLERANCE),
        ),
        sheet.receipt(
            "gap",
            rf"{GAP} = \int q(z|x) \log \frac{{q(z|x)}}{{p(z|x)}} \,dz",
            "The trapezoidal rule around q, out to 7σ, its step shrinking until nothing moves.",
            exact.gap,
            f"{ACCOUNT}exact.gap",
            "64 × 64 Gauss–Hermite nodes, and the second log p(x).",
            near(gap, TOLERANCE),
        ),
        sheet.given(places=".1e").receipt(
            "left over",
            rf"\log p(x) - \text{{ELBO}} - {GAP}",
            "Zero on paper: what three rules without a common node leave over.",
            exact.residual,
            f"{ACCOUNT}exact.residual",
            "The same from the second computations of all three terms.",
            near(lambda: subject.log_p_x() - (reconstruction() - kl()) - gap(), TOLERANCE),
        ),
    )


def kl_per_dimension(subject: Subject, inactive: float) -> tuple[Receipt, ...]:
    """D_KL[q(z|x) ‖ p(z)], whole and of the three largest dimensions; in how many it is above `inactive` nats."""
    each = kl_to_prior_per_dimension(subject.loc, subject.log_scale)
    sheet = subject.sheet("kl = kl_to_prior_per_dimension(loc, log_scale)").given(places=".3f")
    formula = r"D_{KL}[q(z_j|x) \,\|\, p(z_j)] = \tfrac12 \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big)"

    def second() -> Array:
        return again.kl_to_prior(subject.loc, subject.scale)

    def one(j: int) -> Receipt:
        mean, scale = float(subject.loc[j]), float(subject.scale[j])
        squares = {
            "j": f"{j + 1} of {subject.dimension}",
            "μ²": f"{mean**2:.3f}",
            "σ²": f"{scale**2:.5f}",
            "log σ²": f"{2 * math.log(scale):.3f}",
        }
        return sheet.given(squares).receipt(
            f"KL to the prior, dimension {j + 1}",
            formula,
            CLOSED,
            float(each[j]),
            f"kl[{j}]",
            NODES,
            near(lambda: float(second()[j]), 1e-6),
        )

    return (
        sheet.receipt(
            f"KL to the prior, all {subject.dimension} dimensions",
            KL_IN_FULL,
            CLOSED,
            float(each.sum()),
            "kl.sum()",
            NODES,
            near(lambda: float(second().sum()), 1e-6),
        ),
        *map(one, np.argsort(-each)[:3].tolist()),
        sheet.given(
            {"in use": f"above {inactive} nat, of {subject.dimension}"}, unit="dimensions", places=".0f"
        ).receipt(
            "dimensions in use",
            rf"\#\{{j : D_{{KL}}[q(z_j|x) \,\|\, p(z_j)] > {inactive}\}}",
            "Counted in closed form: in the others q is the prior, and says nothing of this picture.",
            int((each > inactive).sum()),
            f"(kl > {inactive}).sum()",
            f"Counted by {NODES}",
            near(lambda: float((second() > inactive).sum()), 0),
        ),
    )


@dataclass(frozen=True)
class Level:
    """log p(x), or the bound that stands for it: nats, Python whose last line is that, and how it is found again."""

    value: float
    code: str
    again: Callable[[], Second]
    second_method: str


def exactly(subject: Subject, value: float) -> Level:
    """log p(x) itself, by quadrature."""
    code = f"{TABLE}log_evidence(table, vae.decode, x).value"
    return Level(value, code, near(subject.log_p_x, TOLERANCE), "log p(x) on even lattices")


def other_units(subject: Subject, level: Level, scores: ArrayLike | None) -> tuple[Receipt, ...]:
    """−log₂ p(x), that a pixel, and where there are `scores` [N] of test digits, the share of them below it in %."""
    pixels = len(subject.x)
    *setup, expression = level.code.splitlines()
    sheet = subject.sheet("\n".join([*setup, f"log_p_x = {expression}"])).given(unit="bits")

    def in_bits(divisor: int = 1) -> Second:
        found = level.again()
        return Second(-found.value * float(np.log2(np.e)) / divisor, 2 * found.tolerance / divisor)

    receipts = [
        sheet.given(places=".1f").receipt(
            "−log₂ p(x)",
            r"-\log_2 p(x) = -\log p(x) / \log 2",
            "Nats divided by log 2.",
            -units.bits(level.value),
            "-units.bits(log_p_x)",
            f"{level.second_method}, times log₂ e.",
            in_bits,
        ),
        sheet.given({"pixels": str(pixels)}, places=".3f").receipt(
            "bits per pixel",
            rf"-\log_2 p(x) / {pixels}",
            f"Over {pixels} pixels, each 0 or 1.",
            units.bits_per_pixel(level.value, pixels),
            f"units.bits_per_pixel(log_p_x, {pixels})",
            f"{level.second_method}, times log₂ e, divided by the pixels.",
            lambda: in_bits(pixels),
        ),
    ]
    if scores is not None:
        receipts.append(_rank(sheet.given(unit="%", places=".1f"), level, np.asarray(scores, np.float64)))
    return tuple(receipts)


def _rank(sheet: Sheet, level: Level, scores: Array) -> Receipt:
    """The share of the scores below the level, in %."""
    in_order = np.sort(scores)

    def rank(value: float) -> float:
        below, up_to = np.searchsorted(in_order, value, "left"), np.searchsorted(in_order, value, "right")
        return 50 * float(below + up_to) / len(in_order)

    def second() -> Second:
        """The tolerance is the share of scores that lie no further off than log p(x) itself may be."""
        found = level.again()
        least, most = (rank(found.value + sign * found.tolerance) for sign in (-1, 1))
        return Second(rank(found.value), most - least + 1e-9)

    return sheet.given({"scores": f"{len(scores):,} test digits, shipped with the model"}).receipt(
        "likelier than",
        r"\tfrac{100}{N} \, \#\{n : \log p(x^n) < \log p(x)\}",
        "The share of test digits whose value lies below; equal ones count half.",
        100 * units.percentile(level.value, scores),
        "100 * units.percentile(log_p_x, vae.scores.log_p_x)",
        f"{level.second_method}, looked up among the scores in order.",
        second,
    )


def grey(subject: Subject) -> tuple[Receipt, ...]:
    """What binary cross-entropy leaves out: the log of its mass over grey pictures, and its value at the decoder's."""
    logits = np.asarray(subject.decode(subject.loc[None])[0], np.float64)
    mean = sigmoid(logits)
    sheet = subject.sheet("logits = vae.decode(loc[None])[0].astype(float)", {"l": "the logits at q’s mean"})
    return (
        sheet.given(places=".1f").receipt(
            "log of the mass over grey pictures",
            r"\log \prod_i \frac{\tanh(l_i/2)}{l_i}",
            "A tanh for each pixel, ½ where l is 0; their logarithms summed.",
            float(units.grey_log_mass(logits)),
            "units.grey_log_mass(logits)",
            "∫ λˣ(1 − λ)¹⁻ˣ dx from 0 to 1 by 96 Gauss–Legendre nodes a pixel.",
            near(lambda: again.grey_log_mass(logits), 1e-6),
        ),
        sheet.receipt(
            "BCE of the grey picture",
            r"\sum_i \log\!\big(1 + e^{l_i}\big) - \lambda_i l_i, \quad \lambda_i = \text{sigmoid}(l_i)",
            "The usual formula with the decoder’s own grey values in the place of x.",
            float((np.logaddexp(0, logits) - mean * logits).sum()),
            "(np.logaddexp(0, logits) - sigmoid(logits) * logits).sum()",
            "The entropy of each pixel’s coin, −λ log λ − (1 − λ) log (1 − λ), summed.",
            near(lambda: again.entropy(logits), 1e-6),
        ),
    )
