"""Pages opened with their receipts, and what of a receipt does not hold. No tests in here."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from demo import digits, ledger, pretrained, toys, walks
from demo.receipts import Receipt, model
from tests.site import open_page


def stroke() -> np.ndarray:
    """A drawing whose posterior q misses: its thousand draws say so only by not agreeing."""
    x = np.zeros((28, 28), np.uint8)
    for i in range(20):
        x[4 + i, 4 + i : 6 + i] = 1
    return x.ravel()


LENSES = ("identity", "grid", "sampling", "bayes", "dimensions", "contest")
PLANAR = ("bayes", "contest")
ROUTE = {"a": "7", "a_n": "3", "b": "prior", "b_n": "12", "steps": "21", "t": "0.35"}
AROUND = {"a": "5", "a_n": "4", "t": "0.420", "along": "1_1.50~2_-0.25", "moved": "2_1.25"}
REGION = {"a1": "-0.70..1.90", "a2": "-2.50..0.40"}
MODELS = pretrained.available()
STATES = [
    ("home", {"z1": "0.50", "z2": "-0.50"}),
    ("home", {"z1": "-1.2531", "z2": "0.75", "pin": digits.pack(stroke())}),
    *(("sample", {"model": model, "seed": "7", "n": "9", "picked": "4"}) for model in MODELS),
    ("interpolate", ROUTE | {"route": "straight"}),
    ("interpolate", ROUTE | {"route": "great circle"}),
    ("interpolate", ROUTE | {"route": "great circle", "via": "25", "closed": "yes", "t": "0.9"}),
    ("interpolate", ROUTE | {"route": "great circle", "model": MODELS[-1] if MODELS else "z2"}),
    *(("explore", {"model": model, "mode": mode} | AROUND) for model in MODELS for mode in walks.MODES),
    ("explore", {"mode": "between", "a": "prior", "b": "drawing", "route": "great circle", "t": "0.350",
                 "bits": digits.pack(stroke())}),
    *(("enemy", REGION | {"toy": name, "seed": "5"}) for name in toys.BY_NAME),
    ("enemy", REGION | {"cells": "200", "draws": "20000", "contrast": "2.0"}),
    *(("evidence", {"model": m, "lens": lens, "seed": "5"}) for m in MODELS for lens in LENSES
      if m == "z2" or lens not in PLANAR),
    ("evidence", {"lens": "identity", "seed": "211"}),  # its rules have not settled, and the page says so
    ("evidence", {"lens": "grid", "seed": "211", "nodes": "9"}),
    ("evidence", {"lens": "contest", "seed": "5", "m1": "-0.80000", "s1": "0.040000"}),
    ("evidence", {"lens": "contest", "seed": "5", "s1": "0.300000"}),
    ("evidence", {"lens": "sampling", "seed": "5", "k": "1"}),
    ("derivation", {"seed": "5", "at1": "0.50", "at2": "-1.25"}),
    ("derivation", {"x": "drawing", "bits": digits.pack(stroke())}),
    *(("training", {"model": model}) for model in MODELS),
    *(("model", {"model": model}) for model in MODELS),
]  # fmt: skip


def opened(name: str, **query: str) -> tuple[AppTest, list[Receipt]]:
    """The page with its receipts on, from a link, and the receipts that it handed to the ledger."""
    found: list[Receipt] = []
    show = ledger.show

    def recorded(receipts: Callable[[], Sequence[Receipt]], key: str) -> None:
        found[:] = receipts()
        show(lambda: found, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "show", recorded)
        return open_page(name, receipts="on", **query), found


@cache
def _visited(name: str, *query: tuple[str, str]) -> tuple[AppTest, list[Receipt]]:
    return opened(name, **dict(query))


def visited(name: str, query: dict[str, str]) -> tuple[AppTest, list[Receipt]]:
    """The same, opened once for all tests that only look at it."""
    return _visited(name, *query.items())


def printed(snippet: str) -> str:
    """What the snippet prints, run in a fresh namespace."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(snippet, "snippet", "exec"), {"__name__": "__main__"})
    return out.getvalue().strip()


def unit(receipt: Receipt, value: float) -> float:
    """What the last place of a number of the receipt is worth."""
    places = int(receipt.places[1:-1])
    exponent = int(f"{value:e}".split("e")[1]) if receipt.places[-1] == "e" else 0
    return 10.0 ** (exponent - places)


def misprint(receipt: Receipt) -> list[str]:
    """What the snippet prints, where it is not the receipt's number."""
    values = [float(line) for line in printed(receipt.snippet).split()]
    if len(values) != len(receipt.values):
        return [f"the snippet prints {len(values)} numbers, the receipt has {len(receipt.values)}"]
    # Half a place of rounding; a decoding in batches of another size differs in float32's last bit.
    slack = 1e-6 * (receipt.places[-1] == "f")
    return [
        f"the snippet prints {value}, the receipt says {own}"
        for value, own in zip(values, receipt.values, strict=True)
        if not abs(value - own) <= 0.51 * unit(receipt, own) + slack
    ]


def faults(receipt: Receipt) -> list[str]:
    """What of a receipt does not hold. Of a clock only the size is asked: other work may share the machine."""
    if not receipt.repeatable:
        lines = [float(line) for line in printed(receipt.snippet).split()]
        known = [*lines, *receipt.values, receipt.second]
        size = max(known) - min(known) if receipt.words else np.log10(max(known) / min(known))
        return [] if size < 2 else [f"timed as {known}"]
    if receipt.second_method == model.OFFLINE:
        return misprint(receipt)  # tests/workshop/test_judge.py computes it anew
    off = f"the second is {receipt.second}, off by {receipt.difference:.1e} > {receipt.tolerance:.1e}"
    return misprint(receipt) + [off] * (not receipt.agrees)


def broken(receipts: Sequence[Receipt]) -> dict[str, list[str]]:
    """Names of those that do not hold, and why."""
    return {receipt.name: found for receipt in receipts if (found := faults(receipt))}
