"""The interpolation rail under mouse, touch, pen and keys; its pictures are compared with onnxruntime’s."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.site import Site, settled
from demo import ends, paths, pretrained
from demo.densities import sigmoid

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Locator, Page

PAGE = "interpolate?route=straight"
# Levels 0 to 255 of the 28 × 28 pixels of a canvas, from the middle of each; paper is its first corner, ink black.
LEVELS = """canvas => {
    const { width } = canvas, at = i => Math.floor((i + 0.5) * width / 28);
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, width);
    return Array.from({ length: 784 }, (_, i) => data[4 * (at(Math.floor(i / 28)) * width + at(i % 28))]);
}"""


@contextmanager
def rail(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, list[object]]]:
    """The page with every picture of its element painted, and the frames the browser has sent to the server since."""
    own = {"viewport": {"width": 1280, "height": 1100}, "reduced_motion": "reduce", "color_scheme": "light"}
    context = browser.new_context(**{**own, **options})
    try:
        page = context.new_page()
        frames: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
        page.goto(url)
        painted(page)
        settled(page)
        frames.clear()
        yield page, frames
    finally:
        context.close()


def painted(page: Page) -> None:
    page.locator(".player .slot[data-end=a] canvas[data-painted]").wait_for(timeout=60_000)
    page.locator(".player .slot[data-end=b] canvas[data-painted]").wait_for()
    page.locator(".player .tile:last-child canvas[data-painted]").wait_for()
    page.locator(".player .strip button:last-child canvas[data-painted]").wait_for()


def middle(place: Locator) -> tuple[float, float]:
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tile(page: Page, name: str) -> Locator:
    return page.locator(f'.player .tile[aria-label="{name}"]').first


def slot(page: Page, end: str) -> Locator:
    return page.locator(f".player .slot[data-end={end}]")


def linked(page: Page, **wanted: str) -> dict[str, str]:
    """Waits for these in the address; all that stands in it."""
    for key, value in wanted.items():
        page.wait_for_function(
            "([key, value]) => new URLSearchParams(location.search).get(key) === value", arg=[key, value]
        )
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


@cache
def vae(model_id: str) -> pretrained.PretrainedVAE:
    return pretrained.load(model_id)


def levels(canvas: Locator) -> NDArray[np.float64]:
    """What is painted, as shares of ink."""
    values = np.array(canvas.evaluate(LEVELS), float)
    paper, ink = 255.0, 28.0  # red of the light theme's two colours
    return (paper - values) / (paper - ink)


def by_python(model_id: str, z: NDArray) -> NDArray[np.float64]:
    return sigmoid(vae(model_id).decode(z[None])[0])


def same_picture(canvas: Locator, expected: NDArray) -> None:
    """Up to the steps of colours, and where a pixel is no whole number of dots up to a smooth enlargement."""
    off = np.abs(levels(canvas) - expected)
    whole = canvas.evaluate("canvas => canvas.width % 28 === 0")
    assert (off.max() if whole else off.mean()) < 0.02, (off.max(), off.mean())


def readings(page: Page) -> tuple[float, float]:
    t, p = (page.locator(f".player dd.{name}").inner_text().replace("−", "-") for name in ("t", "p"))
    return float(t), float(p.removesuffix(" nats"))


def by_mouse(page: Page, start: tuple[float, float], end: tuple[float, float]) -> Iterator[None]:
    """Presses, carries, and after a look lets go."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=8)
    yield
    page.mouse.up()


def by_touch(page: Page, start: tuple[float, float], end: tuple[float, float]) -> Iterator[None]:
    fingers = page.context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    send("touchStart", start)
    for share in np.linspace(0.1, 1, 8):
        send("touchMove", (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    yield
    send("touchEnd")


def by_pen(page: Page, start: tuple[float, float], end: tuple[float, float]) -> Iterator[None]:
    pen: CDPSession = page.context.new_cdp_session(page)

    def send(kind: str, at: tuple[float, float], buttons: int) -> None:
        event = {"type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": buttons, "clickCount": 1}
        pen.send("Input.dispatchMouseEvent", event | {"pointerType": "pen"})

    send("mousePressed", start, 1)
    for share in np.linspace(0.1, 1, 8):
        send("mouseMoved", (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])), 1)
    yield
    send("mouseReleased", end, 0)


