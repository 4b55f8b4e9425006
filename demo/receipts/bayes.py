"""Receipts of Bayes' rule on a patch of the plane: peak and volume, before and after the division. Knows no page."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from demo.evidence import Account, Window
from demo.receipts import Receipt, Second, again, four_digits, near, power_of_ten, vector
from demo.receipts.evidence import ACCOUNT, LATTICES, TABLE, TOLERANCE, log_p_x
from demo.receipts.subject import Subject

_BY_HAND = "Prior and pixels at that z, the logarithm of each factor in float64, summed"
_SUMMED = "The same pixels decoded once more, summed from the smallest on"
_LOG_10 = math.log(10)


def receipts(subject: Subject, exact: Account, window: Window) -> tuple[Receipt, ...]:
    """log p(x) and p(x); the peak of the joint and of the posterior, and their volumes on the pixels of the patch."""
    return (log_p_x(subject, exact.log_p_x), *_peak(subject, exact, window), *_volume(subject, exact, window))


def _patch(window: Window) -> tuple[again.Array, float]:
    """The nodes [n², 2], and the area of one."""
    nodes = np.stack([m.ravel() for m in np.meshgrid(window.axis1, window.axis2)], axis=-1)
    return nodes, float((window.axis1[1] - window.axis1[0]) * (window.axis2[1] - window.axis2[0]))


def _code(subject: Subject, window: Window) -> tuple[str, dict[str, str]]:
    """Python that has the patch, and the patch in words."""
    n, side = len(window.axis1), _patch(window)[1] ** 0.5
    return (
        f"{ACCOUNT}window = posterior_window(vae.decode, x, exact, loc, log_scale)\nlog_p = window.log_posterior",
        {"patch": f"{n} × {n} pixels, {side:.2g} wide"},
    )


def _density(log: Callable[[], float], value: float) -> Callable[[], Second]:
    return lambda: Second(math.exp(log()), TOLERANCE * value)


def _peak(subject: Subject, exact: Account, window: Window) -> tuple[Receipt, ...]:
    log_p = window.log_posterior
    row, column = np.unravel_index(np.argmax(log_p), log_p.shape)
    peak, z = float(log_p[row, column]), np.array([window.axis1[column], window.axis2[row]])
    nodes, area = _patch(window)
    sheet = subject.sheet(*_code(subject, window))
    there, density = sheet.given({"z": vector(z, 3)}), sheet.given({"z": vector(z, 3)}, unit="")

    def joint() -> float:
        return float(subject.log_joint(z[None])[0])

    def posterior() -> float:
        return joint() - subject.log_p_x()

    def peak_again() -> Second:
        best = nodes[np.argmax(subject.log_joint(nodes))]
        pixel = 1.01 * area**0.5
        return Second(float(best[0]), pixel, (Second(float(best[1]), pixel),))

    return (
        sheet.given(unit="", places=".3f").receipt(
            "z₁ of the peak",
            r"\arg\max_z\, p(z|x)",
            "The pixel of the patch where the posterior is highest.",
            float(z[0]),
            "row, column = np.unravel_index(np.argmax(log_p), log_p.shape)\n(window.axis1[column], window.axis2[row])",
            "The highest joint density on the same pixels, decoded once more; it may be the next pixel.",
            peak_again,
            rest={"z₂": float(z[1])},
        ),
        there.receipt(
            "log p(x, z) at the peak",
            r"\log p(x,z) = \log p(z) + \log p(x|z)",
            "Prior and pixels there, in closed form.",
            peak + exact.log_p_x,
            "log_p.max() + exact.log_p_x",
            f"{_BY_HAND}.",
            near(joint, TOLERANCE),
        ),
        there.receipt(
            "log p(z|x) at the peak",
            r"\log p(z|x) = \log p(x,z) - \log p(x)",
            "The joint less the evidence.",
            peak,
            "log_p.max()",
            f"{_BY_HAND}; less log p(x) on even lattices.",
            near(posterior, TOLERANCE),
        ),
        density.receipt(
            "p(x, z) at the peak",
            r"p(x,z) = p(z)\, p(x|z)",
            "The exponential of its logarithm, which the snippet prints to base 10.",
            (peak + exact.log_p_x) / _LOG_10,
            "(log_p.max() + exact.log_p_x) / np.log(10)",
            f"{_BY_HAND}.",
            near(lambda: joint() / _LOG_10, TOLERANCE),
            words=power_of_ten,
        ),
        density.given(places=four_digits(math.exp(peak))).receipt(
            "p(z|x) at the peak",
            r"p(z|x) = p(x,z) / p(x)",
            "The exponential of its logarithm: a density, it may pass 1.",
            math.exp(peak),
            "np.exp(log_p.max())",
            f"{_BY_HAND}; less log p(x) on even lattices.",
            _density(posterior, math.exp(peak)),
        ),
    )


def _volume(subject: Subject, exact: Account, window: Window) -> tuple[Receipt, ...]:
    nodes, area = _patch(window)
    volume = float(np.exp(window.log_posterior).sum()) * area
    code, words = _code(subject, window)
    step = "(window.axis{0}[1] - window.axis{0}[0])"
    sheet = subject.sheet(f"{code}\nh2 = {step.format(1)} * {step.format(2)}", words).given(unit="")

    def log_sum() -> float:
        return float(np.logaddexp.reduce(np.sort(subject.log_joint(nodes))) + np.log(area))

    return (
        sheet.receipt(
            "volume before",
            r"\textstyle\sum p(x,z)\, h^2",
            "The pixels of the patch, each times its area; the snippet prints the logarithm to base 10.",
            math.log10(volume) + exact.log_p_x / _LOG_10,
            "np.log10(np.exp(log_p).sum() * h2) + exact.log_p_x / np.log(10)",
            f"{_SUMMED}, in logarithms.",
            near(lambda: log_sum() / _LOG_10, TOLERANCE),
            words=power_of_ten,
        ),
        sheet.given(places=".4f").receipt(
            "volume after",
            r"\textstyle\sum p(z|x)\, h^2",
            "The same, divided by p(x): 1, but for pixels that are too coarse and what lies outside the patch.",
            volume,
            "np.exp(log_p).sum() * h2",
            f"{_SUMMED}, divided by p(x) on even lattices.",
            _density(lambda: log_sum() - subject.log_p_x(), volume),
        ),
        subject.sheet(q=False)
        .given(unit="")
        .receipt(
            "p(x)",
            r"p(x) = \int p(z)\, p(x|z) \,dz",
            "The exponential of log p(x), which the snippet prints to base 10.",
            exact.log_p_x / _LOG_10,
            f"{TABLE}log_evidence(table, vae.decode, x).value / np.log(10)",
            LATTICES,
            near(lambda: subject.log_p_x() / _LOG_10, TOLERANCE),
            words=power_of_ten,
        ),
    )
