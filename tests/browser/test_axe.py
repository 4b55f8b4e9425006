"""Every page before axe-core, wide and narrow, light and dark: no serious and no critical finding."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest

from benchmarks.site import Site
from demo.pages import PAGES
from demo.pages import Page as SitePage
from tests.browser.test_pages import WIDTHS, Scheme, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GRAVE = ("serious", "critical")
# Streamlit's own markup that no page can reach, each a rule of axe and what the markup it names contains.
STREAMLITS: tuple[tuple[str, str, str], ...] = ()
# Lenses and modes that a page does not show at first.
FURTHER = {
    "evidence, contest": "evidence?lens=contest&seed=5",
    "evidence, drawing": "evidence?x=drawing",
    "explore, coordinates": "explore?mode=coordinates",
    "interpolate, receipts": "interpolate?receipts=on",
}

_RUN = """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations.map(
    ({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map(({ target, html, any, all, none }) => ({
        target: target.flat().join(' '), html: html.slice(0, 300),
        why: [...any, ...all, ...none].map(({ message }) => message).join('; ') })) }))"""


def findings(page: Page) -> list[str]:
    """One line for each element that axe-core calls seriously or critically wrong, those of Streamlit's left out."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(axe)
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html']} | {node['why']}"
        for rule in page.evaluate(_RUN)
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
        if not any(rule["id"] == known and mark in node["html"] for known, mark, _ in STREAMLITS)
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("at", PAGES, ids=lambda at: at.url_path or "home")
def test_axe_finds_nothing_grave(browser: Browser, site: Site, at: SitePage, width: int, scheme: Scheme) -> None:
    with opened(browser, f"{site.url}/{at.url_path}", width, scheme) as (page, _):
        assert not findings(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("link", FURTHER.values(), ids=FURTHER)
def test_axe_finds_nothing_grave_further_in(browser: Browser, site: Site, link: str, scheme: Scheme) -> None:
    with opened(browser, f"{site.url}/{link}", 1280, scheme) as (page, _):
        assert not findings(page)


def test_axe_sees_the_planted(browser: Browser) -> None:
    """A picture without words and a pale text, the latter in a shadow tree as our elements have."""
    page = browser.new_page()
    try:
        page.set_content("<html lang=en><title>Toy</title><body><main><h1>Toy</h1><img src=data:,><p id=host></main>")
        page.evaluate(
            "document.getElementById('host').attachShadow({ mode: 'open' }).innerHTML = "
            "'<p style=\"color:#aaa;background:#fff\">pale words</p>'"
        )
        assert [line.split()[0] for line in findings(page)] == ["color-contrast", "image-alt"]
    finally:
        page.close()
