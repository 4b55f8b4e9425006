"""Receipts of the training page: the plane's end, the shipped model beside published ones, every point of the sweep.

The networks of the sweep are not shipped; their digits' figures are, and these are added up anew. Knows no page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from demo import toys
from demo.receipts import Receipt, Second, Sheet, again, near, power_of_ten

ROUNDING = 1e-4  # nats: figures of single digits are kept in float32
_STORY = "story = training.load()"


class Moment(Protocol):
    """The account of a moment."""

    @property
    def step(self) -> int: ...
    @property
    def log_p_x(self) -> float: ...
    @property
    def elbo(self) -> float: ...
    @property
    def gap(self) -> float: ...


class Unfolding(Protocol):
    """What is asked of the plane that unfolds."""

    @property
    def moments(self) -> Sequence[Moment]: ...
    @property
    def images(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def training_images(self) -> int: ...
    @property
    def of_digits(self) -> Mapping[str, NDArray[np.float32]]: ...


class Story(Protocol):
    """What is asked of the sweep."""

    @property
    def points(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def scores(self) -> Mapping[tuple[str, int], NDArray[np.float32]]: ...
    @property
    def unfolding(self) -> Unfolding: ...
    @property
    def active_above(self) -> float: ...


class Model(Protocol):
    """What is asked of a shipped model."""

    @property
    def model_id(self) -> str: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def scores(self) -> Any: ...


class Other(Protocol):
    """A published number."""

    @property
    def name(self) -> str: ...
    @property
    def latent_dim(self) -> int: ...
    @property
    def nll(self) -> float: ...
    @property
    def samples(self) -> int: ...
    @property
    def source(self) -> str: ...


class Figure(NamedTuple):
    """log p(x) of the test digits in nats, or the best lower bound of it."""

    value: float
    exact: bool


def best_figure(manifest: Mapping[str, Any]) -> Figure | None:
    """What the manifest says of log p(x); None where it was exported without."""
    test = manifest["test"]
    if "log_p_x" in test:
        return Figure(test["log_p_x"]["value"], True)
    return Figure(test["importance_weighted"]["value"], False) if "importance_weighted" in test else None


def has_bound(epochs: Sequence[Mapping[str, float]]) -> bool:
    """Whether the run raised another bound than the ELBO."""
    return any(epoch.get("bound", epoch["elbo"]) - epoch["elbo"] > ROUNDING for epoch in epochs)


def seen(found: Unfolding) -> list[int]:
    """Digits that were seen up to each moment: whole epochs, and batches of the one that runs."""
    per_epoch = math.ceil(found.training_images / found.batch_size)
    counts = []
    for moment in found.moments:
        epochs, steps = divmod(moment.step, per_epoch)
        counts.append(epochs * found.training_images + steps * found.batch_size)
    return counts


def log10_seconds(points: Sequence[Mapping[str, Any]], nodes: int) -> NDArray[np.float64]:
    """log₁₀ of the seconds that nodes^d decodings take, for each point, at the rate measured for its decoder."""
    rates = [1 / point["seconds_per_decoding"] for point in points]
    return np.array([toys.log10_seconds(nodes, p["latent_dim"], r) for p, r in zip(points, rates, strict=True)])


def receipts(story: Story, vae: Model, others: Sequence[Other], nodes: int) -> tuple[Receipt, ...]:
    """Of every number of the page, in its order."""
    return (*_end(story), *_model(vae, others), *_sweep(story), *_cost(story.points, nodes))


def _end(story: Story) -> tuple[Receipt, ...]:
    """The last moment of the plane."""
    found = story.unfolding
    last = found.moments[-1]
    sheet = Sheet(
        {"moments": f"{len(found.moments)}", "digits": f"the first {found.images} that were held out"}, _STORY
    )

    def mean(*names: str) -> Callable[[], Second]:
        columns = [np.asarray(found.of_digits[name][-1], np.float64) for name in names]
        values = columns[0] - sum(columns[1:])
        return near(lambda: math.fsum(values) / len(values), ROUNDING)

    words = "The shipped figures of every digit, added up anew."
    return (
        sheet.receipt(
            "log p(x) in the end",
            r"\frac1N \sum_n \log \sum_g p(z_g)\, p(x^n|z_g)\, h^2",
            "Summed over an even lattice on [−5, 5]², with the weights of the last step.",
            last.log_p_x,
            "story.unfolding.moments[-1].log_p_x",
            words,
            mean("log_p_x"),
        ),
        sheet.receipt(
            "gap in the end",
            r"\log p(x) - \text{ELBO}",
            "The same, less the ELBO with its KL in closed form and 64 draws of q a digit.",
            last.gap,
            "story.unfolding.moments[-1].gap",
            words,
            mean("log_p_x", "elbo"),
        ),
    )


def _model(vae: Model, others: Sequence[Other]) -> tuple[Receipt, ...]:
    """log p(x) of the shipped model, and how far it is from the best published number."""
    figure = best_figure(vae.manifest)
    if figure is None or not others or vae.scores is None:
        return ()
    name = "log_p_x" if figure.exact else "importance_weighted"
    told = {
        f"published {i + 1}": f"{one.name}, {one.latent_dim} dimensions, log p(x) ≥ −{one.nll:.2f}, "
        f"{one.samples} samples, {one.source}"
        for i, one in enumerate(others)
    }
    sheet = Sheet(
        {"model": vae.model_id} | told,
        f'vae = pretrained.load("{vae.model_id}")\nown = vae.manifest["test"]["{name}"]["value"]',
    )
    best = others[-1]

    def mean() -> float:
        values = np.asarray(vae.scores.log_p_x, np.float64)
        return math.fsum(values) / len(values)

    return (
        sheet.receipt(
            "log p(x) of the test digits",
            r"\frac1N \sum_n \log p(x^n)",
            f"From the manifest: {vae.manifest['test'][name]['method']}.",
            figure.value,
            "own",
            "The shipped scores of all test digits, added up anew.",
            near(mean, ROUNDING),
        ),
        sheet.receipt(
            "distance to the best published number",
            r"\left| \overline{\log p(x)} - \overline{\log p(x)}_{\text{published}} \right|",
            f"From {best.name}: others’ test digits were binarised by other draws, which moves a mean by some tenths.",
            abs(figure.value + best.nll),
            f"abs(own + {best.nll})",
            "The same from the shipped scores.",
            near(lambda: abs(mean() + best.nll), ROUNDING),
        ),
    )


def _rest(values: Sequence[float], points: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {f"d = {p['latent_dim']}": float(v) for p, v in zip(points[1:], values[1:], strict=True)}


def _sweep(story: Story) -> tuple[Receipt, ...]:
    """Means, errors and counts, each for all d."""
    points = story.points
    dims = [point["latent_dim"] for point in points]
    told = {
        "d": ", ".join(map(str, dims)),
        "digits": f"{points[0]['log_p_x']['images']:,} test digits",
        "trained for": ", ".join(f"{point['cpu_seconds']:.0f}" for point in points) + " seconds of a core",
        "draws": f"{points[-1]['log_p_x'].get('samples', 0):,} a digit for the bounds",
    }
    sheet = Sheet(told, _STORY)

    def all_of(values: Sequence[float], tolerance: float) -> Second:
        first, *rest = (Second(float(value), tolerance) for value in values)
        return Second(first.value, tolerance, tuple(rest))

    def mean(name: str) -> Callable[[], Second]:
        def compute() -> Second:
            columns = [np.asarray(story.scores[name, d], np.float64) for d in dims]
            return all_of([math.fsum(values) / len(values) for values in columns], ROUNDING)

        return compute

    def error() -> Second:
        found = []
        for d in dims:
            values = np.asarray(story.scores["log_p_x", d], np.float64)
            centre = math.fsum(values) / len(values)
            found.append(math.sqrt(math.fsum((values - centre) ** 2) / (len(values) - 1) / len(values)))
        return all_of(found, ROUNDING)

    def receipt(
        name: str, formula: str, method: str, values: list[float], code: str, second: str, compute: Any
    ) -> Receipt:
        return sheet.receipt(name, formula, method, values[0], code, second, compute, rest=_rest(values, points))

    exact = [f"{d}" for d, point in zip(dims, points, strict=True) if point["log_p_x"]["exact"]]
    count = sheet.given({"in use above": f"{story.active_above} of variance"}, unit="", places=".0f")
    added = "The shipped figures of every test digit, added up anew."
    of_point = "[point[{!r}]{} for point in story.points]"
    return (
        receipt(
            "log p(x) for each d", r"\frac1N \sum_n \log p(x^n)",
            f"Quadrature for d = {' and '.join(exact)}; beyond that a lower bound by importance sampling.",
            [p["log_p_x"]["value"] for p in points], of_point.format("log_p_x", '["value"]'), added, mean("log_p_x"),
        ),
        receipt(
            "its standard error", r"\mathrm{sd}(\log p(x^n)) / \sqrt N", "Of the mean over the test digits.",
            [p["log_p_x"]["standard_error"] for p in points], of_point.format("log_p_x", '["standard_error"]'),
            "From the shipped figures of every digit, in two passes.", error,
        ),
        receipt(
            "KL for each d", r"\frac1N \sum_n D_{KL}[q(z|x^n) \,\|\, p(z)]", "Closed form, mean over the test digits.",
            [p["kl"]["value"] for p in points], of_point.format("kl", '["value"]'), added, mean("kl"),
        ),
        *_effective(story, sheet),
        count.receipt(
            "latents in use for each d", r"\#\{j : \mathrm{Var}_n(\mu_j(x^n)) > \tau\}",
            "A latent is in use where its mean varies from digit to digit.",
            points[0]["active_units"], "[point['active_units'] for point in story.points]",
            "Counted anew from the shipped variance of each latent.",
            lambda: all_of([sum(v > story.active_above for v in p["variances"]) for p in points], 0),
            rest=_rest([p["active_units"] for p in points], points),
        ),
    )  # fmt: skip


def _effective(story: Story, sheet: Sheet) -> tuple[Receipt, ...]:
    """Median effective sample sizes of the bounds."""
    points = [point for point in story.points if not point["log_p_x"]["exact"]]
    if not points:
        return ()
    values = [float(point["log_p_x"]["effective_sample_size"]["median"]) for point in points]

    def compute() -> Second:
        found = []
        for point in points:
            sizes = sorted(np.asarray(story.scores["effective_sample_size", point["latent_dim"]], np.float64))
            found.append(Second((sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2, 1e-3))
        return Second(found[0].value, 1e-3, tuple(found[1:]))

    receipt = sheet.given(unit="draws", places=".0f").receipt(
        f"effective draws, d = {points[0]['latent_dim']}",
        r"\mathrm{median}_n \; (\textstyle\sum_k w_k)^2 / \sum_k w_k^2",
        "Of the draws a digit, as many as would be worth the same with equal weights; half of the digits have fewer.",
        values[0],
        "[p['log_p_x']['effective_sample_size']['median'] for p in story.points if not p['log_p_x']['exact']]",
        "The middle of the shipped sizes of every digit, sorted.",
        compute,
        rest=_rest(values, points),
    )
    return (receipt,)


def _cost(points: Sequence[Mapping[str, Any]], nodes: int) -> tuple[Receipt, ...]:
    """nodes^d, and the time it takes; as log₁₀."""
    dims = [point["latent_dim"] for point in points]
    seconds = log10_seconds(points, nodes)
    rates = [math.log10(1 / point["seconds_per_decoding"]) for point in points]
    sheet = Sheet(
        {"n": f"{nodes}", "d": ", ".join(map(str, dims))},
        _STORY,
        unit="",
    )

    def whole(shift: Sequence[float]) -> Callable[[], Second]:
        def compute() -> Second:
            first, *rest = (again.log10_of(nodes**d) - s for d, s in zip(dims, shift, strict=True))
            return Second(first, 1e-9, tuple(Second(value, 1e-9) for value in rest))

        return compute

    timed = sheet.given({"decodings a second": ", ".join(power_of_ten(rate) for rate in rates)})
    return (
        timed.receipt(
            "time for that grid", r"n^d \cdot \text{seconds a decoding}",
            "Each decoder timed on one core when the sweep was made, in batches of 1,024, the best of 20.",
            seconds[0],
            f"[toys.log10_seconds({nodes}, p['latent_dim'], 1 / p['seconds_per_decoding']) for p in story.points]",
            "The whole numbers divided by the same rates: this checks the arithmetic, not the clock.", whole(rates),
            rest=_rest([float(value) for value in seconds], points), words=toys.duration_in_words,
        ),
    )  # fmt: skip
