"""The explorer under mouse, wheel, keys and touch: it moves without the server, which hears when the hand lets go.

What it says of z, of a code and of a pinned x is compared with onnxruntime and NumPy.
"""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.site import Site, settled
from demo import digits, pretrained
from demo.colours import INK, PAPER
from demo.components import bundle
from demo.components.explorer import TILES
from demo.densities import log_bernoulli, log_standard_normal

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


@cache
def planar() -> pretrained.PretrainedVAE:
    """The model of the home page, run by onnxruntime."""
    models = (pretrained.load(model) for model in pretrained.available())
    return next(vae for vae in models if vae.latent_dim == 2)


def words(z: tuple[float, float], k: int = 15) -> str:
    """What the k nearest test codes say of z: a majority's class, else the two most frequent; "" far from all."""
    loc, label = planar().codes.loc, planar().codes.label
    inside = np.abs(loc).max(axis=1) <= 3
    loc, label = np.round(loc[inside].astype(float), 4), label[inside]
    far = np.hypot(*(loc - z).T)
    nearest = np.argsort(far, kind="stable")[:k]
    if far[nearest[0]] > 0.3:
        return ""
    (first, votes), *rest = Counter(label[nearest].tolist()).most_common()
    a = [f"an {digit}" if digit == 8 else f"a {digit}" for digit in (first, *(digit for digit, _ in rest[:1]))]
    return f"looks like {a[0]}" if 2 * votes > k else f"between {a[0]} and {a[1]}"


def draws(page: Page) -> None:
    """From now on `window.told` is what the element's last drawing was of: z, the view, the line's logarithms."""
    page.locator(".explorer").evaluate("e => e.addEventListener('drawn', ({ detail }) => { window.told = detail; })")


def told(page: Page, wanted: str) -> Any:
    """The detail of the last drawing, once the JavaScript expression `wanted` of it holds."""
    page.wait_for_function(f"() => window.told && (({{ z, view, log }}) => {wanted})(window.told)")
    return page.evaluate("window.told")


def pins(x: Any) -> str:
    return f"{LINKED}&pin={digits.pack(x)}"


def a_nought() -> Any:
    """The most probable x of the decoder at (1, −1.5)."""
    return digits.mode(planar().decode(np.array([[1, -1.5]], np.float32)))[0]


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
        says = page.locator(".explorer .plane").get_attribute("aria-valuetext")
        assert says == f"z1 0.60, z2 −0.05, {words((0.6, -0.05))}"
        spoken = page.locator(
            ".explorer .spoken", has_text=f"z = (0.60, −0.05), {words((0.6, -0.05))}, log p(z) = −2.02 nats"
        )
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


def test_the_wheel_scrolls_the_page_until_the_plane_is_in_use_then_zooms_about_the_pointer(
    browser: Browser, site: Site
) -> None:
    with home(browser, f"{site.url}/{LINKED}", viewport={"width": 1280, "height": 700}) as (page, _frames):
        scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
        draws(page)
        _, at = plane(page)
        page.mouse.move(*at(1, 1))
        page.mouse.wheel(0, 120)
        page.wait_for_function(f"() => {scrolled} > 60")
        assert page.locator(".explorer .whole").is_hidden(), "a page that is scrolled past is not caught"
        page.mouse.wheel(0, -1000)
        page.wait_for_function(f"() => {scrolled} === 0")
        page.wait_for_timeout(400)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -240)
        page.keyboard.up("Control")
        view = told(page, "view.half < 2.9")["view"]
        share = [(1 - view["z1"]) / (2 * view["half"]), (1 - view["z2"]) / (2 * view["half"])]
        assert near((share[0], share[1]), (1 / 6, 1 / 6), 0.005), "what is under the pointer stays there"
        page.mouse.down()
        page.mouse.up()
        for _ in range(20):
            page.mouse.wheel(0, -300)
        assert abs(told(page, "view.half < 0.151")["view"]["half"] - 0.15) < 1e-9, "twenty times and no more"
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        for _ in range(20):
            page.mouse.wheel(0, 300)
        told(page, "view.half === 3")
        assert page.evaluate(scrolled) >= 0
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        assert page.locator(".explorer .whole").is_hidden()