@pytest.mark.parametrize("hand", [by_mouse, by_touch, by_pen])
@pytest.mark.parametrize("model_id", ["z2", "z32"])
def test_a_digit_is_carried_to_an_end_and_the_link_remembers(
    browser: Browser, site: Site, hand: Callable[..., Iterator[None]], model_id: str
) -> None:
    phone = (
        {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True} if hand is by_touch else {}
    )
    with rail(browser, f"{site.url}/{PAGE}&model={model_id}", **phone) as (page, frames):
        slot(page, "b").scroll_into_view_if_needed()
        start, end = middle(tile(page, "a test digit 7, number 1")), middle(slot(page, "b"))
        scrolled = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
        carried = hand(page, start, end)
        next(carried)
        page.locator(".player > canvas.ghost").wait_for()
        page.locator(".player .slot[data-end=b].over").wait_for()
        assert not frames, "the server hears of nothing that is not let go"
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == scrolled
        next(carried, None)
        query = linked(page, b="7")
        settled(page)
        assert query.get("b_n", "0") == "0"
        assert page.locator(".ghost, .slot.over").count() == 0
        assert "a test digit 7" in slot(page, "b").inner_text()
        expected = by_python(model_id, ends.latent(vae(model_id), "7", 0))
        same_picture(page.locator(".player .strip button:last-child canvas"), expected)


def test_what_is_let_go_elsewhere_changes_nothing(browser: Browser, site: Site) -> None:
    with rail(browser, f"{site.url}/{PAGE}") as (page, frames):
        start, elsewhere = middle(tile(page, "a test digit 7, number 1")), middle(page.locator(".player .play"))
        carried = by_mouse(page, start, elsewhere)
        next(carried)
        page.locator(".ghost").wait_for()
        next(carried, None)
        page.locator(".ghost").wait_for(state="detached")
        settled(page)
        assert not frames
        assert "a test digit 3" in slot(page, "a").inner_text()
        assert "a test digit 8" in slot(page, "b").inner_text()


def test_a_click_sets_the_marked_end_and_keys_do_all_of_it_with_the_focus_kept(browser: Browser, site: Site) -> None:
    with rail(browser, f"{site.url}/{PAGE}") as (page, _):
        tile(page, "a test digit 5, number 1").click()
        linked(page, a="5")
        slot(page, "b").focus()
        page.keyboard.press("Enter")
        page.locator(".player .slot[data-end=b][aria-pressed=true]").wait_for()
        page.locator('.player .tile[tabindex="0"]').focus()
        page.keyboard.press("Home")
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        linked(page, b="2", a="5")
        settled(page)
        focused = "document.activeElement.shadowRoot.activeElement.getAttribute('aria-label')"
        assert page.evaluate(focused) == "a test digit 2, number 1"
        outline = "getComputedStyle(document.activeElement.shadowRoot.activeElement).outlineStyle"
        assert page.evaluate(outline) == "solid"
        page.locator(".player .spoken", has_text="From a test digit 5 to a test digit 2").wait_for(state="attached")
        page.locator(".player .others").press("Enter")
        tile(page, "a test digit 2, number 2").press("Enter")
        linked(page, b="2", b_n="1")
        assert page.evaluate(focused) == "a test digit 2, number 2"


def test_two_quick_choices_both_arrive(browser: Browser, site: Site) -> None:
    with rail(browser, f"{site.url}/{PAGE}") as (page, _):
        page.locator(".player").evaluate(
            """player => {
                const tile = label => player.querySelector(`.tile[aria-label="${label}, number 1"]`).click();
                tile('a test digit 1');
                player.querySelector('.slot[data-end=b]').click();
                tile('a test digit 9');
                tile('a draw of the prior');
            }"""
        )
        assert linked(page, a="1", b="prior")["a"] == "1"
        settled(page)
        assert "a test digit 1" in slot(page, "a").inner_text()
        assert "a draw of the prior" in slot(page, "b").inner_text()


