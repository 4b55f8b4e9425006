"""The drawings' points lie where the arrays say, read back from the SVG by a parser."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from demo import drawings
from demo.colours import palette

SVG = "{http://www.w3.org/2000/svg}"
Z = np.array([[0.5, -1.25], [-2.0, 0.0], [3.9, 4.1]])


def opened(img: str) -> ElementTree.Element:
    """The SVG inside the <img>."""
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', img)
    assert found is not None
    return ElementTree.fromstring(base64.b64decode(found[1]))


@pytest.mark.parametrize("theme", ["light", "dark", None])
def test_every_point_is_where_it_should_be_and_the_picked_one_is_ringed(theme: str | None) -> None:
    root = opened(drawings.latent_plane(Z, 2, theme))
    circles = [
        (float(c.get("cx", 0)), -float(c.get("cy", 0)), float(c.get("r", 0)), c.get("stroke"))
        for c in root.iter(f"{SVG}circle")
    ]
    assert [c[2] for c in circles[:3]] == [1, 2, 3]
    np.testing.assert_allclose([c[:2] for c in circles[3:6]], Z, atol=5e-4)
    assert circles[6] == (3.9, 4.1, 0.16, palette(theme)["z"])
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    assert [x, y, width, height] == pytest.approx([-4.3, -4.3, 8.6, 8.6])


def test_its_words_name_the_picked_point() -> None:
    assert 'alt="3 points of the prior on the latent plane; ringed, sample 2 at z = (−2.00, 0.00)"' in (
        drawings.latent_plane(Z, 1, "light")
    )
