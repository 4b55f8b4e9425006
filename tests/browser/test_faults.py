"""What goes wrong on the way: the server dies and comes back, or the network does. Streamlit says so, the link keeps
the view, what is decoded in the browser goes on, and what the visitor does first afterwards counts.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.site import Site, serve, settled
from demo import digits

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, WebSocket

PATIENCE = 90_000  # ms; Streamlit's client waits longer after each attempt in vain
LINK = "sample?seed=41&n=16&picked=3"
_STATE = "state => document.querySelector('[data-testid=stApp]')?.dataset.testConnectionState {} state"
BAR = np.zeros(784, np.uint8)
BAR.reshape(28, 28)[4:24, 13:16] = 1


@contextmanager
def visiting(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    try:
        yield context
    finally:
        context.close()


class Tab:
    """A page in front of a visitor, the line to its server, and how many runs of the script it has seen end."""

    def __init__(self, context: BrowserContext, url: str, ready: str) -> None:
        self.page = context.new_page()
        self.runs = self.runs_when_lost = 0
        self.page.on("websocket", self._connect)
        self.page.goto(url)
        self.page.locator(ready).first.wait_for(timeout=PATIENCE)
        settled(self.page)

    def _connect(self, wire: WebSocket) -> None:
        self.wire = wire
        wire.on("framereceived", self._hear)

    def _hear(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes) and ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished":
            self.runs += 1

    def lose(self) -> None:
        """Waits until the page knows that the line is dead."""
        self.page.wait_for_function(_STATE.format("!=="), arg="CONNECTED", timeout=PATIENCE)
        self.runs_when_lost = self.runs

    def find(self) -> None:
        """Waits until the line is back and the page has run again, of itself."""
        self.page.wait_for_function(_STATE.format("==="), arg="CONNECTED", timeout=PATIENCE)
        self.until(lambda: self.runs > self.runs_when_lost, "no run was asked for")
        settled(self.page)

    def until(self, holds: Callable[[], bool], otherwise: str) -> None:
        for _ in range(1200):
            if holds():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(otherwise)

    def linked(self, told: str) -> None:
        """Waits until the address says so and the server is at rest."""
        self.page.wait_for_function("told => location.search.includes(told)", arg=told)
        settled(self.page)


@contextmanager
def visited(browser: Browser, url: str) -> Iterator[Tab]:
    with visiting(browser) as context:
        yield Tab(context, url, "[role=option]")


def figures(page: Page) -> list[str]:
    """The numbers of the page: the three logarithms, and which sample they are of."""
    formula = page.locator(".katex-display .katex-mathml").last.inner_text()
    return [formula, page.locator("[role=option][aria-selected=true]").get_attribute("aria-label") or ""]


def test_a_server_that_was_killed_and_came_back_shows_the_view_of_the_link(browser: Browser) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(serve())
        with visited(browser, f"{first.url}/{LINK}") as tab:
            page = tab.page
            page.locator("[role=option]").nth(7).click()
            tab.linked("picked=7")
            before = figures(page)
            os.kill(first.pid, signal.SIGKILL)
            tab.lose()
            page.get_by_role("dialog").filter(has_text="Connection error").wait_for(timeout=PATIENCE)
            second = servers.enter_context(serve(port=urlsplit(first.url).port))
            assert second.url == first.url
            tab.find()
            page.get_by_role("dialog").wait_for(state="detached", timeout=PATIENCE)
            assert figures(page) == before
            assert "picked=7" in page.url
            assert page.get_by_test_id("stException").count() == 0
        with visited(browser, f"{second.url}/sample?seed=41&n=16&picked=7") as tab:
            assert figures(tab.page) == before, "another server draws the same samples and finds the same numbers"


class View(NamedTuple):
    """An element on a page: its link, what tells that it is drawn, where the keys go, the keys of a choice that dies
    with the server and of the first one after it, what of the address then changes, and what is seen to change.
    """

    link: str
    ready: str
    focus: str
    dying: tuple[str, ...]
    first: tuple[str, ...]
    told: str
    seen: Callable[[Page], object]

    def do(self, page: Page, keys: tuple[str, ...]) -> None:
        page.locator(self.focus).first.focus()
        for key in keys:
            page.keyboard.press(key)


VIEWS = {
    "explorer": View(
        "?z1=0.5&z2=-0.5", ".explorer[data-mosaic=whole]", ".explorer .plane", ("ArrowUp",), ("ArrowRight",), "z1=0.55",
        lambda page: page.locator(".explorer .z-value").inner_text(),
    ),
    "gallery": View(
        LINK, "[role=option]", ".gallery [role=listbox]", ("ArrowRight", "Enter"), ("ArrowDown", "Enter"), "picked=7",
        figures,
    ),
    "rail": View(
        "interpolate?route=straight", ".player .strip button:last-child canvas[data-painted]",
        ".player .tile[tabindex='0']", ("ArrowRight", "Enter"), ("Home", "Enter"), "a=0",
        lambda page: page.locator(".player .slot[data-end=a]").inner_text(),
    ),
    "pad": View(
        f"evidence?x=drawing&bits={digits.pack(BAR)}", ".pad canvas.x", ".pad .sheet canvas",
        (*5 * ("ArrowRight",), " "), (*3 * ("ArrowDown",), " "), "bits=",
        lambda page: page.locator(".pad canvas.x").evaluate("canvas => canvas.toDataURL()"),
    ),
}  # fmt: skip


def shows_another(tab: Tab, view: View, before: object) -> None:
    tab.until(lambda: view.seen(tab.page) != before, f"the page still shows {str(before)[:200]}")


@pytest.mark.parametrize("sent", [True, False], ids=["unanswered", "unsent"])
def test_what_dies_with_the_server_is_shown_no_more_and_the_first_choice_after_it_counts(
    browser: Browser, sent: bool
) -> None:
    """A choice is sent to a server that was stopped and is killed before it answers, or made while there is none."""
    with ExitStack() as stack:
        first = stack.enter_context(serve())
        context = stack.enter_context(visiting(browser))
        tabs = {name: Tab(context, f"{first.url}/{view.link}", view.ready) for name, view in VIEWS.items()}
        before = {name: view.seen(tabs[name].page) for name, view in VIEWS.items()}
        os.kill(first.pid, signal.SIGSTOP if sent else signal.SIGKILL)
        for name, view in VIEWS.items():
            tab = tabs[name]
            if not sent:
                tab.lose()
            with tab.wire.expect_event("framesent") if sent else nullcontext():
                view.do(tab.page, view.dying)
            shows_another(tab, view, before[name])
        if sent:
            os.kill(first.pid, signal.SIGKILL)
            for tab in tabs.values():
                tab.lose()
        stack.enter_context(serve(port=urlsplit(first.url).port))
        for name, view in VIEWS.items():
            tab = tabs[name]
            tab.find()
            assert view.seen(tab.page) == before[name], f"{name}: page and element are of the link again"
            address = tab.page.url
            view.do(tab.page, view.first)
            tab.page.wait_for_function("address => location.href !== address", arg=address)
            tab.linked(view.told)
            assert view.seen(tab.page) != before[name], name
            assert tab.page.get_by_test_id("stException").count() == 0


class Line:
    """A loopback port before the site's that can be cut and mended, as a visitor's network is."""

    def __init__(self, port: int) -> None:
        self.beyond = ("127.0.0.1", port)
        self.whole = True
        self.ends: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.door.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._listen)]
        self.threads[0].start()

    def _listen(self) -> None:
        with suppress(OSError):  # the door is shut
            while True:
                near, _ = self.door.accept()
                with self.lock:
                    if not self.whole:
                        near.close()
                        continue
                    far = socket.create_connection(self.beyond)
                    self.ends |= {near, far}
                    pumps = [threading.Thread(target=self._pump, args=pair) for pair in ((near, far), (far, near))]
                    self.threads += pumps
                for pump in pumps:
                    pump.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Every connection ends, and no other comes about."""
        with self.lock:
            self.whole = False
            for end in self.ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self.lock:
            self.whole = True

    def close(self) -> None:
        self.cut()
        self.door.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        for end in (*self.ends, self.door):
            end.close()


