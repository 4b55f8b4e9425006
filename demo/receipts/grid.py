"""Receipts of brute force: even grids, the adaptive rule's squares, and what a grid costs. Knows no page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from demo import toys
from demo.densities import Array
from demo.evidence import Account, DecoderTable, log_evidence
from demo.receipts import Receipt, Second, Sheet, again, near, power_of_ten
from demo.receipts.again import Decode
from demo.receipts.evidence import TABLE, TOLERANCE, log_p_x
from demo.receipts.subject import Subject


class Counted:
    """A decoder that counts what is asked of it."""

    def __init__(self, decode: Decode) -> None:
        self.decode, self.decodings = decode, 0

    def __call__(self, z: Array) -> NDArray:
        self.decodings += len(z)
        return self.decode(z)


def grid(subject: Subject, nodes: int, by_grid: float, exact: Account) -> tuple[Receipt, ...]:
    """log p(x) by an even grid of `nodes` a side on [−5, 5]², and how far that is off the adaptive rule's."""
    axis = np.linspace(-5, 5, nodes)
    sheet = subject.sheet(
        f"small = DecoderTable.build(vae.decode, Grid(5.0, {nodes}))\n"
        "by_grid = small.grid.log_integral(small.log_joint(x))",
        {"grid": f"{nodes} × {nodes} nodes on [−5, 5]², step {10 / (nodes - 1):.3g}"},
    ).given(places=".3f")

    def own_sum() -> float:
        z = np.stack([m.ravel() for m in np.meshgrid(axis, axis)], axis=-1)
        return float(np.logaddexp.reduce(np.sort(subject.log_joint(z))) + 2 * np.log(axis[1] - axis[0]))

    return (
        sheet.receipt(
            f"log p(x) by {nodes} × {nodes} nodes",
            r"\log \sum_g p(z_g)\, p(x|z_g)\, h^2",
            "The midpoint rule on nodes of the table; too coarse a grid is wrong, and shows it.",
            by_grid,
            "by_grid",
            "The same nodes decoded once more, each pixel’s logarithm summed in float64.",
            near(own_sum, TOLERANCE),
        ),
        log_p_x(subject, exact.log_p_x, places=".3f"),
        sheet.receipt(
            "off by",
            r"\log \sum_g p(z_g)\, p(x|z_g)\, h^2 - \log p(x)",
            "The grid less the adaptive rule.",
            by_grid - exact.log_p_x,
            f"{TABLE}by_grid - log_evidence(table, vae.decode, x).value",
            "The same nodes decoded once more, less log p(x) on finer and finer lattices.",
            near(lambda: own_sum() - subject.log_p_x(), TOLERANCE),
        ),
    )


def squares(subject: Subject, exact: Account, table: Callable[[], DecoderTable]) -> tuple[Receipt, ...]:
    """What the adaptive rule took: decodings, squares, the smallest of them, and what the last quartering moved."""
    cells = exact.evidence.cells
    smallest = float(cells.widths.min())
    sheet = subject.sheet(f"{TABLE}found = log_evidence(table, vae.decode, x)", q=False).given(unit="")
    count = sheet.given(places=".0f")

    def decodings() -> float:
        counted = Counted(subject.decode)
        log_evidence(table(), counted, subject.x)
        return counted.decodings

    return (
        count.receipt(
            "decodings",
            r"\#\{z : \text{decoded}\}",
            "The nodes of all squares, of those too that were quartered later; the table’s are not among them.",
            exact.evidence.evaluations,
            "found.evaluations",
            "A count has no other formula: the same search once more, counted by the decoder.",
            near(decodings, 0),
        ),
        count.receipt(
            "squares",
            r"\#\{s\}",
            "Those that were left when quartering them moved nothing any more.",
            len(cells),
            "len(found.cells)",
            "Each centre, counted by one part in as many squares as it lies in: overlapping ones would count less.",
            near(lambda: again.disjoint(cells.centres, cells.widths), 1e-6),
        ),
        sheet.given(places=".4f").receipt(
            "smallest side",
            r"\min_s h_s",
            "The least side of all squares.",
            smallest,
            "found.cells.widths.min()",
            "The table’s step, 10/200, halved a whole number of times.",
            near(lambda: 0.05 / 2 ** round(math.log2(0.05 / smallest)), 1e-12),
        ),
        moved(subject, exact),
    )


def moved(subject: Subject, exact: Account) -> Receipt:
    """What the last quartering moved."""
    error = float(exact.evidence.error)
    sheet = subject.sheet(f"{TABLE}found = log_evidence(table, vae.decode, x)", q=False).given(unit="", places=".1e")
    return sheet.receipt(
        "moved by the last refinement",
        r"|I_{\text{finer}} - I| / I",
        "The rule’s own measure of its error, relative to p(x).",
        error,
        "found.error",
        "How far p(x) truly is off on even lattices: no more than that, and a thousandth for the lattices.",
        lambda: Second(abs(math.expm1(exact.log_p_x - subject.log_p_x())), error + TOLERANCE),
    )


def cost(model_id: str, decode: Decode, dimension: int, rate: float) -> tuple[Receipt, ...]:
    """201^d decodings, the rate that was timed, and the time that they take together; all as log₁₀."""
    log_rate, decodings = math.log10(rate), 201**dimension
    power = Sheet({"n": "201", "d": str(dimension)}, unit="")
    timed = Sheet(
        {"model": model_id, "batch": "4,096 draws of the prior"},
        f'vae = pretrained.load("{model_id}")\nz = digits.sample_prior(4096, vae.latent_dim, 0)\n'
        "vae.decode(z[:256])  # the first call pays for memory\n"
        "start = time.perf_counter()\nvae.decode(z)\nseconds = time.perf_counter() - start",
        unit="",
    )

    def once_more() -> float:
        """log₁₀ of decodings a second, of three batches the best."""
        z, seconds = np.random.default_rng(0).standard_normal((2000, dimension)), []
        for _ in range(3):
            start = time.perf_counter()
            decode(z)
            seconds.append(time.perf_counter() - start)
        return math.log10(len(z) / max(min(seconds), 1e-9))

    return (
        power.receipt(
            f"nodes of a grid in {dimension} dimensions",
            r"n^d = 201^d",
            "In logarithms: the number itself may have more digits than a float can hold.",
            toys.log10_evaluations(201, dimension),
            f"toys.log10_evaluations(201, {dimension})",
            "Python’s whole numbers, n^d in full: its digits, and its first sixteen.",
            near(lambda: again.log10_of(decodings), 1e-9),
            words=power_of_ten,
        ),
        timed.receipt(
            "decodings a second",
            r"\text{rate} = 4096 / \text{seconds}",
            "Timed once on this server, when it was first asked for.",
            log_rate,
            "np.log10(len(z) / seconds)",
            "A rate has no other formula: timed once more now, the best of three. A factor of three is allowed.",
            near(once_more, math.log10(3)),
            words=power_of_ten,
            repeatable=False,
        ),
        power.given({"rate": f"{power_of_ten(log_rate)} a second, as it was timed"}).receipt(
            "time for that grid",
            r"n^d / \text{rate}",
            "Nodes divided by the rate above.",
            toys.log10_seconds(201, dimension, rate),
            f"toys.log10_seconds(201, {dimension}, rate={rate!r})",
            "The whole number n^d, divided by the same rate: this checks the arithmetic, not the clock.",
            near(lambda: again.log10_of(decodings) - log_rate, 1e-9),
            words=toys.duration_in_words,
        ),
    )