def test_keys_zoom_the_view_follows_z_and_the_button_leads_back(browser: Browser, site: Site) -> None:
    with home(browser, f"{site.url}/{LINKED}") as (page, _frames):
        draws(page)
        target = page.locator(".explorer .plane")
        target.focus()
        before = page.locator(".explorer .mosaic").evaluate(_INK)
        for _ in range(9):
            page.keyboard.press("+")
        told(page, "view.half < 0.5")
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        assert page.locator(".explorer .mosaic").evaluate(_INK) != before
        page.keyboard.press("Shift+ArrowRight")
        view = told(page, "z[0] === 1")["view"]
        assert abs(1 - view["z1"]) < view["half"], "a step leads the view along"
        page.keyboard.press("-")
        told(page, f"view.half > {view['half']} * 1.2")
        assert page.locator(".explorer .plane").evaluate("plane => plane.matches(':focus-visible')")
        page.locator(".explorer .whole").click()
        told(page, "view.half === 3")
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        assert page.locator(".explorer .mosaic").evaluate(_INK) == before, "the same mosaic as at first"
        assert target.evaluate("plane => plane.matches(':focus')"), "the button goes, focus stays on the plane"
        page.keyboard.press("+")
        page.keyboard.press("0")
        told(page, "view.half === 3")


def test_two_fingers_zoom_and_pan_and_leave_z_where_it_was(browser: Browser, site: Site) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with home(browser, f"{site.url}/{LINKED}", **phone) as (page, _frames):
        draws(page)
        page.locator(".explorer .plane").scroll_into_view_if_needed()
        _, at = plane(page)
        fingers = page.context.new_cdp_session(page)

        def send(kind: str, *points: tuple[float, float]) -> None:
            touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        send("touchStart", at(-0.5, 0))
        send("touchStart", at(-0.5, 0), at(0.5, 0))
        for step in range(1, 11):
            send("touchMove", at(-0.5 - step / 10, 0), at(0.5 + step / 10, 0))
        view = told(page, "view.half < 1.1")["view"]
        assert near((view["z1"], view["z2"]), (0, 0), 0.05)
        for step in range(1, 11):
            send("touchMove", at(-1.5 + step / 10, 0), at(1.5 + step / 10, 0))
        told(page, "view.z1 < -0.25")
        send("touchEnd")
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        assert z(page) == (0.5, -0.5)
        assert page.locator(".explorer .whole").is_visible()
        for button in page.locator(".explorer button:visible").all():
            box = button.bounding_box()
            assert box is not None
            assert min(box["height"], box["width"]) >= 44, button.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_click_on_a_code_goes_there_exactly_and_says_its_class(browser: Browser, site: Site) -> None:
    loc, label = np.round(planar().codes.loc.astype(float), 4), planar().codes.label
    lonely = min(range(200), key=lambda i: np.sum(np.hypot(*(loc - loc[i]).T) < 0.1) + 99 * (np.abs(loc[i]).max() > 2))
    there = (float(loc[lonely, 0]), float(loc[lonely, 1]))
    with home(browser, f"{site.url}/{LINKED}") as (page, _frames):
        draws(page)
        for name, canvas in (("digits", "mosaic"), ("dots", "codes")):
            page.locator(f".explorer .{name}").click()
            on = name == "dots"
            assert page.locator(f".explorer .{canvas}").is_visible() == on
            assert page.locator(f".explorer .{name}").get_attribute("aria-pressed") == str(on).lower()
        page.mouse.move(*plane(page)[1](there[0] + 0.02, there[1] - 0.02))
        page.mouse.down()
        page.mouse.up()
        assert told(page, f"z[0] === {there[0]}")["z"] == list(there)
        assert page.locator(".explorer .looks").inner_text() == f"code of a test {label[lonely]}"
        page.wait_for_function(f"() => location.search.includes('z1={there[0]}'.slice(0, 7))")
        page.locator(".explorer .plane").focus()
        page.keyboard.press("ArrowUp")
        told(page, f"z[1] !== {there[1]}")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert told(page, f"z[1] === {there[1]}")["z"] == list(there)


