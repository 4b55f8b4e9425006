"""Shows receipts under the numbers of a page: a quiet toggle, then one line a number that opens. Knows no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from demo import address, layout
from demo.receipts import MissingError, Receipt


def read(text: str) -> bool:
    """Reads “on” or “off”."""
    if text not in ("on", "off"):
        raise ValueError("on or off")
    return text == "on"


def write(on: bool) -> str:
    return "on" if on else "off"


FIELD = address.Field("receipts", False, read, write)  # a page that shows receipts lists it in its FIELDS


def show(receipts: Callable[[], Sequence[Receipt]], key: str) -> None:
    """The toggle and, while it is on, one line for each number; a receipt is worked out when its line is opened.

    Call it between address.restore and address.publish of fields that hold FIELD; `key` names the page.
    """
    st.toggle("Receipts", key=FIELD.key, help="Where each number comes from, and the same number by another way.")
    if not st.session_state[FIELD.key]:
        return
    state = st.session_state
    opened = state.setdefault(f"{key} receipts opened", {})
    with st.container(width=layout.PAGE_WIDTH, gap="xxsmall"):
        for receipt in receipts():
            line = f"{key} receipt {receipt.name}"
            # A line whose number changes is a new element to Streamlit; it stays open nevertheless.
            state[line] = state[line] if line in state else opened.get(line, False)
            box = st.expander(title(receipt), type="compact", key=line, on_change="rerun")
            opened[line] = box.open
            if box.open:
                with box:
                    _detail(receipt)


def title(receipt: Receipt) -> str:
    """log p(x) = −84.35 nats."""
    return f"{receipt.name} = {_written(receipt, receipt.value)}"


def agreement(receipt: Receipt) -> str:
    """What the second computation gives and how far the two are apart; or why there is none here."""
    try:
        apart = abs(receipt.difference)
    except MissingError as missing:
        return str(missing)
    unit = "in log₁₀" if receipt.words else receipt.unit
    found = f"It gives {_written(receipt, receipt.second, more=2)}"
    if not receipt.agrees:
        expected = f"where {layout.small(receipt.tolerance)} can be expected"
        return f"{found}. **The two disagree**, by {layout.small(apart)} {unit}".rstrip() + f", {expected}."
    if apart == 0:
        return f"{found}: the two agree to the last digit."
    return f"{found}: the two agree to {layout.small(apart)} {unit}".rstrip() + "."


def _detail(receipt: Receipt) -> None:
    st.latex(receipt.formula, width="content")
    st.caption(" · ".join(f"{name}: {words}" for name, words in receipt.inputs.items()))
    alike = " · ".join(f"{name}: {_written(receipt, value)}" for name, value in receipt.rest.items())
    method = receipt.method + f"\n\n**Also.** {alike}" * bool(alike)
    layout.text(f"{method}\n\n**Another way.** {receipt.second_method} {agreement(receipt)}")
    st.code(receipt.snippet, language="python")


def _written(receipt: Receipt, value: float, more: int = 0) -> str:
    """The number with its unit; `more` decimals than it is shown with elsewhere."""
    if receipt.words:
        return receipt.words(value)
    kind, places = receipt.places[-1], int(receipt.places[1:-1])
    if kind == "e":
        shown = layout.small(value)
    elif places == 0 and float(value).is_integer():  # a count, also by the other way
        shown = f"{value:,.0f}"
    else:
        shown = layout.nats(value, places + more)
    return f"{shown} {receipt.unit}".rstrip()
