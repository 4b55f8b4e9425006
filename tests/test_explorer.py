"""What the explorer believes of what a browser sends, and what its tables keep of the codes."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from demo import digits
from demo.components.explorer import Shown, in_box, shown
from demo.components.tables import pack_tables

PIN = digits.pack(np.arange(784) % 5 == 0)


def test_z_is_clipped_and_a_pin_kept() -> None:
    assert shown([0.5, -7]) == Shown(0.5, -3.0, "")
    assert shown([1, 2, ""]) == Shown(1.0, 2.0, "")
    assert shown([1, 2, PIN]) == Shown(1.0, 2.0, PIN)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "ab",
        {"0": 1, "1": 2},
        [1],
        [1, 2, PIN, 4],
        [1, float("nan")],
        [True, 0],
        [1, 2, None],
        [1, 2, 7],
        [1, 2, [PIN]],
        [1, 2, PIN[:-1]],
        [1, 2, PIN + "A"],
        [1, 2, "+" + PIN[1:]],
        [1, 2, "é" * 131],
        [1, 2, "A" * 10_000_000],
    ],
    ids=lambda sent: repr(sent)[:30],
)
def test_anything_else_is_refused(sent: object) -> None:
    with pytest.raises(ValueError, match=r"must be two|two numbers|131 characters|could not"):
        shown(sent)


def test_codes_travel_with_the_decimals_of_a_link() -> None:
    loc = np.random.default_rng(3).uniform(-3, 3, (50, 2))
    _, blob = pack_tables(None, {"loc": loc, "label": np.arange(50) % 10})
    length = struct.unpack("<I", blob[:4])[0]
    row = json.loads(blob[4 : 4 + length])["arrays"][0]
    sent = np.frombuffer(blob, "<i2", 100, 4 + length + row["offset"]).reshape(50, 2) * row["unit"]
    assert np.array_equal(np.round(sent, 4), np.round(loc, 4))


@pytest.mark.parametrize("z", [[10**400, -0.5], [5.0, -0.5], [3.0, -0.5]])
def test_a_place_beyond_the_plane_is_its_edge_however_large(z: list[float]) -> None:
    assert in_box(z) == (3.0, -0.5)


@pytest.mark.parametrize("z", [[float("nan"), 0], [float("inf"), 0], [True, 0], ["0", 0], [0], None, [[0], 0]])
def test_what_is_no_place_is_refused(z: object) -> None:
    with pytest.raises(ValueError, match="two"):
        in_box(z)
