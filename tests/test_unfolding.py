"""The element of the plane that unfolds: what it refuses, what it sends and what it believes of the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from demo.components import JS, bundle, style
from demo.components.unfolding import MOST_BYTES, unfolding
from tests.test_components import node, send, sent, shown

PNG = b"\x89PNG then whatever"


def test_the_bundle_is_one_valid_module(tmp_path: Path) -> None:
    module = tmp_path / "unfolding.mjs"
    module.write_text(bundle("unfolding"), encoding="utf-8")
    node("--check", str(module))
    assert "import {" not in bundle("unfolding")
    assert bundle("unfolding").count("export default") == 1
    assert style("unfolding").startswith((JS / "base.css").read_text(encoding="utf-8"))


def three() -> None:
    import numpy as np
    import streamlit as st

    from demo.components.unfolding import unfolding

    picked = unfolding(
        b"\x89PNG then whatever",
        columns=2,
        nodes=3,
        half_width=3.0,
        step=[0, 16, 99],
        seen=[0, 4096, 20000],
        log_p_x=np.array([-206.1234, -180.0, -140.0]),
        elbo=np.array([-207.0, -183.0, -145.0]),
        picked=st.session_state.get("given", 2),
        key="g",
    )
    st.text(repr(picked))


def test_the_hand_is_believed_where_it_picks_a_moment_and_the_page_where_it_says_something_new() -> None:
    at = AppTest.from_function(three)
    assert shown(at) == "2"
    for value, believed in ((0, "0"), (1, "1"), (3, "1"), (-1, "1"), (0.0, "1"), (True, "1"), ("2", "1"), (None, "1")):
        send(at, 0, value)
        assert shown(at) == believed, value
    send(at, 7, 2)
    assert shown(at) == "1", "of a number that the page never gave"
    at.session_state["given"] = 0
    assert shown(at) == "0"


def test_what_is_sent_is_what_was_given() -> None:
    at = AppTest.from_function(three)
    shown(at)
    data = sent(at)
    assert (data["step"], data["seen"]) == ([0, 16, 99], [0, 4096, 20000])
    assert data["log_p_x"] == [-206.123, -180.0, -140.0], "rounded to a thousandth"
    assert data["elbo"] == [-207.0, -183.0, -145.0]
    assert (data["nodes"], data["columns"], data["half_width"]) == (3, 2, 3.0)


def called(**changes: Any) -> Callable[[], object]:
    given: dict[str, Any] = {
        "sheet": PNG, "columns": 2, "nodes": 3, "half_width": 3.0, "step": [0, 1, 2], "seen": [0, 8, 16],
        "log_p_x": [0.0] * 3, "elbo": [0.0] * 3, "picked": 0, "key": "k",
    }  # fmt: skip
    given |= changes
    return lambda: unfolding(given.pop("sheet"), **given)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (called(sheet=b"GIF"), "PNG"),
        (called(sheet=PNG + bytes(MOST_BYTES)), "at most"),
        (called(nodes=26), "1 to 25"),
        (called(step=[0]), "2 to 100"),
        (called(step=[0, 2, 2]), "step must be 3 whole numbers that rise"),
        (called(step=[-1, 2, 3]), "step"),
        (called(seen=[0.0, 8.0, 16.0]), "seen"),
        (called(seen=[0, 8]), "seen"),
        (called(log_p_x=[0.0, np.nan, 0.0]), "log_p_x must be 3 finite"),
        (called(elbo=[0.0]), "elbo"),
        (called(picked=3), "3 moments"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
