"""Every page in a real browser, wide and narrow, light and dark: nothing fails, overflows, or asks another host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

from benchmarks.site import ROOT, Site, serve, settled
from demo.pages import PAGES
from demo.pages import Page as SitePage

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

Scheme = Literal["light", "dark"]
SCREENSHOTS = ROOT / "artefacts" / "screenshots"
WIDTHS = {1280: 800, 390: 844}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Opened at /page, Streamlit's client first asks below that path whether the server is there, then at the root.
PROBE = re.compile(r"https?://[^/]+/\w+/_stcore/(health|host-config)")
UNSAID = re.compile(r"\b(NaN|nan|Infinity|inf|undefined)\b|\[object Object\]")

# The text a visitor sees, inside elements with a shadow tree too, which innerText leaves out.
_TEXT = """() => {
    const hosts = root => [...root.querySelectorAll('*')].filter(element => element.shadowRoot);
    const text = root => [...root.children].map(child => child.innerText ?? '')
        .concat(hosts(root).map(host => text(host.shadowRoot))).join('\\n');
    return text(document.body);
}"""
# Streamlit scrolls inside stMain, so the document alone would never tell.
_OVERFLOW = """width => [document.documentElement, document.querySelector('[data-testid="stMain"]')]
    .filter(box => box && box.scrollWidth > Math.min(width, box.clientWidth || width) + 1)
    .map(box => `${box.dataset.testid ?? 'the document'} scrolls sideways: ${box.scrollWidth} in ${width} px`)"""


class Watch:
    """Collects what goes wrong on a page from before its first request on."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._note(True, f"page error: {error}"))
        page.on("request", lambda request: self._visit(request.url))
        page.on("websocket", lambda websocket: self._visit(websocket.url))
        page.on("response", self._answer)

    def _note(self, bad: bool, line: str) -> None:
        if bad:
            self.events.append(line)

    def _hear(self, message: ConsoleMessage) -> None:
        probed = "404" in message.text and PROBE.fullmatch(message.location["url"])
        self._note(message.type == "error" and not probed, f"console: {message.text}")

    def _answer(self, response: Response) -> None:
        probed = response.status == 404 and PROBE.fullmatch(response.url)
        self._note(response.status >= 400 and not probed, f"response {response.status}: {response.url}")

    def _visit(self, url: str) -> None:
        address = urlsplit(url)
        foreign = address.scheme not in ("data", "blob", "about") and address.hostname not in LOOPBACK
        self._note(foreign, f"request to another host: {url}")

    def faults(self) -> list[str]:
        """One line for each fault so far, and for each that the page shows now."""
        page = self.page
        shown = [f"exception: {box}" for box in page.locator('[data-testid="stException"]').all_inner_texts()]
        shown += [f"error box: {box}" for box in page.locator('[data-testid="stAlertContentError"]').all_inner_texts()]
        text = page.evaluate(_TEXT)
        shown += [f"text: …{text[max(0, m.start() - 40) : m.end() + 20]!r}…" for m in UNSAID.finditer(text)]
        assert page.viewport_size is not None
        return self.events + shown + page.evaluate(_OVERFLOW, page.viewport_size["width"])


@contextmanager
def opened(browser: Browser, url: str, width: int, scheme: Scheme) -> Iterator[tuple[Page, Watch]]:
    """A page in a browser of its own, settled; a narrow one is a phone's."""
    phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if width < 500 else {}
    context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme, **phone)
    try:
        page = context.new_page()
        watch = Watch(page)
        page.goto(url)
        settled(page)
        yield page, watch
    finally:
        context.close()


def photograph(page: Page, name: str) -> None:
    """Saves what the visitor sees first, and the page down to its end."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert page.viewport_size is not None
    height = page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": min(height + 60, 8000)})
    settled(page)
    page.screenshot(path=SCREENSHOTS / f"{name}-whole.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("at", PAGES, ids=lambda at: at.url_path or "home")
def test_page_opens_without_a_fault(browser: Browser, site: Site, at: SitePage, width: int, scheme: Scheme) -> None:
    with opened(browser, f"{site.url}/{at.url_path}", width, scheme) as (page, watch):
        assert not watch.faults()
        assert page.locator("h1").count() >= 1, "a page says what it is"
        photograph(page, f"{at.url_path or 'home'}-{width}-{scheme}")
        assert not watch.faults()


def test_one_visitor_walks_through_every_page_and_back(browser: Browser, site: Site) -> None:
    with opened(browser, site.url, 1280, "light") as (page, watch):
        for at in (*PAGES[1:], PAGES[0]):
            page.get_by_test_id("stTopNavLink").filter(has_text=at.title).first.click()
            page.wait_for_function("path => location.pathname === path", arg=f"/{at.url_path}")
            settled(page)
            assert not watch.faults(), at.title


# The test of the test: a toy page with one fault of each kind, and the same page without any.
TOY = """
import time
import streamlit as st
st.title("Toy")
st.write("quiet words")
def script(name, code):
    js = "export default function({parentElement}) {\\n" + code + "\\n}"
    st.components.v2.component(name, html="<p>-</p>", js=js)(key=name)
if st.button("go"):
    time.sleep(0.7)
    raise RuntimeError("planted late")
if "faulty" in st.query_params:
    st.error("planted box")
    st.write(f"log p(x) = {float('nan')} nats")
    st.html("<div style='width: 3000px; height: 9px'></div>")
    script("text", "parentElement.querySelector('p').textContent = `${1 / 0} nats in the shadow`;")
    script("console", "console.error('planted line');")
    script("throw", "setTimeout(() => { throw new Error('planted throw'); }, 0);")
    script("missing", "fetch('/media/planted.png');")
    script("foreign", "fetch('https://example.org/planted').catch(() => {});")
    raise RuntimeError("planted exception")
"""


@pytest.fixture(scope="module")
def toy(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("toy")
    (folder / "streamlit_app.py").write_text(TOY, encoding="utf-8")
    with serve(folder) as running:
        yield running


@pytest.fixture(scope="module")
def seen(browser: Browser, toy: Site) -> list[str]:
    """What is seen on the faulty toy page."""
    with opened(browser, f"{toy.url}/?faulty", 1280, "light") as (_, watch):
        return watch.faults()


@pytest.mark.parametrize(
    "fault",
    [
        r"exception: .*planted exception",
        r"error box: planted box",
        r"text: .*log p\(x\) = nan",
        r"text: .*Infinity nats in the shadow",
        r"stMain scrolls sideways: 3\d\d\d in 1280",
        r"console: planted line",
        r"page error: .*planted throw",
        r"response 404: .*/media/planted.png",
        r"request to another host: https://example.org/planted",
    ],
)
def test_watch_sees_the_planted(seen: list[str], fault: str) -> None:
    assert any(re.match(fault, line, re.DOTALL) for line in seen), seen


def test_watch_sees_nothing_on_a_faultless_toy_and_settled_waits_for_what_a_click_began(
    browser: Browser, toy: Site
) -> None:
    with opened(browser, toy.url, 390, "dark") as (page, watch):
        assert watch.faults() == []
        page.get_by_role("button", name="go").click()
        settled(page)
        assert any("planted late" in line for line in watch.faults())
