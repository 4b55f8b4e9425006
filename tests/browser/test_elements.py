"""Gallery, rail and pad under a real hand: what it does reaches the numbers, and a drag asks no server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.site import Site, settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def visit(browser: Browser, url: str, ready: str) -> Iterator[tuple[Page, list[object]]]:
    """A page whose element `ready` is there, and the frames the browser sends to the server from now on."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    try:
        page = context.new_page()
        frames: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
        page.goto(url)
        page.locator(ready).first.wait_for(timeout=60_000)
        settled(page)
        frames.clear()
        yield page, frames
    finally:
        context.close()


def test_a_picked_sample_is_the_one_whose_numbers_are_shown(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/sample?seed=3", "[role=option]") as (page, _):
        before = page.locator(".katex-display .katex-mathml").last.inner_text()
        page.locator("[role=option]").nth(7).click()
        page.get_by_text("The joint density of sample 8").wait_for()
        page.wait_for_function("url => location.search.includes('picked=7')", arg=site.url)
        assert page.locator(".katex-display .katex-mathml").last.inner_text() != before
        page.keyboard.press("ArrowRight")
        page.get_by_text("The joint density of sample 9").wait_for()


def test_scrubbing_asks_no_server_and_letting_go_writes_the_link(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/interpolate?steps=21", "input[type=range]") as (page, frames):
        rail = page.locator(".player input[type=range]")
        box = rail.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 16, middle)
        page.mouse.down()
        for i in range(30):
            page.mouse.move(box["x"] + 16 + i * box["width"] / 60, middle)
        during = len(frames)
        shown = page.locator("dd.t").inner_text()
        page.mouse.up()
        page.wait_for_function("location.search.includes('t=')")
        assert during == 0
        assert 0.3 < float(shown) < 0.7
        assert f"t={float(shown):.3f}" in page.url


def test_a_stroke_on_the_pad_becomes_an_x_with_an_account(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/evidence?x=drawing", ".pad canvas") as (page, _):
        assert page.locator("[data-testid=stMetric]").count() == 0
        box = page.locator(".pad canvas").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        for i in range(20):
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * (0.2 + 0.03 * i))
        page.mouse.up()
        page.locator("[data-testid=stMetric]").first.wait_for(timeout=60_000)
        settled(page)
        figures = page.locator("[data-testid=stMetricValue]").all_inner_texts()
        page.wait_for_function("location.search.includes('bits=')")
        link = page.url
    with visit(browser, link, "[data-testid=stMetric]") as (page, _):
        assert page.locator("[data-testid=stMetricValue]").all_inner_texts() == figures


def test_the_link_is_copied_whole_and_a_reset_empties_it(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/sample?seed=3&picked=7", ".link button") as (page, frames):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy link").click()
        page.get_by_role("button", name="Link copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.url
        assert "seed=3" in copied
        assert "picked=7" in copied
        assert not frames, "copying asks no server"
        page.get_by_role("button", name="Reset this page").click()
        page.wait_for_function("() => location.search === ''")
        settled(page)
        assert page.get_by_role("button", name="Reset this page").count() == 0


def photo_of_a_one() -> bytes:
    """Blue ink on grainy yellowish paper, 300 × 400, as a PNG."""
    grain = np.random.default_rng(0).integers(-6, 7, (400, 300, 1))
    rgb = np.clip(np.array([236, 228, 200]) + grain, 0, 255).astype(np.uint8)
    rgb[90:310, 140:165] = (30, 40, 120)
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def test_a_picture_becomes_an_x_by_file_and_by_paste_and_what_is_none_is_refused(browser: Browser, site: Site) -> None:
    file = {"name": "one.png", "mimeType": "image/png", "buffer": photo_of_a_one()}
    with visit(browser, f"{site.url}/evidence?x=drawing", ".pad canvas") as (page, _):
        page.locator(".pad [type=file]").set_input_files(file)  # type: ignore[arg-type]
        page.get_by_text("log p(x), nats").first.wait_for()
        label = page.locator(".pad canvas.x").get_attribute("aria-label") or ""
        # 20 rows of a bar 25/220 as wide as high: 2.3 pixels, of which whole ones are ink
        assert 40 <= int(label.split()[1]) <= 60, label
        by_file = page.url
        page.locator(".pad .undo").click()
        page.wait_for_function("() => !location.search.includes('bits')")
        page.evaluate(
            """bytes => {
                const files = new DataTransfer();
                files.items.add(new File([new Uint8Array(bytes)], "one.png", {type: "image/png"}));
                document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: files, bubbles: true}));
            }""",
            list(photo_of_a_one()),
        )
        page.wait_for_function("url => location.href === url", arg=by_file)
        page.locator(".pad [type=file]").set_input_files(
            {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no picture"}
        )
        page.get_by_text("That is no picture").wait_for()
        assert page.url == by_file
