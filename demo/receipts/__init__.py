"""Where a shown number comes from, and the same number by another way. Knows nothing of Streamlit, files or ONNX.

One module a page makes its receipts; `again` holds the second computations, which share no code with the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

_MODULES = (
    "digits",
    "estimators",
    "paths",
    "pretrained",
    "toys",
    "units",
)  # of demo, imported whole by a snippet that names them


@dataclass(frozen=True)
class Second:
    """An independent computation of a number, and how far from the first it may lie: rounding, or 4 standard errors."""

    value: float
    tolerance: float


@dataclass(frozen=True)
class Receipt:
    """One shown number: formula (LaTeX), inputs by name, method in a sentence, value and unit; a second method and
    what computes it, when first asked for; and Python that prints the value again.

    `places` is the format the number is shown in, as format() takes it. `repeatable` is False for what a clock says.
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

    @cached_property
    def _again(self) -> Second:
        return self.again()

    @property
    def second(self) -> float:
        return self._again.value

    @property
    def tolerance(self) -> float:
        return self._again.tolerance

    @property
    def difference(self) -> float:
        """The second value less the first."""
        return self.second - self.value

    @property
    def agrees(self) -> bool:
        return abs(self.difference) <= self.tolerance

    @property
    def shown(self) -> str:
        """The number as Python writes it, with the places it is shown in."""
        return f"{self.value:{self.places}}"


def program(body: str, *imports: str) -> str:
    """A snippet that runs as it stands in the repository: its imports, then the body. `imports` are whole lines."""
    own = [name for name in _MODULES if re.search(rf"\b{name}\.", body)]
    lines = sorted([*([f"from demo import {', '.join(own)}"] if own else []), *imports])
    blocks = ["import numpy as np"] * ("np." in body) + ["\n".join(lines)] + [body.strip()]
    return "\n\n".join(filter(None, blocks)) + "\n"


def vector(values: Iterable[float], places: int = 2, most: int = 4) -> str:
    """(0.50, −1.25), the first few of many."""
    numbers = list(values)
    shown = [f"{float(v):.{places}f}".replace("-", "−") for v in numbers[:most]]
    return f"({', '.join(shown)}{', …' if len(numbers) > most else ''})"
