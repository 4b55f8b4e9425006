"""The walk without a plane under mouse, touch and keys: it moves without the server, which hears when the hand lets go.

What it says of a place is compared with onnxruntime and SciPy.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.site import Site, settled
from demo import cache as caches
from demo import digits, ends, pretrained, walks
from tests.site import log_bernoulli

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

MODELS = pretrained.available()
pytestmark = pytest.mark.skipif(not MODELS, reason="no model in demo/assets has been exported yet")
DEEP = MODELS[-1] if MODELS else ""
START = "a=5&a_n=4"
LINKS = {
    "between": f"{START}&mode=between&b=prior&b_n=2&route=great+circle&t=0.420",
    "directions": f"{START}&along=1_-0.80~2_0.35",
    "coordinates": f"{START}&mode=coordinates&moved=1_1.25",
}
PICTURE = "canvas => canvas.toDataURL()"
LISTEN = "e => e.addEventListener('drawn', ({ detail }) => { window.told = detail; })"


@contextmanager
def walk(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, list[object]]]:
    """The page with every picture painted, and the frames that the browser has sent to the server since."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | options)
    try:
        page = context.new_page()
        frames: list[object] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: frames.append(frame)))
        page.goto(url)
        page.wait_for_selector(".codewalk[data-painted]", timeout=60_000, state="attached")
        settled(page)
        page.locator(".codewalk").evaluate(LISTEN)
        frames.clear()
        yield page, frames
    finally:
        context.close()


@cache
def deep() -> pretrained.PretrainedVAE:
    return pretrained.load(DEEP)


def told(page: Page, wanted: str) -> Any:
    """The detail of the last drawing, once the JavaScript expression `wanted` of it holds."""
    page.wait_for_function(f"() => window.told && (({{ z, place, log }}) => {wanted})(window.told)")
    return page.evaluate("window.told")


def figures(page: Page) -> list[float]:
    """log p(x,z), log p(z), log p(x|z) and the length of z, as they are shown."""
    names = ("joint", "prior", "likelihood", "norm")
    texts = [page.locator(f".codewalk .{name}-value").inner_text() for name in names]
    return [float(text.replace("−", "-")) for text in texts]


def expected(z: np.ndarray) -> list[float]:
    """The same by onnxruntime and SciPy, for the x of START."""
    prior, likelihood = float(stats.norm.logpdf(z).sum()), log_bernoulli(pinned(), deep().decode(z[None])[0])
    return [prior + likelihood, prior, likelihood, float(np.linalg.norm(z))]


@cache
def pinned() -> np.ndarray:
    number = ends.number_in_test_set(deep(), "5", 4)
    test_set = caches.test_set()
    return digits.mode(deep().decode(code()[None]))[0] if test_set is None else test_set[number]


def code() -> np.ndarray:
    return deep().codes.loc[ends.number_in_test_set(deep(), "5", 4)].astype(float)


def slider(page: Page, number: int) -> Locator:
    return page.locator(f".codewalk .row[data-number='{number}'] input")


def along(locator: Locator, share: float) -> tuple[float, float]:
    """The place on the screen at that share of a slider's way; its thumb is 18 px wide."""
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + 9 + share * (box["width"] - 18), box["y"] + box["height"] / 2


@pytest.mark.parametrize("mode", walks.MODES)
def test_a_link_shows_the_numbers_of_onnxruntime_and_the_same_picture_when_opened_again(
    browser: Browser, site: Site, mode: str
) -> None:
    shown = []
    for _ in range(2):
        with walk(browser, f"{site.url}/explore?{LINKS[mode]}") as (page, _frames):
            canvases = page.locator(".codewalk canvas").all()
            shown.append(([canvas.evaluate(PICTURE) for canvas in canvases], figures(page)))
    assert shown[0] == shown[1]
    if mode == "between":
        target = digits.sample_prior(1, deep().latent_dim, 2)[0]
        lengths = [float(np.linalg.norm(end)) for end in (code(), target)]
        angle = np.arccos(code() @ target / np.prod(lengths))
        direction = [np.sin(w * angle) / np.sin(angle) for w in (0.58, 0.42)]
        z = (0.58 * lengths[0] + 0.42 * lengths[1]) * (
            direction[0] * code() / lengths[0] + direction[1] * target / lengths[1]
        )
    elif mode == "directions":
        v = walks.principal_directions(deep().decode, code()).vectors
        z = code() - 0.8 * v[0] + 0.35 * v[1]
    else:
        z = np.concatenate([[1.25], code()[1:]])
    np.testing.assert_allclose(shown[0][1], expected(z), atol=0.0062)


