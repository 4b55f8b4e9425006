"""Receipts of the enemy's page: a region's mass, Z, samples, convergence, cost and sixteen images. Knows no page.

The page's numbers come from one grid of n cells an axis; the second ones from Gauss–Legendre panels or other sums.
A coarse grid is wrong, and its receipts say so.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from demo import toys
from demo.densities import Array
from demo.receipts import Receipt, Second, program
from demo.toys import Region, Toy

COARSE = 2e-3  # of Z: what a grid of some forty cells an axis may be off
_LEGENDRE = "Gauss–Legendre nodes on 24 panels an axis, which share no node with the grid."


def places(value: float) -> str:
    """Four digits or more, as the page writes an amount."""
    if 1e-3 <= abs(value) < 1e5:
        return f".{min(max(3 - math.floor(math.log10(abs(value))), 1), 6)}f"
    return ".3e" if value else ".0f"


def region_code(region: Region) -> str:
    return repr(tuple((float(a), float(b)) for a, b in region))


def masses(toy: Toy, region: Region, n: int) -> tuple[Receipt, ...]:
    """∫_A f, Z and p(A) on the grid of n cells an axis."""
    log_mass, log_z = toys.log_mass(toy, region, n), toys.log_normaliser(toy, n)
    mass, z = math.exp(log_mass), math.exp(log_z)
    inputs = {"f": toy.title, "cells": f"{n} an axis"}
    in_region = inputs | {"A": _region(region)}
    start = f'toy = toys.BY_NAME["{toy.name}"]\n'
    bounded = f"{start}region = {region_code(region)}\n"

    def true_mass() -> float:
        return math.exp(toys.reference(toy, region).log_value)

    def true_z() -> float:
        return math.exp(toys.reference(toy).log_value)

    return (
        Receipt(
            name="∫ f over A",
            formula=r"\int_A f(x)\,dx \approx \sum_{\text{cells}} f(\text{middle}) \cdot \text{its part in } A",
            inputs=in_region,
            method="f is taken as constant on each cell; a cell counts with the part of it that lies in A.",
            value=mass,
            unit="",
            second_method=_LEGENDRE,
            again=lambda: Second(true_mass(), COARSE * true_z()),
            snippet=program(f'{bounded}print(f"{{np.exp(toys.log_mass(toy, region, {n})):{places(mass)}}}")'),
            places=places(mass),
        ),
        Receipt(
            name="Z",
            formula=r"Z = \int f(x)\,dx \approx \sum_{\text{cells}} f(\text{middle}) \cdot \text{volume}",
            inputs=inputs,
            method="The same sum over the whole box.",
            value=z,
            unit="",
            second_method=_LEGENDRE,
            again=lambda: Second(true_z(), COARSE * true_z()),
            snippet=program(f'{start}print(f"{{np.exp(toys.log_normaliser(toy, {n})):{places(z)}}}")'),
            places=places(z),
        ),
        Receipt(
            name="p(x in A)",
            formula=r"p(x \in A) = \int_A f(x)\,dx \Big/ \int f(x)\,dx",
            inputs=in_region,
            method="The ratio of the two, each from the same cells.",
            value=toys.probability(toy, region, n),
            unit="",
            second_method=_LEGENDRE,
            again=lambda: Second(true_mass() / true_z(), COARSE),
            snippet=program(f'{bounded}print(f"{{toys.probability(toy, region, {n}):.4f}}")'),
            places=".4f",
        ),
    )


def samples(toy: Toy, region: Region, n: int, draws: int, seed: int) -> tuple[Receipt, ...]:
    """How many samples fell into A, their share, and its standard error."""
    p = toys.probability(toy, region, n)
    share = toys.share(toys.sample(toy, n, draws, seed), region, p)
    inputs = {"f": toy.title, "A": _region(region), "cells": f"{n} an axis", "draws": f"{draws:,}", "seed": str(seed)}
    body = (
        f'toy, region = toys.BY_NAME["{toy.name}"], {region_code(region)}\n'
        f"points = toys.sample(toy, {n}, {draws}, seed={seed})\n"
        f"share = toys.share(points, region, toys.probability(toy, region, {n}))\n"
    )

    def truth() -> float:
        return math.exp(toys.reference(toy, region).log_value - toys.reference(toy).log_value)

    def receipt(
        name: str,
        formula: str,
        method: str,
        value: float,
        second_method: str,
        again: Callable[[], Second],
        field: str,
        shown: str,
    ) -> Receipt:
        return Receipt(
            name=name,
            formula=formula,
            inputs=inputs,
            method=method,
            value=value,
            unit="",
            second_method=second_method,
            again=again,
            snippet=program(f'{body}print(f"{{share.{field}:{shown}}}")'),
            places=shown,
        )

    expected = "The exact p(A), by Gauss–Legendre nodes"
    four = 4 * share.standard_error + COARSE
    return (
        receipt(
            "samples in A",
            r"\#\{x^n \in A\}",
            "A cell is drawn by its share of Z, then a place in it; those in A are counted.",
            float(share.hits),
            f"{expected}, times the number of draws; four standard errors are allowed.",
            lambda: Second(truth() * draws, four * draws),
            "hits",
            ".0f",
        ),
        receipt(
            "share of samples in A",
            r"\frac1N \#\{x^n \in A\}",
            "That count, divided by the number of draws.",
            share.value,
            f"{expected}; four standard errors are allowed.",
            lambda: Second(truth(), four),
            "value",
            ".4f",
        ),
        receipt(
            "standard error of the share",
            r"\sqrt{p(1-p)/N}",
            "That of a binomial share with the grid’s own p(A).",
            share.standard_error,
            "From the samples alone: the spread of “in A” over them, divided by the root of their number.",
            lambda: Second(float(share.inside.std(ddof=1) / np.sqrt(draws)), 4 / draws + COARSE / np.sqrt(draws)),
            "standard_error",
            ".4f",
        ),
    )


def convergence(toy: Toy, n: int) -> tuple[Receipt, ...]:
    """Z_n / Z, the reference Z itself, and how far the nearest normal misses."""
    inputs = {"f": toy.title}
    truth = math.exp(toys.reference(toy).log_value)
    z_n = math.exp(toys.log_normaliser(toy, n))
    start = f'toy = toys.BY_NAME["{toy.name}"]\n'
    return (
        Receipt(
            name="Z by the other rule",
            formula=r"Z = \int f(x)\,dx",
            inputs=inputs,
            method=_LEGENDRE,
            value=truth,
            unit="",
            second_method="The plain sum of f over 900 even cells an axis.",
            again=lambda: Second(_plain_sum(toy), 1e-4 * truth),
            snippet=program(f'{start}print(f"{{np.exp(toys.reference(toy).log_value):{places(truth)}}}")'),
            places=places(truth),
        ),
        Receipt(
            name="∫ p on the grid",
            formula=r"\int p(x)\,dx \approx Z_n / Z",
            inputs=inputs | {"cells": f"{n} an axis"},
            method="Z on the grid of n cells an axis, divided by Z of the other rule.",
            value=z_n / truth,
            unit="",
            second_method="The plain sum of f over the same cells, divided by that over 900 cells an axis.",
            again=lambda: Second(_plain_sum(toy, n) / _plain_sum(toy), 1e-4),
            snippet=program(
                f"{start}log_ratio = toys.log_normaliser(toy, {n}) - toys.reference(toy).log_value\n"
                'print(f"{np.exp(log_ratio):.6f}")'
            ),
            places=".6f",
        ),
        Receipt(
            name="divergence to the nearest normal",
            formula=r"D_{KL}[q_{data} \,\|\, p_\theta] = \mathbb{E}\big[\log q_{data}\big]"
            r" + \sum_j \tfrac12 \big(1 + \log 2\pi s_j^2\big)",
            inputs=inputs,
            method="Mean and variance of the data give the nearest normal; expectations by Gauss–Legendre nodes.",
            value=toys.best_normal(toy).kl,
            unit="nats",
            second_method="log q/p summed term by term over 900 even cells an axis.",
            again=lambda: Second(_plain_divergence(toy), 1e-4),
            snippet=program(f'{start}print(f"{{toys.best_normal(toy).kl:.3f}}")'),
            places=".3f",
        ),
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


def cost(n: int) -> tuple[Receipt, ...]:
    """The rates that were timed, and the last row of the table: cells and seconds for an image, as log₁₀."""
    rates, d = toys.measured_rates(), toys.IMAGE_DIMENSION
    log_cells = toys.log10_evaluations(n, d)
    return (
        *(_rate(k, rate) for k, rate in rates.items()),
        Receipt(
            name=f"cells in {d} dimensions, log₁₀",
            formula=r"\log_{10} n^d = d \log_{10} n",
            inputs={"n": str(n), "d": str(d)},
            method="In logarithms: the number itself has more digits than a float can hold.",
            value=log_cells,
            unit="",
            second_method="Python’s whole numbers, n^d in full: its digits, and its first sixteen.",
            again=lambda: Second(_log10_of(n**d), 1e-9),
            snippet=program(f'print(f"{{toys.log10_evaluations({n}, {d}):.2f}}")'),
        ),
        Receipt(
            name=f"seconds for {d} dimensions, log₁₀",
            formula=r"\log_{10} (n^d / \text{rate})",
            inputs={
                "n": str(n),
                "d": str(d),
                "rate": f"{rates[3] / 1e6:.1f} million a second, as for three dimensions",
            },
            method="Cells divided by the rate that was timed in three dimensions.",
            value=toys.log10_seconds(n, d, rates[3]),
            unit="",
            second_method="The same whole number, divided by the rate.",
            again=lambda: Second(_log10_of(n**d) - math.log10(rates[3]), 1e-9),
            snippet=program(f'print(f"{{toys.log10_seconds({n}, {d}, rate={rates[3]!r}):.2f}}")'),
        ),
    )


def _rate(d: int, rate: float) -> Receipt:
    return Receipt(
        name=f"f a second in {d} dimension{'s' if d > 1 else ''}",
        formula=r"\text{rate} = 10\,000 / \text{seconds}",
        inputs={"f": "a random network of 16 hidden units", "points": "10,000 at once"},
        method="The best of five timings on this server, when it was first asked for.",
        value=rate / 1e6,
        unit="million",
        second_method="A rate has no other formula: the same work, timed once more now. A factor of three is allowed.",
        again=lambda: _within_three(rate / 1e6, _timed(d) / 1e6),
        snippet=program(f'print(f"{{toys.measured_rates()[{d}] / 1e6:.1f}}")'),
        places=".1f",
        repeatable=False,
    )


def _within_three(rate: float, other: float) -> Second:
    return Second(other, 2 * min(rate, other))


def _timed(d: int) -> float:
    """Evaluations a second: the best of three batches of another size."""
    log_f, points = toys.random_network(d, 0), np.random.default_rng(1).uniform(-5, 5, (12_000, d))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        log_f(points)
        seconds.append(time.perf_counter() - start)
    return len(points) / max(min(seconds), 1e-9)


def _log10_of(whole: int) -> float:
    """From its decimal digits."""
    text = str(whole)
    return math.log10(int(text[:16])) + len(text[16:])


def images(logits: Array) -> tuple[Receipt, ...]:
    """Four coins: the sum over 16 images, Z as a product, their ratio, and the likeliest image."""
    model = toys.bernoulli_total(logits)
    z, total = float(np.exp(np.logaddexp(0, logits).sum())), float(np.exp(model.images @ logits).sum())
    likeliest = int(model.probability.argmax())
    name = "".join(str(int(pixel)) for pixel in model.images[likeliest])
    inputs = {"l": "(" + ", ".join(f"{v:.2f}".replace("-", "−") for v in logits) + ")"}
    start = f"logits = np.array({[float(round(v, 6)) for v in logits]})\nmodel = toys.bernoulli_total(logits)\n"

    def product() -> float:
        return math.prod(1 + math.exp(v) for v in logits)

    def one_by_one() -> float:
        """16 terms, each the product of its own four factors."""
        bits = ([k >> i & 1 for i in range(4)] for k in range(16))
        return math.fsum(
            math.prod(math.exp(v) if on else 1.0 for v, on in zip(logits, image, strict=True)) for image in bits
        )

    def receipt(
        name: str,
        formula: str,
        method: str,
        value: float,
        second_method: str,
        again: Callable[[], float],
        code: str,
        shown: str,
    ) -> Receipt:
        return Receipt(
            name=name,
            formula=formula,
            inputs=inputs,
            method=method,
            value=value,
            unit="",
            second_method=second_method,
            again=lambda: Second(again(), 1e-9 * max(value, 1)),
            snippet=program(f'{start}print(f"{{{code}:{shown}}}")'),
            places=shown,
        )

    return (
        receipt(
            "sum over 16 images",
            r"\sum_x e^{x^\top l}",
            "Sixteen exponentials, summed.",
            total,
            "The product of four brackets 1 + exp l.",
            product,
            "np.exp(model.images @ logits).sum()",
            places(total),
        ),
        receipt(
            "Z of four coins",
            r"Z = \prod_i \big(1 + e^{l_i}\big)",
            "A product of four brackets, as the sum of their logarithms.",
            z,
            "Sixteen terms, one image after the other.",
            one_by_one,
            "np.exp(np.logaddexp(0, logits).sum())",
            places(z),
        ),
        receipt(
            "sum of p over 16 images",
            r"\sum_x p(x)",
            "Sixteen probabilities, each already divided by Z, summed.",
            model.total,
            "Sixteen terms one after the other, divided by the product.",
            lambda: one_by_one() / product(),
            "model.total",
            ".6f",
        ),
        receipt(
            f"p of the likeliest image, {name}",
            r"p(x) = e^{x^\top l} / Z",
            "The largest of the sixteen; the others come from the same line.",
            float(model.probability[likeliest]),
            "Four coins one after the other: a logistic function for each pixel.",
            lambda: math.prod(
                1 / (1 + math.exp(-v if on else v)) for v, on in zip(logits, model.images[likeliest], strict=True)
            ),
            f"model.probability[{likeliest}]",
            ".4f",
        ),
    )


def _region(region: Region) -> str:
    return " × ".join(f"[{a:.2f}, {b:.2f}]".replace("-", "−") for a, b in region)
