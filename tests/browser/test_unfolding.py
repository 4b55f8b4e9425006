"""The plane that unfolds under a real hand: mouse, keys, finger and play; while it moves no word goes to the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.site import Site, settled
from demo import pretrained, training

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(
    not (pretrained.ASSETS / training.FOLDER).exists(), reason="demo/assets/training has not been exported yet"
)
RAIL = ".unfolding input[type=range]"
CANVAS = ".unfolding canvas"


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, list[object]]]:
    """The page with its plane painted, and the frames that the browser sends to the server from now on."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 1000}} | options))
    try:
        page = context.new_page()
        frames: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
        page.goto(url)
        page.locator(f"{CANVAS}[data-moment]").wait_for(timeout=60_000)
        settled(page)
        frames.clear()
        yield page, frames
    finally:
        context.close()


def last() -> int:
    return len(training.load().unfolding.moments) - 1


def shows(page: Page, moment: int) -> None:
    """Waits until plane, slider and steps are those of the moment."""
    steps = f"{training.load().unfolding.moments[moment].step:,}"
    page.locator(f"{CANVAS}[data-moment='{moment}']").wait_for()
    page.locator(".unfolding dd.step", has_text=steps).wait_for()
    assert page.locator(RAIL).input_value() == str(moment)


def ink(page: Page) -> float:
    """How far the plane's pixels are from its mean, in grey levels: little in the beginning, much in the end."""
    return float(
        page.locator(CANVAS).evaluate(
            """canvas => {
                const side = canvas.width;
                const data = canvas.getContext("2d").getImageData(0, 0, side, side).data;
                const grey = Float64Array.from({ length: side * side }, (_, i) => data[4 * i]);
                const mean = grey.reduce((a, b) => a + b) / grey.length;
                return Math.sqrt(grey.reduce((sum, g) => sum + (g - mean) ** 2, 0) / grey.length);
            }"""
        )
    )


def told(page: Page, moment: int) -> None:
    """Waits until the link has the moment; the last is the default and stands in none."""
    text = "" if moment == last() else f"moment={moment}"
    page.wait_for_function(
        "text => text ? location.search.includes(text) : !location.search.includes('moment')", arg=text
    )


def test_a_drag_on_the_slider_scrubs_without_the_server_and_the_link_keeps_where_it_ends(
    browser: Browser, site: Site
) -> None:
    with visit(browser, f"{site.url}/training") as (page, frames):
        shows(page, last())
        digits = ink(page)
        box = page.locator(RAIL).bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] - 10, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, y, steps=20)
        page.mouse.move(box["x"] + 2, y, steps=20)
        shows(page, 0)
        assert frames == [], "while the hand moves the server is not asked"
        page.mouse.up()
        told(page, 0)
        assert ink(page) < 0.8 * digits, "grey in the beginning"
        link = page.url
    with visit(browser, link) as (page, _):
        shows(page, 0)


def test_the_curve_can_be_dragged_too(browser: Browser, site: Site) -> None:
    with visit(browser, f"{site.url}/training?moment=3") as (page, frames):
        shows(page, 3)
        box = page.locator(".unfolding .chart").bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.3, y)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, y, steps=10)
        page.mouse.move(box["x"] + box["width"] + 40, y, steps=10)
        shows(page, last())
        assert frames == []
        page.mouse.up()
        told(page, last())


def test_keys_step_and_are_read_out(browser: Browser, site: Site) -> None:
    moments = training.load().unfolding.moments
    with visit(browser, f"{site.url}/training?moment=9") as (page, _):
        page.locator(RAIL).focus()
        page.keyboard.press("ArrowLeft")
        shows(page, 8)
        said = page.locator(RAIL).get_attribute("aria-valuetext") or ""
        assert said.startswith(f"{moments[8].step} steps, log p(x) −{-moments[8].log_p_x:.2f}")
        page.keyboard.press("End")
        shows(page, last())
        page.keyboard.press("Home")
        shows(page, 0)
        told(page, 0)
        label = page.locator(CANVAS).get_attribute("aria-label") or ""
        assert label.startswith("the latent plane after 0 training steps")


def test_a_finger_scrubs_the_curve(browser: Browser, site: Site) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with visit(browser, f"{site.url}/training", **options) as (page, _):
        chart = page.locator(".unfolding .chart svg")
        chart.scroll_into_view_if_needed()
        settled(page)
        box = chart.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        touch = page.context.new_cdp_session(page)

        def finger(kind: str, share: float) -> None:
            points = [] if kind == "touchEnd" else [{"x": box["x"] + share * box["width"], "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        finger("touchStart", 0.9)
        for i in range(1, 17):
            finger("touchMove", 0.9 - 0.055 * i)
        shows(page, 0)
        finger("touchEnd", 0)
        told(page, 0)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "nothing sticks out of a phone"


def recorded(page: Page) -> None:
    """From now on every moment that is painted is written down in window.painted."""
    page.locator(CANVAS).evaluate(
        """canvas => {
            window.painted = [];
            new MutationObserver(() => window.painted.push(Number(canvas.dataset.moment)))
                .observe(canvas, { attributes: true, attributeFilter: ["data-moment"] });
        }"""
    )


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_play_shows_every_moment_and_stops_at_the_end(browser: Browser, site: Site, motion: str) -> None:
    first = last() - 6
    with visit(browser, f"{site.url}/training?moment={first}", reduced_motion=motion) as (page, _):
        assert page.locator(".unfolding .play").inner_text() == "play", "nothing moves by itself"
        shows(page, first)
        recorded(page)
        page.locator(".unfolding .play").click()
        shows(page, last())
        page.get_by_role("button", name="play").wait_for()
        told(page, last())
        assert page.evaluate("window.painted") == list(range(first + 1, last() + 1))


def test_play_at_the_end_begins_anew_and_can_be_paused(browser: Browser, site: Site) -> None:
    """With little movement wanted a moment stays for 0.6 s, the film for 14: time enough for a slow click."""
    with visit(browser, f"{site.url}/training", reduced_motion="reduce") as (page, _):
        recorded(page)
        page.get_by_role("button", name="play").click()
        page.get_by_role("button", name="pause").click()
        page.get_by_role("button", name="play").wait_for()
        painted = page.evaluate("window.painted")
        assert painted == list(range(len(painted))), "from the first on"
        told(page, painted[-1])
        shows(page, painted[-1])
