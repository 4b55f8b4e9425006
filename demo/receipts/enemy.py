"""Receipts of the enemy's page: a region's mass, Z, samples, convergence, cost and sixteen images. Knows no page.

The page's numbers come from one grid of n cells an axis; the second ones from Gauss–Legendre panels or other sums.
A coarse grid is wrong, and its receipts say so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from demo import toys
from demo.densities import Array
from demo.receipts import Receipt, Second, Sheet, again, four_digits, near
from demo.toys import Region, Toy

COARSE = 2e-3  # of Z: what a grid of some forty cells an axis may be off
_LEGENDRE = "Gauss–Legendre nodes on 24 panels an axis, which share no node with the grid."
_WHOLE = "Python’s whole numbers, n^d in full: its digits, and its first sixteen."


def masses(toy: Toy, region: Region, n: int) -> tuple[Receipt, ...]:
    """∫_A f, Z and p(A) on the grid of n cells an axis."""
    mass, z = math.exp(toys.log_mass(toy, region, n)), math.exp(toys.log_normaliser(toy, n))
    sheet = _of(toy).given({"cells": f"{n} an axis"})
    bounded = sheet.given({"A": _region(region)}, f"region = {_code(region)}")

    def true_mass() -> float:
        return math.exp(toys.reference(toy, region).log_value)

    def true_z() -> float:
        return math.exp(toys.reference(toy).log_value)

    return (
        bounded.given(places=four_digits(mass)).receipt(
            "∫ f over A",
            r"\int_A f(x)\,dx \approx \sum_{\text{cells}} f(\text{middle}) \cdot \text{its part in } A",
            "f is taken as constant on each cell; a cell counts with the part of it that lies in A.",
            mass,
            f"np.exp(toys.log_mass(toy, region, {n}))",
            _LEGENDRE,
            lambda: Second(true_mass(), COARSE * true_z()),
        ),
        sheet.given(places=four_digits(z)).receipt(
            "Z",
            r"Z = \int f(x)\,dx \approx \sum_{\text{cells}} f(\text{middle}) \cdot \text{volume}",
            "The same sum over the whole box.",
            z,
            f"np.exp(toys.log_normaliser(toy, {n}))",
            _LEGENDRE,
            lambda: Second(true_z(), COARSE * true_z()),
        ),
        bounded.receipt(
            "p(x in A)",
            r"p(x \in A) = \int_A f(x)\,dx \Big/ \int f(x)\,dx",
            "The ratio of the two, each from the same cells.",
            toys.probability(toy, region, n),
            f"toys.probability(toy, region, {n})",
            _LEGENDRE,
            near(lambda: true_mass() / true_z(), COARSE),
        ),
    )


def samples(toy: Toy, region: Region, n: int, draws: int, seed: int) -> tuple[Receipt, ...]:
    """How many samples fell into A, their share, and its standard error."""
    share = toys.share(toys.sample(toy, n, draws, seed), region, toys.probability(toy, region, n))
    sheet = _of(toy).given(
        {"A": _region(region), "cells": f"{n} an axis", "draws": f"{draws:,}", "seed": str(seed)},
        f"region = {_code(region)}\npoints = toys.sample(toy, {n}, {draws}, seed={seed})\n"
        f"share = toys.share(points, region, toys.probability(toy, region, {n}))",
    )
    expected = "The exact p(A), by Gauss–Legendre nodes"
    four = 4 * share.standard_error + COARSE

    def truth() -> float:
        return math.exp(toys.reference(toy, region).log_value - toys.reference(toy).log_value)

    return (
        sheet.given(places=".0f").receipt(
            "samples in A",
            r"\#\{x^n \in A\}",
            "A cell is drawn by its share of Z, then a place in it; those in A are counted.",
            share.hits,
            "share.hits",
            f"{expected}, times the number of draws; four standard errors are allowed.",
            near(lambda: truth() * draws, four * draws),
        ),
        sheet.receipt(
            "share of samples in A",
            r"\frac1N \#\{x^n \in A\}",
            "That count, divided by the number of draws.",
            share.value,
            "share.value",
            f"{expected}; four standard errors are allowed.",
            near(truth, four),
        ),
        sheet.receipt(
            "standard error of the share",
            r"\sqrt{p(1-p)/N}",
            "That of a binomial share with the grid’s own p(A).",
            share.standard_error,
            "share.standard_error",
            "From the samples alone: the spread of “in A” over them, divided by the root of their number.",
            near(lambda: float(share.inside.std(ddof=1) / np.sqrt(draws)), 4 / draws + COARSE / np.sqrt(draws)),
        ),
    )


def convergence(toy: Toy, n: int) -> tuple[Receipt, ...]:
    """What f holds, how far the nearest normal misses, the reference Z and its error, and Z_n / Z."""
    sheet, reference = _of(toy), toys.reference(toy)
    truth, z_n = math.exp(reference.log_value), math.exp(toys.log_normaliser(toy, n))
    cells = {"cells": f"{n} an axis"}
    return (
        sheet.given(unit="nats", places=".3f").receipt(
            "divergence to the nearest normal",
            r"D_{KL}[q_{data} \,\|\, p_\theta] = \mathbb{E}\big[\log q_{data}\big]"
            r" + \sum_j \tfrac12 \big(1 + \log 2\pi s_j^2\big)",
            "Mean and variance of the data give the nearest normal; expectations by Gauss–Legendre nodes.",
            toys.best_normal(toy).kl,
            "toys.best_normal(toy).kl",
            "log q/p summed term by term over 900 even cells an axis.",
            near(lambda: _plain_divergence(toy), 1e-4),
        ),
        sheet.given(places=four_digits(truth)).receipt(
            "Z by the other rule",
            r"Z = \int f(x)\,dx",
            _LEGENDRE,
            truth,
            "np.exp(toys.reference(toy).log_value)",
            "The plain sum of f over 900 even cells an axis.",
            near(lambda: _plain_sum(toy), 1e-4 * truth),
        ),
        sheet.given(places=".1e").receipt(
            "halving the panels moves it by",
            r"|Z_{24} - Z_{12}| / Z_{24}",
            "Z on 24 panels an axis against Z on 12, relative.",
            reference.error,
            "toys.reference(toy).error",
            "How far Z is off the plain sum over 900 even cells an axis, which is off by 10⁻⁴ at most itself.",
            near(lambda: abs(_plain_sum(toy) / truth - 1), reference.error + 1e-4),
        ),
        sheet.given(cells, places=".6f").receipt(
            "∫ p on the grid",
            r"\int p(x)\,dx \approx Z_n / Z",
            "Z on the grid of n cells an axis, divided by Z of the other rule.",
            z_n / truth,
            f"np.exp(toys.log_normaliser(toy, {n}) - toys.reference(toy).log_value)",
            "The plain sum of f over the same cells, divided by that over 900 cells an axis.",
            near(lambda: _plain_sum(toy, n) / _plain_sum(toy), 1e-4),
        ),
    )


def _of(toy: Toy) -> Sheet:
    """Receipts about one f; its Python has `toy`."""
    return Sheet(
        {"f": f"{toy.title}, of {toy.parameters} numbers"}, f'toy = toys.BY_NAME["{toy.name}"]', unit="", places=".4f"
    )


def _grid(toy: Toy, n: int) -> tuple[Array, Array, float]:
    """Middles [m, d] of n even cells an axis, f there [m], and the volume of a cell."""
    axes = [np.linspace(low, high, 2 * n + 1)[1::2] for low, high in toy.box]
    points = np.stack([m.ravel() for m in np.meshgrid(*axes)], axis=-1)
    f = np.concatenate(
        [np.exp(toy.log_density(block)) for block in np.array_split(points, max(1, len(points) // 50_000))]
    )
    return points, f, math.prod((high - low) / n for low, high in toy.box)


def _plain_sum(toy: Toy, n: int = 900) -> float:
    _, f, volume = _grid(toy, n)
    return math.fsum(f) * volume


def _plain_divergence(toy: Toy) -> float:
    x, f, _ = _grid(toy, 900)
    p = f / f.sum()
    loc = p @ x
    scale = np.sqrt(p @ x**2 - loc**2)
    log_normal = -((x - loc) ** 2) / (2 * scale**2) - np.log(scale * np.sqrt(2 * np.pi))
    log_data = np.log(np.maximum(f, 1e-300)) - np.log(_plain_sum(toy))
    return float(p @ (log_data - log_normal.sum(axis=-1)))


def cost(n: int, dimensions: tuple[int, ...]) -> tuple[Receipt, ...]:
    """The rates that were timed, and cells and time of each row of the table, the last row first; as log₁₀."""
    rates, slowest = toys.measured_rates(), max(toys.RATED)
    last, *others = reversed(dimensions)
    rate = {d: rates.get(d, rates[slowest]) for d in dimensions}
    sheet = Sheet({"n": str(n), "d": ", ".join(map(str, dimensions))}, f"n, dimensions = {n}, {[last, *others]}", "")
    timed = {"rates": " · ".join(f"{r / 1e6:.1f} million" for r in rates.values()) + " a second; beyond, the last"}

    def seconds(d: int) -> float:
        return toys.log10_seconds(n, d, rate[d])

    def rows(compute: Callable[[int], float]) -> Second:
        found = [Second(compute(d), 1e-9) for d in (last, *others)]
        return replace(found[0], rest=tuple(found[1:]))

    return (
        _rates(rates),
        sheet.receipt(
            f"cells in {last} dimensions",
            r"n^d, \quad \log_{10} n^d = d \log_{10} n",
            "In logarithms, which the snippet prints: the number itself has more digits than a float can hold.",
            toys.log10_evaluations(n, last),
            "[toys.log10_evaluations(n, d) for d in dimensions]",
            _WHOLE,
            lambda: rows(lambda d: again.log10_of(n**d)),
            rest={f"in {d}": toys.log10_evaluations(n, d) for d in others},
            words=toys.count_in_words,
        ),
        sheet.given(timed, f"rates = {[rate[d] for d in (last, *others)]}").receipt(
            f"time for {last} dimensions",
            r"n^d / \text{rate}",
            "Cells divided by the rate of that many dimensions, or of three. Only the rate is measured.",
            seconds(last),
            "[toys.log10_seconds(n, d, rate) for d, rate in zip(dimensions, rates)]",
            f"{_WHOLE} Divided by the same rate: this checks the arithmetic, not the clock.",
            lambda: rows(lambda d: again.log10_of(n**d) - math.log10(rate[d])),
            rest={f"for {d}": seconds(d) for d in others},
            words=toys.duration_in_words,
        ),
    )


def _rates(rates: Mapping[int, float]) -> Receipt:
    """f a second, in millions."""
    first, *others = rates

    def once_more() -> Second:
        found = [(_timed(d) / 1e6, rate / 1e6) for d, rate in rates.items()]
        seconds = [Second(now, 2 * min(now, before)) for now, before in found]
        return replace(seconds[0], rest=tuple(seconds[1:]))

    inputs = {"f": "a random network of 16 hidden units", "points": "10,000 at once"}
    return Sheet(inputs, unit="million", places=".1f").receipt(
        "f a second in 1 dimension",
        r"\text{rate} = 10\,000 / \text{seconds}",
        "The best of five timings on this server, when it was first asked for.",
        rates[first] / 1e6,
        "[rate / 1e6 for rate in toys.measured_rates().values()]",
        "A rate has no other formula: the same work, timed once more now. A factor of three is allowed.",
        once_more,
        repeatable=False,
        rest={f"in {d}": rates[d] / 1e6 for d in others},
    )


def _timed(d: int) -> float:
    """Evaluations a second: the best of three batches of another size."""
    log_f, points = toys.random_network(d, 0), np.random.default_rng(1).uniform(-5, 5, (12_000, d))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        log_f(points)
        seconds.append(time.perf_counter() - start)
    return len(points) / max(min(seconds), 1e-9)


def images(logits: Array) -> tuple[Receipt, ...]:
    """Four coins: the sum over 16 images, Z as a product, their ratio, and p of each image, the likeliest first."""
    model = toys.bernoulli_total(logits)
    z, total = float(np.exp(np.logaddexp(0, logits).sum())), float(np.exp(model.images @ logits).sum())
    order = np.argsort(-model.probability, kind="stable")
    names = ["".join(str(int(pixel)) for pixel in model.images[i]) for i in order]
    sheet = Sheet(
        {"l": "(" + ", ".join(f"{v:.2f}".replace("-", "−") for v in logits) + ")"},
        f"logits = np.array({[float(round(v, 6)) for v in logits]})\nmodel = toys.bernoulli_total(logits)",
        unit="",
        places=".4f",
    )

    def product() -> float:
        return math.prod(1 + math.exp(v) for v in logits)

    def one_by_one() -> float:
        """16 terms, each the product of its own four factors."""
        bits = ([k >> i & 1 for i in range(4)] for k in range(16))
        return math.fsum(
            math.prod(math.exp(v) if on else 1.0 for v, on in zip(logits, image, strict=True)) for image in bits
        )

    def coins(name: str) -> float:
        return math.prod(1 / (1 + math.exp(-v if on == "1" else v)) for v, on in zip(logits, name, strict=True))

    return (
        sheet.given(places=four_digits(total)).receipt(
            "sum over 16 images",
            r"\sum_x e^{x^\top l}",
            "Sixteen exponentials, summed.",
            total,
            "np.exp(model.images @ logits).sum()",
            "The product of four brackets 1 + exp l.",
            near(product, 1e-9 * total),
        ),
        sheet.given(places=four_digits(z)).receipt(
            "Z of four coins",
            r"Z = \prod_i \big(1 + e^{l_i}\big)",
            "A product of four brackets, as the sum of their logarithms.",
            z,
            "np.exp(np.logaddexp(0, logits).sum())",
            "Sixteen terms, one image after the other.",
            near(one_by_one, 1e-9 * z),
        ),
        sheet.given(places=".6f").receipt(
            "sum of p over 16 images",
            r"\sum_x p(x)",
            "Sixteen probabilities, each already divided by Z, summed.",
            model.total,
            "model.total",
            "Sixteen terms one after the other, divided by the product.",
            near(lambda: one_by_one() / product(), 1e-9),
        ),
        sheet.receipt(
            f"p of the likeliest image, {names[0]}",
            r"p(x) = e^{x^\top l} / Z",
            "All sixteen, the likeliest first.",
            model.probability[order[0]],
            "np.sort(model.probability)[::-1]",
            "Four coins one after the other: a logistic function for each pixel.",
            lambda: Second(coins(names[0]), 1e-9, tuple(Second(coins(name), 1e-9) for name in names[1:])),
            rest={name: float(model.probability[i]) for name, i in zip(names[1:], order[1:], strict=True)},
        ),
    )


def _code(region: Region) -> str:
    return repr(tuple((float(a), float(b)) for a, b in region))


def _region(region: Region) -> str:
    return " × ".join(f"[{a:.2f}, {b:.2f}]".replace("-", "−") for a, b in region)