def test_what_z_looks_like_is_what_its_nearest_codes_say(browser: Browser, site: Site) -> None:
    with home(browser, f"{site.url}/{LINKED}") as (page, _frames):
        for there in ((-2.4, 1.5), (1.3, -2.0), (-0.4, -0.3), (0.1, 0.2), (2.9, -2.9), (-2.9, 2.9)):
            page.mouse.move(*plane(page)[1](*there))
            arrives(page, there)
            says = page.locator(".explorer .looks").inner_text()
            shown = z(page)  # two decimals of four
            around = {words((shown[0] + d1, shown[1] + d2)) for d1 in (-0.005, 0, 0.005) for d2 in (-0.005, 0, 0.005)}
            assert says in around


def test_the_joint_of_a_pinned_x_moves_while_dragging_and_agrees_with_onnxruntime(browser: Browser, site: Site) -> None:
    with home(browser, f"{site.url}/{pins(a_nought())}") as (page, frames):
        draws(page)
        _, at = plane(page)
        page.mouse.move(*at(1, -1.5))
        page.mouse.down()
        seen = []
        for step in range(12):
            page.mouse.move(*at(1 - step / 4, -1.5 + step / 3))
            seen.append(told(page, f"Math.abs(z[0] - {1 - step / 4}) < 0.02 && log"))
        assert not frames, "nothing is sent while the hand moves"
        places = np.array([one["z"] for one in seen])
        logits = planar().decode(places.astype(np.float32)).astype(float)
        likelihood, prior = log_bernoulli(a_nought(), logits), log_standard_normal(places)
        assert np.abs(np.array([one["log"]["logPxGivenZ"] for one in seen]) - likelihood).max() < 1e-3
        assert np.abs(np.array([one["log"]["logPz"] for one in seen]) - prior).max() < 1e-9
        assert np.abs(np.array([one["log"]["value"] for one in seen]) - prior - likelihood).max() < 1e-3
        assert likelihood.min() < -600, "far off too, nothing is bounded"
        page.mouse.up()
        values = page.locator(".explorer .joint output").all_inner_texts()
        joint, p_z, given = (float(value.replace("−", "-")) for value in values)
        assert abs(joint - p_z - given) < 0.011
        assert abs(joint - prior[-1] - likelihood[-1]) < 0.006


def test_a_pin_travels_in_the_link_focus_stays_and_unpinning_brings_the_identity_back(
    browser: Browser, site: Site
) -> None:
    with home(browser, f"{site.url}/{LINKED}") as (page, _frames):
        small = page.locator(".explorer .example canvas")
        identity, joint = (page.locator(f".explorer .{name}") for name in ("identity", "joint"))
        shown = small.evaluate(_INK)
        page.locator(".explorer .plane").focus()
        page.keyboard.press("p")
        page.wait_for_function("() => /pin=[\\w-]{131}/.test(location.search)")
        settled(page)
        assert page.locator(".explorer .plane").evaluate("plane => plane.matches(':focus-visible')"), "after a rerun"
        assert joint.is_visible()
        assert identity.is_hidden()
        page.keyboard.press("Shift+ArrowLeft")
        page.locator(".explorer .spoken", has_text="log p(x,z) = −").wait_for(state="attached")
        assert small.evaluate(_INK) == shown, "the x stays while z moves"
        page.wait_for_function("() => location.search.includes('z1=0.00')")
        settled(page)
        link, told_before = page.url, joint.inner_text()
    with home(browser, link) as (page, _frames):
        assert page.locator(".explorer .joint").inner_text() == told_before
        assert page.locator(".explorer .example canvas").evaluate(_INK) == shown
        page.get_by_role("button", name="Unpin").click()
        page.wait_for_function("() => !location.search.includes('pin=')")
        assert page.locator(".explorer .identity").is_visible()
    with home(browser, f"{site.url}/{LINKED}&pin=AAAA") as (page, _frames):
        assert page.locator(".explorer .identity").is_visible()
        assert page.get_by_text("it must be a drawing").count() == 1


