"""One pixel, nothing and a full sheet of ink under a real hand: numbers or one sentence, no exception and no NaN."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.site import Site, settled
from demo import digits
from tests.browser.test_elements import visit
from tests.test_drawn import ONE_PIXEL, WAITS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# What the page says anywhere, also inside its elements, that is no number.
_WRONG = r"""() => {
    const texts = [], into = node => {
        texts.push(node.innerText ?? node.textContent);
        for (const inner of node.querySelectorAll('*')) if (inner.shadowRoot) into(inner.shadowRoot);
    };
    into(document.body);
    return texts.join(' ').match(/\b(NaN|Infinity|undefined|null)\b/g);
}"""


def sound(page: Page) -> list[str]:
    """The numbers of the account, once they are shown and nothing moves; the page says nothing that is none."""
    page.locator("[data-testid=stMetric]").first.wait_for()
    settled(page)
    assert page.evaluate(_WRONG) is None
    assert page.get_by_test_id("stException").count() == page.get_by_test_id("stAlertContentError").count() == 0
    return page.locator("[data-testid=stMetricValue]").all_inner_texts()


def ink(page: Page) -> int:
    """How many pixels the pad says are ink."""
    label = page.locator(".pad canvas.x").get_attribute("aria-label") or ""
    return int(label.split()[1])


def scribble(page: Page) -> None:
    """The mouse goes over every row of the sheet, back and forth, in one stroke."""
    box = page.locator(".pad .sheet canvas").bounding_box()
    assert box is not None
    left, right = box["x"] + 1, box["x"] + box["width"] - 1
    page.mouse.move(left, box["y"] + 1)
    page.mouse.down()
    for row in range(28):
        y = box["y"] + (row + 0.5) * box["height"] / 28
        for x in (left, right) if row % 2 == 0 else (right, left):
            page.mouse.move(x, y)
    page.mouse.up()


def test_one_pixel_nothing_and_a_full_sheet(browser: Browser, site: Site) -> None:
    sentence = WAITS["evidence"][1]
    with visit(browser, f"{site.url}/evidence?x=drawing&bits={digits.pack(ONE_PIXEL)}", ".pad canvas.x") as (page, _):
        first = sound(page)
        assert ink(page) == ONE_PIXEL.sum()
        page.get_by_role("button", name="Clear").click()
        page.get_by_text(sentence).wait_for()
        page.wait_for_function("() => !location.search.includes('bits=')")
        settled(page)
        assert page.locator("[data-testid=stMetric]").count() == 0
        assert page.locator(".pad canvas.x").get_attribute("aria-label") == "x: blank"
        assert page.evaluate(_WRONG) is None

        empty = io.BytesIO()
        Image.new("RGB", (90, 120), (240, 240, 235)).save(empty, "PNG")
        page.locator(".pad [type=file]").set_input_files(
            {"name": "empty.png", "mimeType": "image/png", "buffer": empty.getvalue()}
        )
        page.get_by_text("No ink was found in that picture.").wait_for()
        assert page.get_by_text(sentence).count() == 1

        page.locator(".pad [type=checkbox]").uncheck()
        scribble(page)
        page.wait_for_function("() => location.search.includes('bits=')")
        assert sound(page) != first
        assert ink(page) > 700
