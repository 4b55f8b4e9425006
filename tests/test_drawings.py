"""The drawings' points lie where the arrays say, read back from the SVG by a parser."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from demo import drawings
from demo.colours import PAPER, palette

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


def stain(root: ElementTree.Element) -> np.ndarray:
    """The picture in the map as RGB [n, n, 3], first row at the top."""
    href = root.find(f"{SVG}image").attrib["href"]  # type: ignore[union-attr]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(href.split(",")[1]))).convert("RGB"), float)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_map_stains_as_the_density_does_and_puts_q_to_the_same_scale(theme: str) -> None:
    axis1, axis2 = np.linspace(0.5, 1.5, 31), np.linspace(-2.25, -1.25, 31)
    z2, z1 = np.meshgrid(axis2, axis1, indexing="ij")
    centre, sd = np.array([0.81, -1.52]), np.array([0.05, 0.11])
    log_density = stats.norm.logpdf(z1, centre[0], sd[0]) + stats.norm.logpdf(z2, centre[1], sd[1])
    root = opened(
        drawings.posterior_map(axis1, axis2, log_density, np.array([1.0, -2.0]), np.array([0.1, 0.05]), theme)
    )

    image = root.find(f"{SVG}image")
    assert image is not None
    x, y, side = (float(image.attrib[name]) for name in ("x", "y", "width"))
    inner, outer = list(root.iter(f"{SVG}ellipse"))
    for ellipse, sigmas in ((inner, 1), (outer, 2)):
        assert [float(ellipse.attrib[a]) for a in ("cx", "cy")] == pytest.approx(
            [x + side / 2, y + 0.75 * side], abs=0.01
        )
        assert [float(ellipse.attrib[a]) / side for a in ("rx", "ry")] == pytest.approx(
            [0.1 * sigmas, 0.05 * sigmas], abs=1e-4
        )

    paper, full = (
        np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) for c in (PAPER[theme], palette(theme)["posterior"])
    )
    share = ((stain(root) - paper) @ (full - paper)) / ((full - paper) ** 2).sum()
    n = len(share)
    at1, at2 = 0.5 + (np.arange(n) + 0.5) / n, -1.25 - (np.arange(n) + 0.5) / n
    expected = (
        np.exp(-0.5 * ((at1 - centre[0]) / sd[0]) ** 2)[None, :]
        * np.exp(-0.5 * ((at2 - centre[1]) / sd[1]) ** 2)[:, None]
    )
    np.testing.assert_allclose(share, expected, atol=0.02)


def test_the_map_numbers_its_axes_where_the_numbers_lie() -> None:
    axis = np.linspace(-0.032, 0.041, 31)
    root = opened(
        drawings.posterior_map(axis, axis + 3, np.zeros((31, 31)), np.array([0.0, 3.0]), np.array([0.01, 0.01]), None)
    )
    image = root.find(f"{SVG}image")
    assert image is not None
    left, side = float(image.attrib["x"]), float(image.attrib["width"])
    beneath = [t for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "middle"]
    assert [t.text for t in beneath] == ["−0.02", "0.00", "0.02", "0.04"]
    for text in beneath:
        value = float((text.text or "").replace("−", "-"))
        assert float(text.attrib["x"]) == pytest.approx(left + side * (value + 0.032) / 0.073, abs=0.06)


@pytest.mark.parametrize(("elbo", "gap"), [(-149.36, 25.91), (-80.0, 0.001), (-2000.5, 300.25)])
def test_the_bar_is_to_scale(elbo: float, gap: float) -> None:
    html = drawings.account_bar(elbo + gap, elbo, gap, "light", end="log p(x) ≥")
    numbers = re.findall(r"left:(\d+\.\d+)%;top:56px[^>]*>([−\d.]+)<", html)
    (a, first), (b, last) = ((float(at), float(shown.replace("−", "-"))) for at, shown in (numbers[0], numbers[-1]))
    per_nat = (b - a) / (last - first)
    bound = float(re.findall(r"left:0;width:(\d+\.\d+)%", html)[0])
    wide = float(re.findall(r"left:\d+\.\d+%;width:(\d+\.\d+)%", html)[0])
    line = float(re.findall(r"left:calc\((\d+\.\d+)% - 1px\)", html)[0])
    assert bound == pytest.approx(a + (elbo - first) * per_nat, abs=0.01)
    assert wide == pytest.approx(gap * per_nat, abs=0.01)
    assert line == pytest.approx(bound + wide, abs=0.01)
    assert "log p(x) ≥" in html