def test_a_drag_along_a_direction_asks_no_server_and_its_numbers_are_right_all_the_way(
    browser: Browser, site: Site
) -> None:
    with walk(browser, f"{site.url}/explore?{START}") as (page, frames):
        rail = slider(page, 1)
        before = page.locator(".codewalk .digit canvas").evaluate(PICTURE)
        page.mouse.move(*along(rail, 0.5))
        page.mouse.down()
        seen = []
        for step in range(1, 13):
            page.mouse.move(*along(rail, 0.5 + step / 30))
            amount = 6 * step / 30
            seen.append(told(page, f"place[1].length && Math.abs(place[1][0][1] - {amount}) < 0.04 && log"))
        assert not frames, "nothing is sent while the hand moves"
        v = walks.principal_directions(deep().decode, code()).vectors[0]
        for one in seen:
            z = code() + one["place"][1][0][1] * v
            np.testing.assert_allclose(one["z"], z, atol=1e-9)
            _, prior, likelihood, _ = expected(z)
            assert abs(one["log"]["logPz"] - prior) < 1e-8
            assert abs(one["log"]["logPxGivenZ"] - likelihood) < 1e-3
        assert figures(page) == pytest.approx(expected(z), abs=0.0062)
        assert page.locator(".codewalk .digit canvas").evaluate(PICTURE) != before
        page.mouse.up()
        page.wait_for_function("() => location.search.includes('along=1_')")
        settled(page)
        amount = seen[-1]["place"][1][0][1]
        assert f"along=1_{amount:.2f}" in page.url
        link, picture, shown = page.url, page.locator(".codewalk .digit canvas").evaluate(PICTURE), figures(page)
    with walk(browser, link) as (page, _frames):
        assert page.locator(".codewalk .digit canvas").evaluate(PICTURE) == picture
        assert figures(page) == shown


def test_keys_move_a_coordinate_say_so_and_undo(browser: Browser, site: Site) -> None:
    with walk(browser, f"{site.url}/explore?{START}&mode=coordinates") as (page, _frames):
        first = int(np.argmax(caches.mean_kl(DEEP)))
        assert page.locator(".codewalk .row").first.get_attribute("data-number") == str(first + 1), "most KL first"
        rail = slider(page, first + 1)
        rail.focus()
        start = float(code()[first])
        sign = -1 if start > 3 else 1
        page.keyboard.press("Shift+ArrowRight" if sign > 0 else "Shift+ArrowLeft")
        value = round(start + sign * 0.5, 3)
        told(page, f"Math.abs(z[{first}] - {value}) < 0.006")
        page.keyboard.press("ArrowLeft")
        moved = told(page, f"Math.abs(z[{first}] - {value - 0.05}) < 0.012")["z"][first]
        assert rail.get_attribute("aria-valuetext") == f"{moved:.2f}".replace("-", "−")
        page.wait_for_function(f"() => location.search.includes('moved={first + 1}_{moved:.2f}')")
        settled(page)
        assert rail.evaluate("input => input.matches(':focus-visible')"), "focus survives the rerun"
        spoken = page.locator(".codewalk .spoken", has_text=f"coordinate {first + 1} ")
        spoken.wait_for(state="attached")
        numbers = [float(n) for n in re.findall(r"= (-[\d.]+)", spoken.inner_text().replace("−", "-"))]
        z = code()
        z[first] = moved
        _, prior, likelihood, _ = expected(z)
        assert numbers == pytest.approx([prior, likelihood, prior + likelihood], abs=0.0062)
        page.keyboard.press("Delete")
        told(page, "place[2].length === 0")
        page.keyboard.press("Control+z")
        told(page, f"place[2].length && place[2][0][1] === {moved}")
        page.get_by_role("button", name="Back to the code").click()
        told(page, "place[2].length === 0")
        page.wait_for_function("() => !location.search.includes('moved=')")
        page.get_by_role("button", name="Undo").click()
        told(page, f"place[2].length && place[2][0][1] === {moved}")
        page.wait_for_function("() => location.search.includes('moved=')")


