"""What holds of every element: a link shows one picture in two browsers, fits a phone, and the focus is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from benchmarks.site import Site, settled
from demo import digits

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BITS = digits.pack((np.add.outer(np.arange(28), np.arange(28)) % 9 == 0).ravel()[:784] & (np.arange(784) % 28 > 6))


class Element(NamedTuple):
    """An element on its page: the link, what tells that it is drawn, what takes the focus, keys that make it speak to
    the server, the part of the address that then changes, and, where the link does not hold all, keys before a look.
    """

    link: str
    ready: str
    focus: str
    keys: tuple[str, ...]
    told: str
    spoken: str
    look: tuple[str, ...] = ()


ELEMENTS = {
    "explorer": Element(
        f"?z1=-1.2531&z2=0.75&pin={BITS}", ".explorer[data-mosaic=whole]", ".explorer .plane", ("ArrowRight",), "z1=",
        ".explorer .spoken", ("+", "+", "+"),
    ),
    "gallery": Element(
        "sample?model=z32&seed=5&n=16&picked=3", ".gallery [role=option]", ".gallery [role=listbox]", ("ArrowRight",),
        "picked=4", ".gallery .spoken",
    ),
    "rail": Element(
        "interpolate?model=z32&a=7&b=prior&b_n=3&via=5&route=great+circle&t=0.437",
        ".player .strip button:last-child canvas[data-painted]", ".player .tile[tabindex='0']",
        ("ArrowRight", "Enter"), "a=1",
        ".player .spoken",
    ),
    "contest": Element(
        "evidence?model=z2&lens=contest&seed=5&m1=-0.80000&s1=0.040000", ".ellipse.exact", ".ellipse [role=slider]",
        ("ArrowRight",), "m1=", ".ellipse .spoken",
    ),
    "pad": Element(
        f"evidence?x=drawing&bits={BITS}", ".pad canvas.x", ".pad .sheet canvas", ("ArrowRight", " "), "bits=",
        ".pad .spoken",
    ),
}  # fmt: skip

# Every canvas of the page's elements as a digest of its pixels, in order, and every number that elements and page show.
_SEEN = """() => {
    const found = { canvases: [], texts: [] };
    const visit = root => {
        for (const node of root.querySelectorAll('*')) {
            if (node.shadowRoot) visit(node.shadowRoot);
            if (node.tagName === 'CANVAS' && node.width && !node.hidden) {
                const { data } = node.getContext('2d').getImageData(0, 0, node.width, node.height);
                let digest = 5381;
                for (const value of data) digest = (Math.imul(digest, 33) + value) >>> 0;
                found.canvases.push([node.width, node.height, digest]);
            }
            if (['OUTPUT', 'DD', 'METER'].includes(node.tagName)) found.texts.push(node.textContent);
        }
    };
    visit(document);
    for (const name of ['stMetricValue', 'stMarkdownContainer', 'stCaptionContainer'])
        for (const node of document.querySelectorAll(`[data-testid=${name}]`)) found.texts.push(node.innerText);
    return found;
}"""
# Two looks a moment apart see the same: nothing is being drawn any more.
_STILL = """() => {
    const now = JSON.stringify((SEEN)()), same = now === window.before;
    window.before = now;
    return same;
}"""


@contextmanager
def opened(browser: Browser, site: Site, element: Element, **options: Any) -> Iterator[Page]:
    """The link in a browser of its own, the element drawn."""
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", "color_scheme": "light", **options}
    )
    try:
        page = context.new_page()
        page.goto(f"{site.url}/{element.link}")
        page.locator(element.ready).first.wait_for(timeout=60_000)
        settled(page)
        yield page
    finally:
        context.close()


def seen(page: Page) -> dict[str, list[Any]]:
    """All pixels and numbers, once two looks agree."""
    page.wait_for_function(_STILL.replace("SEEN", _SEEN), polling=300, timeout=60_000)
    return page.evaluate(_SEEN)


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_link_shows_the_same_pixels_and_numbers_in_two_browsers(browser: Browser, site: Site, name: str) -> None:
    element, looks = ELEMENTS[name], []
    for _ in range(2):
        with opened(browser, site, element) as page:
            if element.look:
                page.locator(element.focus).first.focus()
                for key in element.look:
                    page.keyboard.press(key)
                page.locator(element.ready).wait_for()
            looks.append(seen(page))
    assert looks[0] == looks[1]
    assert looks[0]["canvases"], "there is a picture at all"
    assert looks[0]["texts"], "and a number"


def test_the_comparison_sees_a_picture_or_a_number_that_is_another(browser: Browser, site: Site) -> None:
    element, looks = ELEMENTS["rail"], []
    for t in ("0.437", "0.438"):
        with opened(browser, site, element._replace(link=element.link.replace("0.437", t))) as page:
            looks.append(seen(page))
    assert looks[0]["canvases"] != looks[1]["canvases"]
    assert looks[0]["texts"] != looks[1]["texts"]


@pytest.mark.parametrize("name", ELEMENTS)
def test_it_fits_the_narrowest_phone(browser: Browser, site: Site, name: str) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with opened(browser, site, ELEMENTS[name], **phone) as page:
        boxes = "[document.querySelector('[data-testid=stMain]'), document.documentElement]"
        wide = f"() => Math.max(...{boxes}.map(box => box.scrollWidth))"
        assert page.evaluate(wide) <= 360


@pytest.mark.parametrize("name", ELEMENTS)
def test_the_focus_is_seen_and_outlives_the_server_and_the_state_is_spoken(
    browser: Browser, site: Site, name: str
) -> None:
    element = ELEMENTS[name]
    with opened(browser, site, element) as page:
        place = page.locator(element.focus).first
        page.keyboard.press("Tab")  # from here on the hand is at the keyboard
        place.focus()
        before = page.url
        focused = "e => e.getRootNode().activeElement === e && e.matches(':focus-visible')"
        assert place.evaluate(focused)
        for key in element.keys:
            page.keyboard.press(key)
        page.wait_for_function(
            "([before, told]) => location.href !== before && location.search.includes(told)", arg=[before, element.told]
        )
        settled(page)
        assert place.evaluate(focused), "it is lost where the answer draws anew"
        ringed = "e => [e, ...e.querySelectorAll('*')].some(e => getComputedStyle(e).outlineStyle !== 'none')"
        assert place.evaluate(ringed), "nothing shows where the focus is"
        spoken = page.locator(element.spoken).first
        page.wait_for_function("e => e.textContent.trim() !== ''", arg=spoken.element_handle())
        assert spoken.get_attribute("aria-live") == "polite"
