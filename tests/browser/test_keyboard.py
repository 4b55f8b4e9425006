"""The main path by keys alone, never out of sight; no page scrolls sideways on the narrowest phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.site import Site, settled
from demo.address import SEED
from demo.pages import PAGES
from demo.pages import Page as SitePage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# The element that has the keyboard, through shadow trees: its name and tag, and whether any of it lies in the window.
_AT = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const { left, right } = at.getBoundingClientRect();
    return { name: at.getAttribute('aria-label') || at.innerText || at.closest('label')?.innerText || '',
             tag: at.tagName, role: at.getAttribute('role'), inside: right > 0 && left < innerWidth };
}"""
_OVERFLOW = """() => Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')]
    .map(box => box.scrollWidth))"""

# The menu slides in: a link of it is to be seen only a moment after it has the keyboard.
_IN_THE_MENU = """() => document.activeElement.dataset.testid === 'stSidebarNavLink'
    && document.activeElement.getBoundingClientRect().left >= 0"""
_ON_THE_PAGE = "() => document.activeElement.dataset.testid === 'stMain'"
PHONE = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
)


def reach(page: Page, name: str, key: str = "Tab", tag: str | None = None) -> None:
    """Presses the key until what bears the name has the keyboard; nothing on the way may be out of sight."""
    for _ in range(60):
        page.keyboard.press(key)
        at = page.evaluate(_AT)
        assert at["inside"], at
        if at["name"].startswith(name) and tag in (None, at["tag"]):
            return
    raise AssertionError(f"{key} does not lead to {name!r}")


def turn_to(page: Page, title: str, narrow: bool) -> None:
    """To another page by the menu, which a narrow window folds away: it opens under the keys and leaves them to the
    page.
    """
    menu = page.get_by_test_id("stSidebar")
    if narrow:
        assert menu.get_attribute("data-collapsed") == "true"
        reach(page, "Expand sidebar", key="Shift+Tab")
        page.keyboard.press("Enter")
        page.wait_for_function(_IN_THE_MENU)
        assert menu.get_attribute("data-collapsed") == "false"
    if page.evaluate(_AT)["name"] != title:
        reach(page, title, tag="A")
    page.keyboard.press("Enter")
    if narrow:
        page.wait_for_function(_ON_THE_PAGE)
        assert menu.get_attribute("data-collapsed") == "true"


def linked(page: Page, told: str) -> None:
    page.wait_for_function("told => location.href.includes(told)", arg=told)
    settled(page)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_main_path_by_keys_alone(browser: Browser, site: Site, width: int) -> None:
    narrow = width < 500
    phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if narrow else {}
    context = browser.new_context(viewport={"width": width, "height": 850}, reduced_motion="reduce", **phone)
    try:
        page = context.new_page()
        page.goto(site.url)
        page.locator(".explorer[data-mosaic=whole]").wait_for(timeout=60_000)
        settled(page)
        reach(page, "Latent plane")
        page.keyboard.press("ArrowRight")
        linked(page, "z1=")
        assert page.evaluate(_AT)["name"].startswith("Latent plane"), "the focus outlives the answer"

        turn_to(page, "Sample", narrow)
        page.locator("[role=option]").first.wait_for(timeout=60_000)
        settled(page)
        reach(page, "Samples")
        page.keyboard.press("ArrowRight")
        linked(page, "picked=1")
        page.get_by_text("The joint density of sample 2").wait_for()
        reach(page, "Draw again", key="Shift+Tab")
        page.keyboard.press("Enter")
        linked(page, f"seed={SEED.default + 1}")
        assert page.evaluate(_AT)["name"] == "Draw again"

        turn_to(page, "Interpolate", narrow)
        page.locator(".player .strip button:last-child canvas[data-painted]").wait_for(timeout=60_000)
        settled(page)
        reach(page, "a test digit 0")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        linked(page, "a=1")
        reach(page, "place on the path")
        page.keyboard.press("ArrowRight")
        linked(page, "t=0.01")
        assert page.evaluate(_AT)["name"] == "place on the path"

        turn_to(page, "Evidence", narrow)
        page.get_by_test_id("stMetricValue").first.wait_for(timeout=60_000)
        settled(page)
        reach(page, "the model imagines one")
        for _ in range(4):
            if page.evaluate(_AT)["name"].startswith("you draw"):
                break
            page.keyboard.press("ArrowDown")
        linked(page, "x=drawing")
        assert page.get_by_test_id("stMetricValue").count() == 0
        reach(page, "Draw a digit")
        for _ in range(6):
            page.keyboard.press("Shift+ArrowDown")
        linked(page, "bits=")
        page.get_by_test_id("stMetricValue").first.wait_for(timeout=60_000)
        assert page.evaluate(_AT)["name"].startswith("Draw a digit")
        assert page.get_by_test_id("stException").count() == 0
    finally:
        context.close()


@pytest.mark.parametrize("agent", [None, PHONE], ids=["a narrow window", "a phone"])
def test_the_folded_menu_folds_away_once_a_link_is_followed(browser: Browser, site: Site, agent: str | None) -> None:
    """By keys and by hand, to another page and to the one that is shown; Streamlit itself does so on a phone alone."""
    context = browser.new_context(viewport={"width": 390, "height": 850}, has_touch=True, user_agent=agent)
    try:
        page = context.new_page()
        page.goto(f"{site.url}/sample")
        settled(page)
        menu = page.get_by_test_id("stSidebar")
        steps = ("The model", "model", True), ("Evidence", "evidence", False), ("Evidence", "evidence", True)
        for title, path, by_keys in steps:
            page.get_by_test_id("stExpandSidebarButton").press("Enter")
            page.wait_for_function(_IN_THE_MENU)
            link = menu.get_by_role("link", name=title)
            if by_keys:
                link.focus()
                page.keyboard.press("Enter")
            else:
                link.tap()
            page.wait_for_function(_ON_THE_PAGE)
            page.wait_for_url(f"**/{path}*")
            settled(page)
            assert menu.get_attribute("data-collapsed") == "true"
            assert page.evaluate(_ON_THE_PAGE), "nor does the page's coming in take the keyboard away"
        page.reload()
        settled(page)
        assert menu.get_attribute("data-collapsed") == "true", "the next visit finds it folded"
    finally:
        context.close()


@pytest.mark.parametrize("at", PAGES, ids=lambda at: at.url_path or "home")
def test_no_page_scrolls_sideways_on_the_narrowest_phone(browser: Browser, site: Site, at: SitePage) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    try:
        page = context.new_page()
        page.goto(f"{site.url}/{at.url_path}")
        settled(page)
        assert page.evaluate(_OVERFLOW) <= 360
    finally:
        context.close()