def test_every_coordinate_is_reached_by_keyboard_and_an_idle_one_changes_next_to_nothing(
    browser: Browser, site: Site
) -> None:
    with walk(browser, f"{site.url}/explore?{START}&mode=coordinates") as (page, _frames):
        rows = page.locator(".codewalk .row")
        assert rows.count() == deep().latent_dim
        page.locator(".codewalk .row input").first.focus()
        reached = []
        for _ in range(deep().latent_dim):
            reached.append(page.evaluate(
                """() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement;
                return Number(e.dataset.number); }"""
            ))  # fmt: skip
            page.keyboard.press("Tab")
        kl = caches.mean_kl(DEEP)
        assert reached == (np.argsort(-kl, kind="stable") + 1).tolist()
        idle = page.locator(".codewalk .row.idle")
        assert idle.count() == int((kl < 0.01).sum())
        if not idle.count():
            return
        number = int(idle.first.get_attribute("data-number") or 0)
        slider(page, number).focus()
        page.keyboard.press("End")
        found = told(page, f"z[{number - 1}] === {walks.REACH} && log")
        assert abs(found["log"]["logPz"] - expected(code())[1] + walks.REACH**2 / 2) < 0.2
        chances = 1 / (1 + np.exp(-deep().decode(np.array([found["z"], code()])).astype(float)))
        assert np.abs(chances[0] - chances[1]).max() < 0.1


def test_pictures_at_the_ends_are_where_they_lead(browser: Browser, site: Site) -> None:
    with walk(browser, f"{site.url}/explore?{START}") as (page, _frames):
        end = page.get_by_role("button", name=re.compile("^direction 2 to 3"))
        promised = end.locator("canvas").evaluate(PICTURE)
        end.click()
        told(page, "place[1].length && place[1][0][1] === 3")
        page.wait_for_function("() => location.search.includes('along=2_3.00')")
        settled(page)
        page.wait_for_selector(".codewalk[data-painted^='0,2,3']", state="attached")
        assert end.locator("canvas").evaluate(PICTURE) == promised, "it leads where it led"
        rail = slider(page, 2)
        assert float(rail.input_value()) == 3
        page.get_by_test_id("stButtonGroup").get_by_text("Between digits").click()
        page.wait_for_selector(".codewalk[data-mode=between][data-painted]", state="attached")
        settled(page)
        page.get_by_role("button", name="to t = 0.5").click()
        page.wait_for_function("() => location.search.includes('t=0.500')")
        assert "along=2_3.00" in page.url, "the other walk is kept"


def test_the_profile_of_the_way_passes_through_the_numbers_that_are_shown(browser: Browser, site: Site) -> None:
    with walk(browser, f"{site.url}/explore?{LINKS['between']}") as (page, _frames):
        page.wait_for_selector(".codewalk .profile[data-way]", state="attached")
        low = float(page.locator(".codewalk .levels span").last.inner_text().replace("−", "-"))
        points = page.locator(".codewalk .profile .line").get_attribute("d") or ""
        line = np.array([pair.split() for pair in points.removeprefix("M").split("L")], float)
        assert len(line) == 61
        curve = np.interp(42, line[:, 0], line[:, 1]) / 100 * low
        assert abs(curve - figures(page)[2]) < 3, "read off between two of 61 points"
        assert abs(line[0, 1] / 100 * low - expected(code())[2]) < -1e-4 * low
        assert page.locator(".codewalk .now").evaluate("mark => mark.style.left") == "42%"


def test_a_finger_scrubs_on_a_phone_and_the_page_neither_scrolls_nor_overflows(browser: Browser, site: Site) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with walk(browser, f"{site.url}/explore?{START}&mode=between&b=0", **phone) as (page, frames):
        rail = page.locator(".codewalk .row.t input")
        rail.scroll_into_view_if_needed()
        top = page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
        fingers = page.context.new_cdp_session(page)

        def send(kind: str, *points: tuple[float, float]) -> None:
            touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        send("touchStart", along(rail, 0))
        for step in range(1, 11):
            send("touchMove", along(rail, step / 20))
        told(page, "Math.abs(place[0] - 0.5) < 0.03")
        assert not frames, "nothing is sent while the finger moves"
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == top
        send("touchEnd")
        page.wait_for_function("() => location.search.includes('t=0.')")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for mode in ("directions", "coordinates"):
            page.get_by_test_id("stButtonGroup").get_by_text(mode.capitalize()).click()
            page.wait_for_selector(f".codewalk[data-mode={mode}]", state="attached")
            settled(page)
            assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 360
            for control in page.locator(".codewalk input:visible, .codewalk button:visible").all():
                box = control.bounding_box()
                assert box is not None
                assert box["height"] >= 43.99, control.get_attribute("aria-label")


def test_the_element_knows_what_its_pictures_are_made_of(browser: Browser, site: Site) -> None:
    """The x in the element is the x whose likelihood is told."""
    with walk(browser, f"{site.url}/explore?{START}") as (page, _frames):
        source = page.locator(".codewalk .example canvas").evaluate(PICTURE)
        assert b64decode(source.split(",")[1])[:4] == b"\x89PNG"
        assert figures(page) == pytest.approx(expected(code()), abs=0.0062)
