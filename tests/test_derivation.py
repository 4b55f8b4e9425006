"""Every line of the derivation against its neighbour and against a computation of another kind.

`Smooth` is a small network, broad or steep enough for posteriors of sd near 0.03; sums over uniform grids of SciPy's
densities are the other kind.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats

from demo import derivation, digits, pretrained
from demo.derivation import LINES, Given, Step, Terms, check, derive, mean_under_q, residuals, term
from demo.evidence import DecoderTable, elbo
from demo.integrate import Grid

PIXELS = 12


class Smooth:
    """2 → 12 → 12 with tanh; `slope` sets how sharp the posteriors are."""

    def __init__(self, seed: int, slope: float) -> None:
        rng = np.random.default_rng(seed)
        self.inward, self.bias = rng.normal(0, 0.9, (2, 12)), rng.normal(0, 1, 12)
        self.outward = rng.normal(0, slope, (12, PIXELS))

    def __call__(self, z: NDArray) -> NDArray:
        return np.tanh(np.asarray(z, np.float64) @ self.inward + self.bias) @ self.outward

    def log_evidence(self, images: NDArray, step: float = 0.025) -> NDArray:
        """The rectangle rule on [−6, 6]², off every node of the table. [m, 12] → [m]."""
        axis = np.arange(-6, 6, step) + step / 3
        z = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        totals = np.full(len(images), -np.inf)
        for part in np.array_split(z, 40):
            logits = self(part)
            ink = images @ logits.T + special.log_expit(-logits).sum(axis=1)
            totals = np.logaddexp(totals, special.logsumexp(ink + stats.norm.logpdf(part).sum(axis=1), axis=1))
        return totals + 2 * np.log(step)


@functools.cache
def model(slope: float) -> tuple[Smooth, DecoderTable]:
    decode = Smooth(3, slope)
    return decode, DecoderTable.build(decode, Grid(6, 41 if slope < 2 else 61))


def images(decode: Smooth, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blank, full ink, two strokes, then half noise and half the model's own."""
    noise = rng.random((n // 2, PIXELS)) < rng.choice([0.2, 0.5, 0.8], (n // 2, 1))
    own = rng.random((n - len(noise) - 4, PIXELS)) < special.expit(decode(rng.standard_normal((n - len(noise) - 4, 2))))
    strokes = np.array([[0, 1, 0] * 4, [0] * 4 + [1] * 4 + [0] * 4])
    return np.concatenate([np.zeros((1, PIXELS)), np.ones((1, PIXELS)), strokes, noise, own]).astype(np.uint8)


@functools.cache
def hundred(slope: float) -> tuple[tuple[Given, tuple[Step, ...]], ...]:
    """A hundred x of one model, each with a q of its own near the posterior or well off it, and a z anywhere."""
    decode, table = model(slope)
    rng = np.random.default_rng(int(slope))
    found = []
    for x in images(decode, 100, rng):
        top = table.grid.points[table.log_joint(x).argmax()]
        given = Given(table, decode, x, top + rng.normal(0, 0.2, 2), rng.uniform(-4, -1, 2), rng.uniform(-7, 7, 2))
        found.append((given, derive(given)))
    return tuple(found)


SLOPES = [1.0, 5.0]


@pytest.mark.parametrize("slope", SLOPES)
def test_neighbours_agree_on_a_hundred_images_of_a_broad_and_a_hundred_of_a_sharp_model(slope: float) -> None:
    for given, steps in hundred(slope):
        left = check(steps)
        assert set(left) == {8, 10, 11, 12, 13}
        assert [s.number for s in steps] == [7, 8, 9, 10, 11, 12, 13]
        value = {s.number: s.value for s in steps}
        assert value[13] <= value[12] + 1e-6
        assert value[9] >= -1e-6
        assert np.isfinite([*value.values(), *(v for s in steps for v in s.terms.parts.values())]).all()
        assert given.z is not given.loc


def test_what_is_covered_reaches_from_broad_to_sharp_and_from_a_good_q_to_a_bad_one() -> None:
    wide, narrow = (min(given.integral.cells.widths.min() for given, _ in hundred(slope)) for slope in SLOPES)
    assert narrow <= 0.1 < wide
    gaps = [steps[2].value for slope in SLOPES for _, steps in hundred(slope)]
    assert min(gaps) < 1
    assert max(gaps) > 10


@pytest.mark.parametrize("slope", SLOPES)
def test_the_evidence_in_lines_7_8_10_and_12_is_brute_forces(slope: float) -> None:
    chosen = hundred(slope)
    truth = model(slope)[0].log_evidence(np.stack([given.x for given, _ in chosen]))
    for (_, steps), log_p_x in zip(chosen, truth, strict=True):
        value = {s.number: s.value for s in steps}
        assert [value[n] for n in (7, 8, 10, 12)] == pytest.approx([log_p_x] * 4, abs=1e-3)


@pytest.mark.parametrize("slope", SLOPES)
def test_the_means_under_q_are_a_dense_sums_over_scipys_densities(slope: float) -> None:
    axis = np.linspace(-8, 8, 201)
    noise = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = stats.norm.pdf(noise).prod(axis=1)
    weights /= weights.sum()
    for given, steps in hundred(slope)[:30]:
        lines = {s.number: s for s in steps}
        z = given.loc + np.exp(given.log_scale) * noise
        log_q = stats.norm(given.loc, np.exp(given.log_scale)).logpdf(z).sum(axis=1)
        log_p_z, logits = stats.norm.logpdf(z).sum(axis=1), model(slope)[0](z)
        log_p_x_given_z = special.log_expit((2.0 * given.x - 1) * logits).sum(axis=1)
        log_p_x = lines[7].value
        assert lines[9].value == pytest.approx(weights @ (log_q - log_p_z - log_p_x_given_z) + log_p_x, abs=1e-3)
        assert lines[11].terms.parts["mean"] == pytest.approx(weights @ (log_q - log_p_z - log_p_x_given_z), abs=1e-3)
        assert lines[12].terms.parts["mean"] == -lines[11].terms.parts["mean"]
        assert lines[13].terms.parts["reconstruction"] == pytest.approx(weights @ log_p_x_given_z, abs=1e-3)
        assert lines[13].terms.parts["kl"] == pytest.approx(weights @ (log_q - log_p_z), abs=1e-6)
        assert lines[13].value == pytest.approx(elbo(given.decode, given.x, given.loc, given.log_scale).value, abs=1e-3)


def test_bayes_rule_gives_one_number_for_any_z() -> None:
    given, steps = hundred(5.0)[10]
    decode = model(5.0)[0]
    for z in np.random.default_rng(1).uniform(-7, 7, (50, 2)):
        terms = derivation.line_10(given.at(z))
        logits = decode(z[None])[0]
        joint = stats.norm.logpdf(z).sum() + special.log_expit((2.0 * given.x - 1) * logits).sum()
        assert terms.parts["log_p_x_z"] == pytest.approx(joint, abs=1e-9)
        assert terms.parts["log_p_z_given_x"] == pytest.approx(joint - steps[0].value, abs=1e-3)
        assert terms.value == pytest.approx(steps[0].value, abs=1e-3)
    assert given.at(np.ones(2)).log_normaliser == given.log_normaliser
    assert (given.at(np.ones(2)).z == 1).all()


def test_the_draws_of_line_8_are_plain_importance_sampling() -> None:
    for given, steps in hundred(1.0)[:20]:
        parts = steps[1].terms.parts
        z = given.loc + np.exp(given.log_scale) * np.random.default_rng(0).standard_normal((1000, 2))
        logits = model(1.0)[0](z)
        log_w = special.log_expit((2.0 * given.x - 1) * logits).sum(axis=1) + stats.norm.logpdf(z).sum(axis=1)
        log_w -= stats.norm(given.loc, np.exp(given.log_scale)).logpdf(z).sum(axis=1)
        w = np.exp(log_w - log_w.max())
        assert parts["sampled"] == pytest.approx(np.log(w.mean()) + log_w.max(), abs=1e-9)
        assert parts["standard_error"] == pytest.approx(stats.sem(w) / w.mean(), rel=1e-8)
        assert parts["effective"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-8)


@dataclass(frozen=True)
class Spot:
    """One pixel, inked with the chance `floor` + `height` · exp(−|z − centre|²/2 sd²)."""

    centre: tuple[float, float]
    sd: float
    height: float
    floor: float = 0.0

    def __call__(self, z: NDArray) -> NDArray:
        spot = np.log(self.height) - ((np.asarray(z, np.float64) - self.centre) ** 2).sum(axis=1) / (2 * self.sd**2)
        chance = np.maximum(np.logaddexp(spot, np.log(self.floor) if self.floor else -np.inf), -3000)
        return (chance - np.log1p(-np.exp(chance)))[:, None]

    @property
    def log_evidence(self) -> float:
        """∫ N(z; 0, I) (floor + height · exp(…)) dz: a product of normals is a normal."""
        spot = self.height * 2 * np.pi * self.sd**2 * stats.norm.pdf(self.centre, 0, np.hypot(1, self.sd)).prod()
        return float(np.log(self.floor + spot))


@pytest.mark.parametrize(
    ("spot", "grid", "away"),
    [
        (Spot((0.0, 0.0), 0.005, 0.9, floor=3e-7), Grid(5, 201), 0.01),
        (Spot((-2.0, 1.0), 0.3, 0.9), Grid(2, 41), 0.0),
        (Spot((0.7, -2.0), 0.3, 0.9), Grid(2, 41), 0.0),
        (Spot((2.0, 2.0), 0.3, 0.9), Grid(2, 41), 0.0),
    ],
)
def test_mass_outside_the_squares_counts_once_also_at_the_rim(spot: Spot, grid: Grid, away: float) -> None:
    """A needle on a floor of a hundredth of the mass, which no square holds; and hills on the table's rim."""
    table, x, at = DecoderTable.build(spot, grid), np.ones(1, np.uint8), np.array(spot.centre)
    given = Given(table, spot, x, at, np.log(np.full(2, spot.sd)), at)
    assert [derivation.line_7(given).value, derivation.line_8(given).value] == pytest.approx(
        [spot.log_evidence] * 2, abs=1e-4
    )
    assert derivation.line_10(given).value == pytest.approx(spot.log_evidence, abs=1e-4)
    assert np.exp(given.log_outside - spot.log_evidence) >= away


def lattices(g: Callable[[NDArray], NDArray]) -> list[NDArray]:
    """The nodes at which a mean under N(0, I) asks for g, one array a call."""
    asked: list[NDArray] = []
    decode, table = model(1.0)
    given = Given(table, decode, np.zeros(PIXELS, np.uint8), np.zeros(2), np.zeros(2), np.zeros(2))
    mean_under_q(given, lambda z: asked.append(z) or g(z))  # type: ignore[func-returns-value]
    return asked


def test_a_mean_under_q_is_taken_on_lattices_of_half_the_step_each_a_third_off_the_origin_to_seven_sigma() -> None:
    noise = np.random.default_rng(0)
    unsettled = lattices(lambda z: noise.normal(0, 1e6, len(z)))
    assert len(unsettled) == 5
    for step, z in zip([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16], unsettled, strict=True):
        np.testing.assert_allclose(np.mod(z / step, 1), 1 / 3, atol=1e-9)
        assert len(np.unique((z / step).round(6), axis=0)) == len(z) == (14 / step) ** 2
        assert np.abs(z).max() < 7


def test_a_mean_under_q_stops_where_halving_the_step_moves_nothing() -> None:
    """The trapezoidal rule is off by exp(−2π²/step²) for a mild g: 3e-9 at a step of 1, and nothing at a half."""
    assert [len(z) for z in lattices(lambda z: 5 + z[:, 0] ** 2 - z[:, 1])] == [14**2, 28**2]


# The check can fail


@pytest.mark.parametrize("number", [line.number for line in LINES])
@pytest.mark.parametrize("slip", [0.01, -0.01, np.nan])
def test_a_slip_in_any_line_is_caught(monkeypatch: pytest.MonkeyPatch, number: int, slip: float) -> None:
    def broken(compute: Callable) -> Callable:
        return lambda given: replace(compute(given), value=compute(given).value + slip)

    lines = tuple(replace(li, compute=broken(li.compute)) if li.number == number else li for li in LINES)
    given = hundred(5.0)[7][0]
    check(derive(given))
    monkeypatch.setattr(derivation, "LINES", lines)
    with pytest.raises(AssertionError, match="line"):
        check(derive(given))


@pytest.mark.parametrize("name", ["log_evidence", "kl_to_posterior", "kl_to_prior", "mean_under_q", "log_normal"])
def test_a_slip_in_what_lines_share_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    whole = getattr(derivation, name)

    def broken(*args: object, **options: object) -> object:
        result = whole(*args, **options)
        return replace(result, value=result.value + 0.01) if name == "log_evidence" else result + 0.01

    given = hundred(5.0)[7][0]
    monkeypatch.setattr(derivation, name, broken)
    with pytest.raises(AssertionError, match="line"):
        check(derive(replace(given)))  # a copy that has computed nothing yet


@pytest.mark.parametrize("name", ["log_normaliser", "kl", "mean_log_ratio"])
def test_a_slip_in_what_is_computed_once_is_caught(name: str) -> None:
    given = replace(hundred(5.0)[7][0])
    vars(given)[name] = getattr(given, name) + 0.01
    with pytest.raises(AssertionError, match="line"):
        check(derive(given))


def test_a_bound_above_the_evidence_is_caught() -> None:
    _, steps = hundred(1.0)[5]
    raised = tuple(
        replace(s, terms=replace(s.terms, value=steps[0].value + 0.5)) if s.number in (9, 11, 13) else s for s in steps
    )
    with pytest.raises(AssertionError, match="line"):
        check(raised)


def steps_of(*values: float) -> tuple[Step, ...]:
    """Lines 7 to 13 with these values and no parts."""
    return tuple(Step(line, Terms(value, {})) for line, value in zip(LINES, values, strict=True))


def test_residuals_are_the_differences_that_the_article_says() -> None:
    p7, p8, kl9, p10, kl11, p12, elbo13 = values = 2.0 ** np.arange(7)
    expected = {8: p8 - p7, 10: p10 - p8, 11: kl11 - kl9, 12: p12 - p10, 13: p7 - elbo13 - kl9}
    assert residuals(steps_of(*values)) == expected


def test_a_line_follows_the_last_one_before_it_that_is_about_the_same() -> None:
    last: dict[str, int] = {}
    for line in LINES:
        about = line.left.rpartition(", \\quad ")[2]
        assert line.after == last.get(about)
        last[about] = line.number


def test_a_bound_may_touch_the_evidence_and_pass_it_by_what_is_tolerated() -> None:
    check(steps_of(-90, -90, 0, -90, 0, -90, -90))
    check(steps_of(-90, -90, 0, -90, 0, -90, -90 + 5e-4))
    with pytest.raises(AssertionError, match="line 13"):
        check(steps_of(-90, -90, 0, -90, 0, -90, -90 + 1.5e-3))
    with pytest.raises(AssertionError, match="line 13 passes line 12"):
        check(steps_of(-90, -90, -1, -90, -1, -90, -89))
    with pytest.raises(AssertionError, match="line 13 passes line 12"):  # though not line 7
        check(steps_of(-90, -90.0009, 0, -90.0018, 0, -90.0027, -90.0008))


# What the page reads


def test_a_lines_numbers_add_up_to_its_value() -> None:
    for _, steps in hundred(1.0)[:10]:
        for step in steps:
            shown = step.substituted
            assert "nan" not in shown
            assert "inf" not in shown
            if step.number >= 10:
                assert eval(shown) == pytest.approx(step.value, abs=0.0016)


def test_a_term_has_brackets_where_it_is_negative_and_no_negative_zero() -> None:
    assert (term(-1.5), term(2.25), term(-0.0001), term(0.0)) == ("(-1.500)", "2.250", "0.000", "0.000")


def test_the_code_of_a_line_can_be_shown() -> None:
    for line in LINES:
        assert inspect.getsource(line.compute).startswith(f"def line_{line.number}(given: Given)")
        assert all("def " in inspect.getsource(function) for function in line.code)


# The trained model


@functools.cache
def z2() -> tuple[pretrained.PretrainedVAE, DecoderTable]:
    vae = pretrained.load("z2")
    return vae, DecoderTable.build(vae.decode)


def stroke() -> NDArray[np.uint8]:
    x = np.zeros((28, 28), np.uint8)
    for i in range(20):
        x[4 + i, 4 + i : 6 + i] = 1
    return x.ravel()


@pytest.mark.skipif("z2" not in pretrained.available(), reason="demo/assets/z2 has not been exported yet")
@pytest.mark.parametrize(
    "kind",
    [
        "sample 1",
        "sample 2",
        "stroke",
        "noise",
        "full ink",
        "blank",
    ],
)
def test_the_trained_models_lines_agree(kind: str) -> None:
    vae, table = z2()
    name, _, seed = kind.partition(" ")
    x = {
        "sample": lambda: digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, int(seed))), int(seed))[0],
        "stroke": stroke,
        "noise": lambda: (np.random.default_rng(0).random(784) < 0.5).astype(np.uint8),
        "full": lambda: np.ones(784, np.uint8),
        "blank": lambda: np.zeros(784, np.uint8),
    }[name]()
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    steps = derive(Given(table, vae.decode, x, loc, log_scale, np.array([6.5, -6.9])))
    check(steps)
    assert residuals(steps) == check(steps)
