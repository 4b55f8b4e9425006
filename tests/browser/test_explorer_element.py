"""The explorer under mouse, keys and touch: it moves without the server, which hears when the hand lets go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.site import Site, settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect, Page

LINKED = "?z1=0.5&z2=-0.5"
_INK = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let sum = 0; for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i]) % 1000003; return sum; }"""


@contextmanager
def home(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, list[object]]]:
    """The home page with its mosaic whole, and the frames that the browser has sent to the server since."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    try:
        page = context.new_page()
        frames: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
        page.goto(url)
        page.wait_for_selector(".explorer[data-mosaic=whole]", timeout=60_000)
        settled(page)
        frames.clear()
        yield page, frames
    finally:
        context.close()


def z(page: Page) -> tuple[float, float]:
    return _pair(page.locator(".explorer .z-value").inner_text())


def _pair(text: str) -> tuple[float, float]:
    z1, z2 = re.findall(r"-?[\d.]+", text.replace("−", "-"))
    return float(z1), float(z2)


def plane(page: Page) -> tuple[FloatRect, Callable[[float, float], tuple[float, float]]]:
    box = page.locator(".explorer .plane").bounding_box()
    assert box is not None
    return box, lambda z1, z2: (box["x"] + box["width"] * (z1 + 3) / 6, box["y"] + box["height"] * (3 - z2) / 6)


def arrives(page: Page, wanted: tuple[float, float]) -> None:
    """Waits until the element shows this z; fails after five seconds."""
    for _ in range(100):
        if near(z(page), wanted):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"the element shows {z(page)}, not {wanted}")


def near(found: tuple[float, float], wanted: tuple[float, float], far: float = 0.03) -> bool:
    return all(abs(a - b) <= far for a, b in zip(found, wanted, strict=True))


def test_the_digit_follows_the_mouse_without_the_server_and_a_click_tells_it(browser: Browser, site: Site) -> None:
    with home(browser, f"{site.url}/{LINKED}") as (page, frames):
        assert z(page) == (0.5, -0.5), "a link is where it says, and no tour leads away"
        _, at = plane(page)
        large = page.locator(".explorer .digit canvas")
        pictures = set()
        for step in range(20):
            page.mouse.move(*at(-2 + step / 5, 1 - step / 10))
            arrives(page, (-2 + step / 5, 1 - step / 10))
            pictures.add(large.evaluate(_INK))
        assert len(pictures) == 20
        assert not frames, "nothing is sent while the hand moves"
        page.mouse.down()
        page.mouse.up()
        page.wait_for_function("() => location.search.includes('z1=1.')")
        page.mouse.move(*at(-1, -1))
        page.wait_for_timeout(200)
        assert near(z(page), (1.8, -0.9)), "a click holds"


def test_a_drag_ends_where_it_is_let_go_and_the_link_restores_it(browser: Browser, site: Site) -> None:
    with home(browser, site.url) as (page, frames):
        _, at = plane(page)
        page.mouse.move(*at(0, 0))
        page.mouse.down()
        page.mouse.move(*at(-1.5, 1.25), steps=30)
        assert not frames
        page.mouse.up()
        page.wait_for_function("() => location.search.includes('z2=1.2')")
        link, held = page.url, z(page)
    with home(browser, link) as (page, _frames):
        assert near(z(page), held, 0.011)


def test_keys_step_and_speak(browser: Browser, site: Site) -> None:
    with home(browser, f"{site.url}/{LINKED}") as (page, frames):
        page.locator(".explorer .plane").focus()
        for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp", "ArrowDown"):
            page.keyboard.press(key)
        page.wait_for_function("() => location.search.includes('z1=0.60')")
        assert z(page) == (0.6, -0.05)
        assert page.locator(".explorer .plane").get_attribute("aria-valuetext") == "z1 0.60, z2 −0.05"
        spoken = page.locator(".explorer .spoken", has_text="z = (0.60, −0.05), log p(z) = −2.02 nats")
        spoken.wait_for(state="attached")
        settled(page)
        before = len(frames)
        page.keyboard.press("Home")
        assert len(frames) == before, "keys wait for a pause before the server hears of them"
        arrives(page, (0, 0))
        assert page.evaluate("document.activeElement.shadowRoot.activeElement.className").startswith("plane")


def test_the_tour_goes_on_until_the_first_touch_and_never_where_motion_is_unwelcome(
    browser: Browser, site: Site
) -> None:
    with home(browser, site.url) as (page, frames):
        first = z(page)
        page.wait_for_timeout(2500)
        assert z(page) != first
        assert not frames, "the tour is no business of the server"
        assert page.locator(".explorer .hint").evaluate("hint => getComputedStyle(hint).opacity") == "1"
        _, at = plane(page)
        page.mouse.move(*at(1, 1))
        arrives(page, (1, 1))
        page.wait_for_timeout(1500)
        assert near(z(page), (1, 1)), "a touch ends the tour"
        assert page.locator(".explorer .hint").evaluate("hint => getComputedStyle(hint).opacity") == "0"
    with home(browser, site.url, reduced_motion="reduce") as (page, _frames):
        first = z(page)
        page.wait_for_timeout(2500)
        assert z(page) == first


def test_touch_drags_on_the_plane_and_scrolls_beside_it(browser: Browser, site: Site) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with home(browser, f"{site.url}/{LINKED}", **phone) as (page, _frames):
        page.locator(".explorer .plane").scroll_into_view_if_needed()
        fingers = page.context.new_cdp_session(page)
        scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"

        def swipe(start: tuple[float, float], end: tuple[float, float]) -> None:
            def send(kind: str, *points: tuple[float, float]) -> None:
                touches = [{"x": x, "y": y} for x, y in points]
                fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

            send("touchStart", start)
            for step in range(1, 13):
                send(
                    "touchMove",
                    (start[0] + (end[0] - start[0]) * step / 12, start[1] + (end[1] - start[1]) * step / 12),
                )
                page.wait_for_timeout(16)
            send("touchEnd")
            page.wait_for_timeout(600)

        box, at = plane(page)
        before = page.evaluate(scrolled)
        swipe(at(0, -2), at(1, 2))
        arrives(page, (1, 2))
        assert page.evaluate(scrolled) == before
        _, at = plane(page)
        held = z(page)
        middle = box["x"] + box["width"] / 2
        edge = min(730.0, box["y"] + box["height"] + 25)
        swipe((middle, edge), (middle, edge - 250))
        assert page.evaluate(scrolled) > before
        assert z(page) == held
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
