"""What goes wrong on the way: the server dies and comes back. Streamlit says so, and the link keeps the view."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.site import serve, settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 90_000  # ms; Streamlit's client waits longer after each attempt in vain
LINK = "sample?seed=41&n=16&picked=3"
_STATE = "state => document.querySelector('[data-testid=stApp]')?.dataset.testConnectionState {} state"


@contextmanager
def visited(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    try:
        page = context.new_page()
        page.goto(url)
        page.locator("[role=option]").first.wait_for(timeout=PATIENCE)
        settled(page)
        yield page
    finally:
        context.close()


def figures(page: Page) -> list[str]:
    """The numbers of the page: the three logarithms, and which sample they are of."""
    formula = page.locator(".katex-display .katex-mathml").last.inner_text()
    return [formula, page.locator("[role=option][aria-selected=true]").get_attribute("aria-label") or ""]


def test_a_server_that_was_killed_and_came_back_shows_the_view_of_the_link(browser: Browser) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(serve())
        with visited(browser, f"{first.url}/{LINK}") as page:
            page.locator("[role=option]").nth(7).click()
            page.wait_for_function("location.search.includes('picked=7')")
            settled(page)
            before = figures(page)
            os.kill(first.pid, signal.SIGKILL)
            page.wait_for_function(_STATE.format("!=="), arg="CONNECTED", timeout=PATIENCE)
            page.get_by_role("dialog").filter(has_text="Connection error").wait_for(timeout=PATIENCE)
            second = servers.enter_context(serve(port=urlsplit(first.url).port))
            assert second.url == first.url
            page.wait_for_function(_STATE.format("==="), arg="CONNECTED", timeout=PATIENCE)
            page.get_by_role("dialog").wait_for(state="detached", timeout=PATIENCE)
            settled(page)
            assert figures(page) == before
            assert "picked=7" in page.url
            assert page.get_by_test_id("stException").count() == 0
        with visited(browser, f"{second.url}/sample?seed=41&n=16&picked=7") as page:
            assert figures(page) == before, "another server draws the same samples and finds the same numbers"