@contextmanager
def line(site: Site) -> Iterator[Line]:
    port = urlsplit(site.url).port
    assert port is not None
    between = Line(port)
    try:
        yield between
    finally:
        between.close()


@contextmanager
def offline(tab: Tab, between: Line) -> Iterator[None]:
    """Without a network; a web socket that is open would outlive Chromium's own switch."""
    tab.page.context.set_offline(True)
    between.cut()
    tab.lose()
    yield
    between.mend()
    tab.page.context.set_offline(False)
    tab.find()


def test_without_a_network_it_is_said_and_the_explorer_goes_on_and_afterwards_the_view_is_the_same(
    browser: Browser, site: Site
) -> None:
    view = VIEWS["explorer"]
    with line(site) as between, visiting(browser) as context:
        tab = Tab(context, f"{between.url}/{view.link}", view.ready)
        page = tab.page
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        address, before = page.url, view.seen(page)
        page.locator(".explorer").evaluate("e => e.addEventListener('drawn', event => window.told = event.detail.z)")
        with offline(tab, between):
            said = page.get_by_role("dialog").filter(has_text="Connection error")
            said.wait_for(timeout=PATIENCE)
            assert "Are you connected to the internet?" in said.inner_text()
            page.keyboard.press("Escape")
            said.wait_for(state="detached")
            view.do(page, ("ArrowRight", "ArrowRight", "Shift+ArrowUp"))
            page.wait_for_function("() => window.told && window.told[0] === 0.6 && window.told[1] === 0")
            there = view.seen(page)
            assert there != before
            assert page.url == address, "nobody heard of it"
        tab.linked("z1=0.60")
        assert view.seen(page) == there, "what was reached without a network stays"
        view.do(page, ("ArrowLeft",))
        tab.linked("z1=0.55")
        assert page.get_by_test_id("stException").count() == 0
        assert not faults


def test_a_choice_without_a_network_counts_once_it_is_back(browser: Browser, site: Site) -> None:
    with line(site) as between, visiting(browser) as context:
        tab = Tab(context, f"{between.url}/{LINK}", "[role=option]")
        before = figures(tab.page)
        with offline(tab, between):
            tab.page.locator("[role=option]").nth(7).click()
            assert figures(tab.page)[0] == before[0]
        tab.linked("picked=7")
        after = figures(tab.page)
        assert after[1] == "sample 8"
    with visited(browser, f"{site.url}/sample?seed=41&n=16&picked=7") as tab:
        assert figures(tab.page) == after