@pytest.mark.parametrize("route", list(paths.ROUTES))
@pytest.mark.parametrize("model_id", ["z2", "z32"])
def test_each_place_between_is_decoded_in_the_browser(browser: Browser, site: Site, model_id: str, route: str) -> None:
    """Scrubbed by key in hundredths, on a tour of three legs: picture and log p(z) are those of the very z."""
    query = f"interpolate?model={model_id}&a=3&b=8&via=5&closed=yes&route={route.replace(' ', '+')}&steps=7"
    with rail(browser, f"{site.url}/{query}") as (page, frames):
        page.locator(".player .scrub input").focus()
        for key in ("Shift+ArrowRight",) * 4 + ("ArrowRight",) * 3:
            page.keyboard.press(key)
        page.wait_for_function("() => location.search.includes('t=0.43')")
        sent = len(frames)
        shown, log_p_z = readings(page)
        assert shown == 0.43
        stops = [ends.latent(vae(model_id), kind, 0) for kind in "3583"]
        z = paths.ROUTES[route](stops[1], stops[2], [3 * 0.43 - 1])[0]
        same_picture(page.locator(".player .large canvas"), by_python(model_id, z))
        assert log_p_z == pytest.approx(stats.norm.logpdf(z).sum(), abs=0.00501)
        page.keyboard.press("Home")
        page.keyboard.press("End")
        page.wait_for_function("() => location.search.includes('t=1.000')")
        assert len(frames) - sent <= 2, "one message once the keys rest, none for a picture"
        same_picture(page.locator(".player .large canvas"), by_python(model_id, stops[3]))


def test_play_moves_in_still_pictures_where_motion_is_unwelcome_and_smoothly_elsewhere(
    browser: Browser, site: Site
) -> None:
    record = """player => {
        window.seen = [];
        const t = player.querySelector('dd.t');
        new MutationObserver(() => window.seen.push(Number(t.textContent))).observe(t, { childList: true });
        player.querySelector('.play').click();
    }"""
    for motion, enough in (("reduce", 3), ("no-preference", 40)):
        with rail(browser, f"{site.url}/{PAGE}", reduced_motion=motion) as (page, frames):
            page.locator(".player").evaluate(record)
            page.wait_for_function("enough => window.seen.length >= enough", arg=enough)
            page.locator(".player .play").click()
            seen = page.evaluate("window.seen")
            steps = np.diff(seen[:enough])
            if motion == "reduce":
                np.testing.assert_allclose(steps, 0.1, atol=1e-9)
            else:
                assert np.all(steps >= 0)
                assert seen[4] < 0.05, "it starts slowly"
                assert np.ptp(steps) > 0
            page.wait_for_function("() => location.search.includes('t=')")
            assert not [frame for frame in frames if len(str(frame)) > 20_000]


def test_another_model_brings_its_own_pictures(browser: Browser, site: Site) -> None:
    with rail(browser, f"{site.url}/{PAGE}") as (page, _):
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.get_by_text("z32: 32 dimensions").click()
        linked(page, model="z32")
        page.locator(".player .no-map").wait_for()
        settled(page)
        page.wait_for_function(
            """() => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.player .large canvas'))
                .filter(Boolean).every(canvas => canvas.getAttribute('aria-label').includes('t = 0.000'))"""
        )
        same_picture(slot(page, "a").locator("canvas"), by_python("z32", ends.latent(vae("z32"), "3", 0)))
        assert not faults


def test_a_link_shows_the_ends_it_names(browser: Browser, site: Site) -> None:
    with rail(browser, f"{site.url}/{PAGE}&a=prior&a_n=12&b=4&b_n=77&t=0.5") as (page, _):
        for end, kind, number in (("a", "prior", 12), ("b", "4", 77)):
            expected = by_python("z2", ends.latent(vae("z2"), kind, number))
            same_picture(slot(page, end).locator("canvas"), expected)
        assert readings(page)[0] == 0.5


def test_the_rail_fits_a_narrow_phone(browser: Browser, site: Site) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    for model_id in ("z2", "z32"):
        with rail(browser, f"{site.url}/{PAGE}&model={model_id}", **phone) as (page, _):
            assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 360
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            tiles = page.locator(".player .tile").evaluate_all("all => all.map(e => e.getBoundingClientRect().width)")
            assert min(tiles) >= 44
