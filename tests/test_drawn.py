"""What a visitor may draw that is no digit: nothing, one pixel, a sheet full of ink. Every page that takes a drawing
then shows a sound number or one clear sentence, and the numbers are those of brute force.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from demo import digits, pretrained
from tests.site import brute_force, checked, film, numbers, open_page, plain_elbo

PLANAR, DEEP = "z2", "z32"
pytestmark = pytest.mark.skipif(
    not {PLANAR, DEEP} <= set(pretrained.available()), reason="demo/assets has no z2 and z32 yet"
)
ONE_PIXEL, FULL = np.zeros(784, np.uint8), np.ones(784, np.uint8)
ONE_PIXEL[400] = 1
EXTREMES = pytest.mark.parametrize("x", [ONE_PIXEL, FULL], ids=["one pixel", "full"])
LENSES = ("identity", "sampling", "dimensions", "grid", "bayes", "contest")  # the last three of the plane alone


def shown(app: AppTest) -> dict[str, list[float]]:
    """The numbers of each metric of the page."""
    values = {metric.label: metric.value.replace(",", "").replace("−", "-") for metric in app.metric}
    return {label: [float(part) for part in value.replace("≤", "").split() if _is_number(part)] for label, value in values.items()}


def _is_number(text: str) -> bool:
    return text.lstrip("-")[:1].isdigit() and text.lstrip("-").replace(".", "", 1).isdigit()


def draw(app: AppTest, x: NDArray | None) -> AppTest:
    """The visitor's hand on the pad: what its element sends at the end of a stroke, or of a sheet wiped clean."""
    from demo.components.pad import _packed

    app.session_state["pad"] = {"held": {"number": number_of_pad(app), "value": None if x is None else _packed(x)}}
    return checked(app.run())
