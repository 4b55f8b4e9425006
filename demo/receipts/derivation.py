"""Receipts of the derivation page: each line's value, the numbers that stand in it, and what it leaves over.

Knows no page. Lines by squares and lattices are checked by other lattices and by Gauss–Hermite nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from demo.derivation import DRAWS, TOLERANCE, Given, Step, residuals
from demo.integrate import Cells
from demo.receipts import Receipt, Sheet, again, near, sampling, vector
from demo.receipts.again import Array
from demo.receipts.subject import Subject

_RELATIONS = {"=": "=", "≥": r"\ge"}
_LATTICES = "The midpoint rule on even lattices of the plane, the step halved until nothing moves."
_HERMITE = "64 × 64 Gauss–Hermite nodes of q instead of a lattice."


def receipts(subject: Subject, given: Given, steps: Sequence[Step], z: Array) -> tuple[Receipt, ...]:
    """All numbers of the page, line by line; `steps` as the page shows them, line 10 at z [2]."""
    return (*_lines(subject, given, steps, z), *_left_over(subject, steps, z))


def _sheet(subject: Subject, z: Array, code: str = "") -> Sheet:
    """Receipts whose Python has `given`."""
    given = "given = Given(DecoderTable.build(vae.decode), vae.decode, x, loc, log_scale, z)"
    at = f"z = np.array([{float(z[0])!r}, {float(z[1])!r}])"
    return subject.sheet(f"{at}\n{given}\n{code}").given(places=".3f")


class _Again:
    """The second computations of the terms that several lines share."""

    def __init__(self, subject: Subject, z: Array) -> None:
        self.subject, self.z = subject, z

    def mean(self, g: Callable[[Array], Array]) -> float:
        return again.mean_by_hermite(g, self.subject.loc, self.subject.scale)

    def log_p_x(self) -> float:
        return self.subject.log_p_x()

    def log_p_x_z(self) -> float:
        return float(self.subject.log_joint(self.z[None])[0])

    def log_ratio(self) -> float:
        """E_q[log p(x, z) − log q(z|x)]."""
        return self.mean(lambda z: self.subject.log_joint(z) - self.subject.log_q(z))

    def kl(self) -> float:
        return self.log_p_x() - self.log_ratio()

    def reconstruction(self) -> float:
        return self.mean(lambda z: self.subject.log_joint(z) - again.log_normal(z))

    def kl_to_prior(self) -> float:
        return float(again.kl_to_prior(self.subject.loc, self.subject.scale).sum())

    def bound(self) -> float:
        return self.reconstruction() - self.kl_to_prior()


def _lines(subject: Subject, given: Given, steps: Sequence[Step], z: Array) -> list[Receipt]:
    by_number = {step.number: step for step in steps}
    second, sheet = _Again(subject, z), _sheet(subject, z)
    at_z = {"z": vector(z)}

    def receipt(
        number: int,
        what: str,
        method: str,
        second_method: str,
        compute: Callable[[], float],
        *,
        part: str = "",
        formula: str = "",
        more: dict[str, str] | None = None,
    ) -> Receipt:
        step = by_number[number]
        return sheet.given(more).receipt(
            f"({number}) {what}",
            formula or f"{step.line.left} {_RELATIONS[step.line.relation]} {step.line.right}",
            method,
            step.terms.parts[part] if part else step.value,
            f'line_{number}(given).parts["{part}"]' if part else f"line_{number}(given).value",
            second_method,
            near(compute, TOLERANCE),
        )

    def squares(number: int, cells: Cells) -> Receipt:
        return sheet.given(unit="", places=".0f").receipt(
            f"({number}) squares",
            r"\#\{s\}",
            "All that were left." if number == 7 else "Those of line 7 that hold at least exp(−16) of the mass.",
            len(cells),
            f'line_{number}(given).parts["squares"]',
            "Each centre, counted by one part in as many squares as it lies in: overlapping ones would count less.",
            near(lambda: again.disjoint(cells.centres, cells.widths), 1e-6),
        )

    return [
        receipt(7, "log p(x)", "Squares that crowd where the mass is.", _LATTICES, second.log_p_x),
        squares(7, given.integral.cells),
        receipt(8, "log p(x)", "The same squares on other nodes, q divided out and in.", _LATTICES, second.log_p_x),
        squares(8, given.squares),
        *sampling.importance(subject, DRAWS, 0),
        receipt(9, "gap", "A trapezoidal rule around q, with p(z|x) from Bayes’ rule.", _HERMITE, second.kl),
        receipt(
            10,
            "log p(x, z)",
            "Prior and pixels at the z of the sliders, in closed form.",
            "The logarithm of each factor in float64, summed.",
            second.log_p_x_z,
            part="log_p_x_z",
            formula=r"\log p(x,z) = \log p(z) + \log p(x|z)",
            more=at_z,
        ),
        receipt(
            10,
            "log p(z|x)",
            "The joint less its own integral, from quarters of the squares.",
            _LATTICES,
            lambda: second.log_p_x_z() - second.log_p_x(),
            part="log_p_z_given_x",
            formula=r"\log p(z|x) = \log p(x,z) - \log p(x)",
            more=at_z,
        ),
        receipt(
            10,
            "log p(x)",
            "The difference of the two above.",
            _LATTICES,
            second.log_p_x,
            formula=r"\log p(x) = \log p(x,z) - \log p(z|x)",
            more=at_z,
        ),
        receipt(
            11,
            "mean of log q/p",
            "A lattice around q, the step halved until nothing moves.",
            _HERMITE,
            lambda: -second.log_ratio(),
            part="mean",
            formula=r"\mathbb{E}_q\!\left[\log \frac{q(z|x)}{p(x,z)}\right]",
        ),
        receipt(11, "gap", "That mean, and log p(x) of line 7.", _HERMITE, second.kl),
        receipt(
            12,
            "mean of log p/q",
            "A lattice around q, the step halved until nothing moves.",
            _HERMITE,
            second.log_ratio,
            part="mean",
            formula=r"\mathbb{E}_q\!\left[\log \frac{p(x,z)}{q(z|x)}\right]",
        ),
        receipt(12, "log p(x)", "The gap of line 9 and that mean.", _LATTICES, second.log_p_x),
        receipt(
            13,
            "reconstruction",
            "A lattice around q, the step halved until nothing moves.",
            _HERMITE,
            second.reconstruction,
            part="reconstruction",
            formula=r"\mathbb{E}_q[\log p(x|z)]",
        ),
        receipt(
            13,
            "KL to the prior",
            "In closed form: both are normal.",
            "∫ q log(q/p), summed on 401 nodes a dimension.",
            second.kl_to_prior,
            part="kl",
            formula=r"D_{KL}[q(z|x) \,\|\, p(z)]",
        ),
        receipt(13, "bound", "The difference of the two above.", _HERMITE, second.bound),
    ]


def _left_over(subject: Subject, steps: Sequence[Step], z: Array) -> list[Receipt]:
    """How far each line is from the one it follows, then the largest of all."""
    left, second = residuals(steps), _Again(subject, z)
    after = {step.number: step.line.after for step in steps}

    sheet = _sheet(subject, z, "steps = derive(given)\nleft = residuals(steps)").given(places=".1e")

    def again() -> float:
        return abs(second.log_p_x() - second.bound() - (second.log_p_x() - second.log_ratio()))

    def receipt(name: str, value: float, formula: str, expression: str) -> Receipt:
        return sheet.receipt(
            name,
            formula,
            "Zero on paper: what two lines leave over that share no nodes.",
            value,
            expression,
            "log p(x) − bound − gap, from the second computations of all three.",
            near(again, TOLERANCE),
        )

    def formula(number: int) -> str:
        if number == 13:
            return r"|(7) - (13) - (9)|"
        return rf"|({number}) - ({after[number]})|"

    return [
        *(receipt(f"({n}) left over", abs(v), formula(n), f"abs(left[{n}])") for n, v in left.items()),
        receipt(
            "largest disagreement",
            max(map(abs, left.values())),
            r"\max_n |\text{left over by line } n|",
            "max(map(abs, left.values()))",
        ),
    ]
