"""Gallery, rail and pad under a real hand: what it does reaches the numbers, and a drag asks no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