VIEWS = ((390, 844), (520, 900), (700, 900), (950, 900), (1040, 1000), (1100, 1000), (1280, 800), (1280, 620))
_AHEAD = """() => [...document.querySelectorAll('.plane-ahead img')].filter(image => image.checkVisibility())
    .map(image => image.getBoundingClientRect()).map(({ x, y, width, height }) => [x, y, width, height])"""
_SEEN = "canvas => getComputedStyle(canvas).visibility"


def test_the_plane_is_there_as_a_picture_before_the_element_is(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
    try:
        page = context.new_page()
        page.route("**/BidiComponent*.js", lambda route: None)  # never answered
        page.goto(site.url)
        page.locator(".plane-ahead img.wide").wait_for()
        png = b64decode(page.locator(".plane-ahead img.wide").get_attribute("src").partition("base64,")[2])
        vae = planar()
        for narrower, across in ((False, 21), (True, 15)):
            if narrower:
                page.set_viewport_size({"width": 390, "height": 844})
                page.locator(".plane-ahead img.narrow").wait_for()
                png = b64decode(page.locator(".plane-ahead img.narrow").get_attribute("src").partition("base64,")[2])
            picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)[:, :, 0]
            paper, ink = (int(colour["dark"][1:3], 16) for colour in (PAPER, INK))
            shades = (picture - paper) / (ink - paper)
            for column, row in ((0, 0), (across - 1, 0), (across // 2, across // 3), (2, across - 1)):
                z = [6 * (column + 0.5) / across - 3, 3 - 6 * (row + 0.5) / across]
                digit = (1 / (1 + np.exp(-vae.decode([z])[0].astype(float)))).reshape(14, 2, 14, 2).mean(axis=(1, 3))
                tile = shades[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
                assert np.abs(tile - digit).max() < 0.5 / 15 + 0.01, "a shade is one of sixteen"
    finally:
        context.close()


def test_the_picture_lies_where_the_plane_comes_and_goes_once_it_is_there(browser: Browser, site: Site) -> None:
    for width, height in VIEWS:
        with home(browser, site.url + LINKED, viewport={"width": width, "height": height}) as (page, _frames):
            assert page.evaluate(_AHEAD) == []
            assert page.locator(".explorer .mosaic").evaluate(_SEEN) == "visible"
            plane = page.locator(".explorer .plane").bounding_box()
            assert plane is not None
            tiles = page.locator(".explorer .mosaic").evaluate("canvas => canvas.width") / 28
            shown = page.locator(f".plane-ahead img.{'wide' if tiles == TILES[0] else 'narrow'}")
            page.evaluate("document.querySelectorAll('[data-arrived]').forEach(room => delete room.dataset.arrived)")
            [ahead] = page.evaluate(_AHEAD)
            assert shown.is_visible(), "of as many tiles as the element's"
            assert tiles in TILES
            assert np.abs(np.subtract(ahead, list(plane.values()))).max() < 0.5, (width, ahead, plane)


def test_the_picture_stays_away_under_another_theme_and_comes_again_with_the_page(browser: Browser, site: Site) -> None:
    with home(browser, site.url + LINKED, color_scheme="light") as (page, _frames):
        before = page.locator(".plane-ahead img.wide").get_attribute("src")
        page.emulate_media(color_scheme="dark")
        page.mouse.click(*plane(page)[1](1, 1))  # the server hears of the theme with the next run
        page.wait_for_function("was => document.querySelector('.plane-ahead img.wide').src !== was", arg=before)
        settled(page)
        assert page.evaluate(_AHEAD) == []
        page.get_by_role("link", name="Sample", exact=True).first.click()
        page.wait_for_function("() => !document.querySelector('.plane-ahead')")
        settled(page)
        page.get_by_role("link", name="Home", exact=True).first.click()
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        settled(page)
        assert page.evaluate(_AHEAD) == []
        assert page.locator("[data-arrived]").count() == 1


def test_the_bundle_is_one_module_without_imports() -> None:
    text = bundle("explorer")
    names = re.findall(r"^(?:export )?(?:const|let|class|function) (\w+)", text, re.MULTILINE)
    assert "import {" not in text
    assert len(names) == len(set(names))
