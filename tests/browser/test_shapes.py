"""A model of 12 × 20 images and one of 8 × 8 in a real browser: each picture has their shape, and nothing fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.site import ROOT, Site, serve, settled
from tests.browser.test_pages import opened
from tests.small import SQUARE, WIDE, site_with

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Where an element draws: its host's key, and what in its shadow is a picture of the model's shape.
PICTURES = {
    "": (".explorer .digit canvas", ".explorer .example canvas"),
    "sample": (".gallery canvas",),
    "interpolate": (".player .large canvas", ".player .slot canvas", ".player .tile canvas", ".player .strip canvas"),
    "explore": (".codewalk .digit canvas", ".codewalk .example canvas", ".codewalk .thumb canvas"),
    "evidence": (".pad .sheet canvas", ".pad .grey", ".pad .x"),
}
QUERIES = {"evidence": "x=drawing"}
# Of each canvas: width and height as seen, and of its own dots; pictures of HTML as seen.
_SIZES = """selectors => {
    const roots = [...document.querySelectorAll('*')].map(element => element.shadowRoot).filter(Boolean);
    const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)]);
    return Object.fromEntries(selectors.map(selector => [selector, all(selector).map(canvas => {
        const box = canvas.getBoundingClientRect();
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const colours = new Set(new Uint32Array(data.buffer)).size;
        return [box.width, box.height, canvas.width, canvas.height, colours];
    })]));
}"""


@pytest.fixture(scope="module")
def others(browser: Browser, other_assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site with these two models alone."""
    with serve(site_with(other_assets, tmp_path_factory.mktemp("site"), ROOT)) as running:
        yield running


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("at", PICTURES)
def test_pictures_have_the_shape_of_the_models_images(browser: Browser, others: Site, at: str, width: int) -> None:
    model, rows, columns = (SQUARE, 8, 8) if (at, width) == ("sample", 390) else (WIDE, 12, 20)
    query = f"?model={model}&{QUERIES.get(at, '')}" if at else ""
    with opened(browser, f"{others.url}/{at}{query}", width, "dark" if width < 500 else "light") as (page, watch):
        if at == "evidence":
            box = page.locator(".pad .sheet canvas").bounding_box()
            assert box is not None
            page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.2)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.8, steps=12)
            page.mouse.up()
            page.locator("[data-testid=stMetric]").first.wait_for()
            settled(page)
            label = page.locator(".pad canvas.x").get_attribute("aria-label") or ""
            inked, total = (int(word) for word in label.split() if word.isdigit())
            assert total == 240
            assert 4 <= inked <= 80
        # A model of seconds may find no pixel likelier inked than not, and its likeliest picture blank.
        inky = [selector for selector in PICTURES[at] if "example" not in selector]
        page.wait_for_function(
            f"selectors => Object.values(({_SIZES})(selectors)).flat().every(([,,,, n]) => n > 1)", arg=inky
        )
        found = page.evaluate(_SIZES, list(PICTURES[at]))
        for selector, sizes in found.items():
            assert sizes, selector
            for wide, high, across, down, _ in sizes:
                # To a pixel of the screen: sides are whole numbers there.
                assert abs(wide * rows - high * columns) <= max(rows, columns), (selector, wide, high)
                assert abs(across * rows - down * columns) <= max(rows, columns), (selector, across, down)
        assert not watch.faults()


def test_tiles_of_the_plane_are_not_squashed(browser: Browser, others: Site) -> None:
    """The square of a tile has paper above and below the picture."""
    with opened(browser, others.url, 1280, "light") as (page, watch):
        page.locator(".explorer[data-mosaic=whole]").wait_for()
        size, rows = page.evaluate(
            """() => {
                const roots = [...document.querySelectorAll('*')].map(element => element.shadowRoot).filter(Boolean);
                const canvas = roots.map(root => root.querySelector('.mosaic')).find(Boolean);
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                const side = canvas.width / 21;
                const painted = row => data[4 * (row * canvas.width + Math.floor(side / 2)) + 3] > 0;
                return [[canvas.width, canvas.height], Array.from({ length: side }, (_, row) => painted(row))];
            }"""
        )
        assert size[0] == size[1] == 21 * 40, "two dots a pixel"
        assert rows == [False] * 8 + [True] * 24 + [False] * 8
        assert not watch.faults()


def test_from_a_model_to_one_of_another_size_by_hand(browser: Browser, others: Site) -> None:
    for at, selector in (("interpolate", ".player .large canvas"), ("evidence", ".pad .sheet canvas")):
        query = QUERIES.get(at, "")
        with opened(browser, f"{others.url}/{at}?model={WIDE}&{query}", 1280, "light") as (page, watch):
            for name, shape in ((SQUARE, 1.0), (WIDE, 20 / 12)):
                page.get_by_role("radio", name=name).click()
                settled(page)
                page.wait_for_timeout(300)
                box = page.locator(selector).first.bounding_box()
                assert box is not None
                assert box["width"] / box["height"] == pytest.approx(shape, rel=0.03), (at, name)
                assert not watch.faults(), (at, name)
