"""The article's argument from p(x) = ∫ p(z) p(x|z) dz to the evidence lower bound, as lines that compute themselves.

Each line has a function of its own and rules of its own, so that two lines that must agree are two computations. Knows
nothing of files, ONNX or pages. Two latent dimensions throughout; all figures in nats; line numbers as in LINES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from demo.densities import Array, kl_to_prior, log_bernoulli, log_normal, log_standard_normal
from demo.evidence import Decode, DecoderTable, draw, importance_bound, kl_to_posterior, log_evidence, log_joint
from demo.integrate import AdaptiveIntegral, Cells, log_sum_exp

DRAWS = 1000  # of q, in line 8
TOLERANCE = 1e-3  # nats between two lines that are equal on paper


@dataclass(frozen=True)
class Given:
    """What every line may use: the decoder and its table, x [pixels], q's loc and log_scale [2], and one z [2].

    What two lines need is computed once, when it is first asked for.
    """

    table: DecoderTable
    decode: Decode
    x: NDArray
    loc: Array
    log_scale: Array
    z: Array

    def at(self, z: Array) -> Given:
        """The same at another z, with all that is computed already: only line 10 looks at z."""
        moved = copy(self)
        object.__setattr__(moved, "z", z)
        return moved

    @cached_property
    def integral(self) -> AdaptiveIntegral:
        """Line 7. Lines 8 and 10 take from it the squares, where the mass lies, and none of its numbers."""
        return log_evidence(self.table, self.decode, self.x)

    @cached_property
    def log_outside(self) -> float:
        """log of the mass outside the squares, by the midpoint rule of the table."""
        grid, squares = self.table.grid, self.integral.cells
        cells = np.rint((squares.centres + grid.half_width) / grid.step).astype(int)
        column, row = cells[((cells >= 0) & (cells < grid.n)).all(axis=-1)].T
        outside = self.table.log_joint(self.x)
        outside[row * grid.n + column] = -np.inf
        return float(grid.log_integral(outside))

    @cached_property
    def squares(self) -> Cells:
        """Those squares of line 7 that hold any mass to speak of, at least exp(−16) of all."""
        cells = self.integral.cells
        return cells[cells.log_mass > self.integral.value - 16]

    @cached_property
    def log_normaliser(self) -> float:
        """log ∫ p(x, z) dz on nodes that neither line 7 nor line 8 has: each square in quarters."""
        quarters = Cells.integrate(lambda z: log_joint(self.decode, self.x, z), *self.squares.quarters(), order=3)
        return float(np.logaddexp(log_sum_exp(quarters.log_mass), self.log_outside))

    @cached_property
    def kl(self) -> float:
        """D_KL[q(z|x) ‖ p(z|x)] with p(z|x) = p(x, z) / exp(log_normaliser)."""
        return kl_to_posterior(self.decode, self.x, self.loc, self.log_scale, self.log_normaliser)

    @cached_property
    def mean_log_ratio(self) -> float:
        """E_q[log p(x, z) − log q(z|x)]."""
        return mean_under_q(self, lambda z: log_joint(self.decode, self.x, z) - log_normal(z, self.loc, self.log_scale))


def mean_under_q(given: Given, g: Callable[[Array], Array]) -> float:
    """E_q[g(z)] on a lattice around q, out to 7σ, a third of a step off the lattice of the divergence.

    The step is halved from 1σ until that moves the mean by less than TOLERANCE; as the error falls like
    exp(−c/step²), what is left is about the fourth power of what moved.
    """
    mean = np.inf
    for step in (1, 1 / 2, 1 / 4, 1 / 8, 1 / 16):
        axis = np.arange(-7, 7, step) + step / 3
        noise = np.stack([e.ravel() for e in np.meshgrid(axis, axis)], axis=-1)
        weights = np.exp(log_standard_normal(noise)) * step**2
        coarser, mean = mean, float(weights @ g(given.loc + np.exp(given.log_scale) * noise))
        if abs(mean - coarser) < TOLERANCE:
            break
    return mean


@dataclass(frozen=True)
class Terms:
    """The value of a line in nats, and the numbers that stand in it by name."""

    value: float
    parts: Mapping[str, float | int]


def line_7(given: Given) -> Terms:
    return Terms(given.integral.value, {"squares": len(given.integral.cells)})


def line_8(given: Given) -> Terms:
    def log_ratio_times_q(z: Array) -> Array:
        log_q = log_normal(z, given.loc, given.log_scale)
        log_ratio = log_joint(given.decode, given.x, z) - log_q
        return log_ratio + log_q

    squares = Cells.integrate(log_ratio_times_q, given.squares.centres, given.squares.widths, order=5)
    log_p_x = float(np.logaddexp(log_sum_exp(squares.log_mass), given.log_outside))

    rng = np.random.default_rng(0)
    sampled = importance_bound(draw(given.decode, given.x, given.loc, given.log_scale, DRAWS, rng))
    return Terms(
        log_p_x,
        {
            "squares": len(squares),
            "sampled": sampled.value,
            "standard_error": sampled.standard_error,
            "effective": sampled.effective_sample_size,
        },
    )


def line_9(given: Given) -> Terms:
    return Terms(given.kl, {})


def line_10(given: Given) -> Terms:
    log_p_x_z = float(log_joint(given.decode, given.x, given.z[None])[0])
    log_p_z_given_x = log_p_x_z - given.log_normaliser
    return Terms(log_p_x_z - log_p_z_given_x, {"log_p_x_z": log_p_x_z, "log_p_z_given_x": log_p_z_given_x})


def line_11(given: Given) -> Terms:
    mean, log_p_x = -given.mean_log_ratio, given.integral.value
    return Terms(mean + log_p_x, {"mean": mean, "log_p_x": log_p_x})


def line_12(given: Given) -> Terms:
    kl, mean = given.kl, given.mean_log_ratio
    return Terms(kl + mean, {"kl": kl, "mean": mean})


def line_13(given: Given) -> Terms:
    reconstruction = mean_under_q(given, lambda z: log_bernoulli(given.x, given.decode(z)))
    kl = float(kl_to_prior(given.loc, given.log_scale))
    return Terms(reconstruction - kl, {"reconstruction": reconstruction, "kl": kl})


@dataclass(frozen=True)
class Line:
    """One line of the argument: what the article says, why it follows, how it relates to the line `after`, its code.

    `left` `relation` `right` is LaTeX; `pattern` is the right side with numbers, its {names} those of the parts. A line
    with `after` None brings in a quantity. `code` is what else ran for it.
    """

    number: int
    name: str
    left: str
    right: str
    pattern: str
    why: str
    compute: Callable[[Given], Terms]
    relation: str = "="
    after: int | None = None
    code: tuple[Callable, ...] = ()


_KL = r"D_{KL}[q(z|x) \,\|\, p(z|x)]"


def _source(name: str) -> Callable:
    """The function behind a cached property of Given."""
    found: Callable = vars(Given)[name].func
    return found


LINES = (
    Line(
        number=7,
        name="The enemy",
        left=r"\log p(x)",
        right=r"\log \int p(z)\, p(x|z) \,dz",
        pattern=r"\log \textstyle\sum_{{s=1}}^{{{squares}}} \int_s p(z)\, p(x|z) \,dz",
        why="Every $z$ could have made this $x$, so all of them count. In two dimensions the sum can still be done, on "
        "squares that crowd where the mass is; a table of the whole plane adds what little lies outside.",
        compute=line_7,
        code=(_source("integral"), log_evidence),
    ),
    Line(
        number=8,
        name="Bring in the encoder",
        left=r"\log p(x)",
        right=r"\log \int \frac{p(x,z)}{q(z|x)}\, q(z|x) \,dz",
        pattern=r"\log \textstyle\sum_{{s=1}}^{{{squares}}} \int_s \frac{{p(x,z)}}{{q(z|x)}}\, q(z|x) \,dz",
        why="Multiplying and dividing by one density changes nothing, but turns the integral into a mean under $q$, "
        "which draws can estimate.",
        compute=line_8,
        after=7,
        code=(_source("squares"), _source("log_outside")),
    ),
    Line(
        number=9,
        name="How wrong is the encoder?",
        left=_KL,
        right=r"\mathbb{E}_q\!\left[\log \frac{q(z|x)}{p(z|x)}\right]",
        pattern="",
        why="The divergence from $q$ to the true posterior is zero where they are one, and positive anywhere else.",
        compute=line_9,
        code=(_source("kl"), kl_to_posterior),
    ),
    Line(
        number=10,
        name="Bayes’ rule",
        left=r"p(z|x) = \frac{p(x,z)}{p(x)}, \quad \log p(x)",
        right=r"\log p(x,z) - \log p(z|x)",
        pattern="{log_p_x_z} - {log_p_z_given_x}",
        why="The evidence is what normalises the posterior. Move $z$: both terms change, their difference never does.",
        compute=line_10,
        after=8,
        code=(_source("log_normaliser"),),
    ),
    Line(
        number=11,
        name="Put Bayes’ rule into the divergence",
        left=_KL,
        right=r"\mathbb{E}_q\!\left[\log \frac{q(z|x)}{p(x,z)}\right] + \log p(x)",
        pattern="{mean} + {log_p_x}",
        why="The unknown posterior is gone. What is left of it, $\\log p(x)$, does not depend on $z$ and leaves "
        "the mean.",
        compute=line_11,
        after=9,
        code=(_source("mean_log_ratio"), mean_under_q),
    ),
    Line(
        number=12,
        name="Solve for the evidence",
        left=r"\log p(x)",
        right=rf"{_KL} + \mathbb{{E}}_q\!\left[\log \frac{{p(x,z)}}{{q(z|x)}}\right]",
        pattern="{kl} + {mean}",
        why="The same equation, read from the other side: the evidence is the gap plus a mean that needs no posterior.",
        compute=line_12,
        after=10,
        code=(_source("kl"), _source("mean_log_ratio")),
    ),
    Line(
        number=13,
        name="Drop the gap",
        left=r"\log p(x)",
        right=r"\mathbb{E}_q[\log p(x|z)] - D_{KL}[q(z|x) \,\|\, p(z)]",
        pattern="{reconstruction} - {kl}",
        why="A divergence is never negative, so what remains is a lower bound. No integral over all $z$ is left in it: "
        "this is what training raises.",
        compute=line_13,
        relation="≥",
        after=12,
        code=(mean_under_q, kl_to_prior),
    ),
)


@dataclass(frozen=True)
class Step:
    """A line and the terms it came to."""

    line: Line
    terms: Terms

    @property
    def number(self) -> int:
        return self.line.number

    @property
    def value(self) -> float:
        return self.terms.value

    @property
    def substituted(self) -> str:
        """The line with its numbers, as LaTeX; empty where it has no parts to show."""
        shown = {n: str(v) if isinstance(v, int) else term(v) for n, v in self.terms.parts.items()}
        return self.line.pattern.format(**shown)


def term(value: float) -> str:
    """A number of nats for a formula, in brackets where it is negative; never −0.000."""
    value = round(value, 3) + 0.0
    return f"({value:.3f})" if value < 0 else f"{value:.3f}"


def derive(given: Given) -> tuple[Step, ...]:
    """All lines for one x and z."""
    return tuple(Step(line, line.compute(given)) for line in LINES)


def residuals(steps: Sequence[Step]) -> dict[int, float]:
    """What each line leaves over, by number: its value less that of the line it follows, in nats.

    Line 13 lies below the evidence by the divergence that it dropped: its residual is line 7 − line 13 − line 9.
    """
    value = {step.number: step.value for step in steps}
    left = {s.number: s.value - value[s.line.after] for s in steps if s.line.after is not None}
    left[13] = value[7] - value[13] - value[9]
    return left


def check(steps: Sequence[Step], tolerance: float = TOLERANCE) -> dict[int, float]:
    """The residuals. Raises AssertionError where a line does not relate to the one it follows as it says."""
    value = {step.number: step.value for step in steps}
    left = residuals(steps)
    for step in steps:
        if not np.isfinite(step.value):
            raise AssertionError(f"line {step.number} is {step.value}")
        if step.number in left and not abs(left[step.number]) <= tolerance:
            raise AssertionError(f"line {step.number} leaves {left[step.number]:.3g} nat over")
        if step.line.relation == "≥" and value[step.line.after or 7] < step.value - tolerance:
            raise AssertionError(f"line {step.number} passes line {step.line.after}")
    return left
