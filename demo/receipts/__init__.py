"""Where a shown number comes from, and the same number by another way. Knows nothing of Streamlit, files or ONNX.

One module a page makes its receipts; `again` holds the second computations, which share no code with the first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

# What a snippet may name: modules of demo, imported whole, and functions or classes, by the module they are from.
_MODULES = ("digits", "estimators", "mnist", "paths", "pretrained", "toys", "training", "units", "walks")
_NAMES = {
    "contest": ("best_q", "mode_starts"),
    "densities": ("kl_to_prior_per_dimension", "log_bernoulli", "log_standard_normal", "sigmoid"),
    "derivation": ("Given", "derive", "residuals", *(f"line_{number}" for number in range(7, 14))),
    "evidence": (
        "DecoderTable",
        "account",
        "draw",
        "elbo",
        "elbo_monte_carlo",
        "importance_bound",
        "log_evidence",
        "posterior_window",
    ),
    "integrate": ("Grid",),
}


class MissingError(Exception):
    """The second computation needs what this machine lacks; the message is a sentence that says what."""


@dataclass(frozen=True)
class Second:
    """An independent computation of a number, and how far from the first it may lie: rounding, or 4 standard errors.

    `rest` are the same for the receipt's `rest`, in its order.
    """

    value: float
    tolerance: float
    rest: tuple[Second, ...] = ()

    def apart(self, first: float) -> float:
        """How far off `first` is, in tolerances; beyond all bounds where that is no number."""
        off = abs(self.value - first)
        return math.inf if math.isnan(off) else off / max(self.tolerance, 1e-300)


def near(compute: Callable[[], float], tolerance: float) -> Callable[[], Second]:
    """A second computation that may lie that far from the first."""
    return lambda: Second(compute(), tolerance)


@dataclass(frozen=True)
class Receipt:
    """One shown number: formula (LaTeX), inputs by name, method in a sentence, value and unit; a second method and
    what computes it, when first asked for; and Python that prints the value again.

    `places` is the format the number is shown in, as format() takes it. `repeatable` is False for what a clock says.
    `rest` are numbers that go with it, by name: of other inputs, or the standard error; the snippet prints them below
    the first. A number that no float holds has its log₁₀ as `value`, and `words` that write it.
    """

    name: str
    formula: str
    inputs: Mapping[str, str]
    method: str
    value: float
    unit: str
    second_method: str
    again: Callable[[], Second]
    snippet: str
    places: str = ".2f"
    repeatable: bool = True
    rest: Mapping[str, float] = field(default_factory=dict)
    words: Callable[[float], str] | None = None

    @cached_property
    def _again(self) -> Second:
        return self.again()

    @property
    def second(self) -> float:
        return self._again.value

    @property
    def values(self) -> tuple[float, ...]:
        """The value, then the rest."""
        return (self.value, *self.rest.values())

    @property
    def _worst(self) -> tuple[Second, float]:
        """Of all values the one that is furthest off, and its second."""
        pairs = zip((self._again, *self._again.rest), self.values, strict=True)
        return max(pairs, key=lambda pair: pair[0].apart(pair[1]))

    @property
    def tolerance(self) -> float:
        return self._worst[0].tolerance

    @property
    def difference(self) -> float:
        """The second value less the first; where there are several, of the one that is furthest off."""
        second, first = self._worst
        return second.value - first

    @property
    def agrees(self) -> bool:
        return abs(self.difference) <= self.tolerance

    @property
    def shown(self) -> str:
        """The number as Python writes it, with the places it is shown in."""
        return f"{self.value:{self.places}}"


@dataclass(frozen=True)
class Sheet:
    """What several receipts have in common: inputs, the Python that comes before their own, unit and places."""

    inputs: Mapping[str, str]
    code: str = ""
    unit: str = "nats"
    places: str = ".2f"

    def given(self, inputs: Mapping[str, str] | None = None, code: str = "", **changed: str) -> Sheet:
        """The same with further inputs and further Python, and with another unit or other places."""
        lines = "\n".join(filter(None, (self.code.rstrip(), code.rstrip())))
        return replace(self, inputs={**self.inputs, **(inputs or {})}, code=lines, **changed)

    def receipt(
        self,
        name: str,
        formula: str,
        method: str,
        value: float,
        code: str,
        second_method: str,
        again: Callable[[], Second],
        *,
        repeatable: bool = True,
        rest: Mapping[str, float] | None = None,
        words: Callable[[float], str] | None = None,
    ) -> Receipt:
        """A receipt of this sheet. The last line of `code` is an expression of the number; of all of them, where there
        is a `rest`.
        """
        before, _, expression = code.strip().rpartition("\n")
        printed = f'print(f"{{value:{self.places}}}")'
        end = f"for value in {expression}:\n    {printed}" if rest else f"value = {expression}\n{printed}"
        return Receipt(
            name=name,
            formula=formula,
            inputs=self.inputs,
            method=method,
            value=float(value),
            unit=self.unit,
            second_method=second_method,
            again=again,
            snippet=program("\n".join(filter(None, (self.code.rstrip(), before, end)))),
            places=self.places,
            repeatable=repeatable,
            rest=rest or {},
            words=words,
        )


def program(body: str) -> str:
    """A snippet that runs as it stands in the repository: the imports of what the body names, then the body."""
    own = [name for name in _MODULES if re.search(rf"(?<![\w.]){name}\.", body)]
    lines = [f"from demo import {', '.join(own)}"] * bool(own)
    for module, names in _NAMES.items():
        if used := [name for name in names if re.search(rf"(?<![\w.]){name}[(.]", body)]:
            lines.append(f"from demo.{module} import {', '.join(used)}")
    others = ["import time"] * ("time." in body) + ["import numpy as np"] * ("np." in body)
    return "\n\n".join(filter(None, (*others, "\n".join(lines), body.strip()))) + "\n"


def four_digits(value: float) -> str:
    """The format of an amount of any size, with four digits or more."""
    if 1e-3 <= abs(value) < 1e5:
        return f".{min(max(3 - math.floor(math.log10(abs(value))), 1), 6)}f"
    return ".3e" if value else ".0f"


def vector(values: Iterable[float], places: int = 2, most: int = 4) -> str:
    """(0.50, −1.25), the first few of many."""
    numbers = list(values)
    shown = [f"{float(v):.{places}f}".replace("-", "−") for v in numbers[:most]]
    return f"({', '.join(shown)}{', …' if len(numbers) > most else ''})"


def power_of_ten(log10: float) -> str:
    """1.25 × 10⁻³⁷ from its log₁₀."""
    mantissa, exponent = f"{10 ** (log10 % 1):.2f}", math.floor(log10)
    if mantissa == "10.00":
        mantissa, exponent = "1.00", exponent + 1
    return f"{mantissa} × 10{str(exponent).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
