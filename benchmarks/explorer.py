"""How the explorer keeps up with a hand: `python -m benchmarks.explorer`. Knows its plane and its event `drawn`.

Each figure stands beside its limit. Run it on a quiet machine: server and browser share its cores.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.impression import VIEW, Wire
from benchmarks.page import Figure
from benchmarks.site import Site, SiteError, browser, serve, settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

LINKED = "?z1=0.5&z2=-0.5"  # a link chose z: no tour moves the plane
PINNED = "&pin=" + "A" * 131  # blank paper, as digits.pack writes it
CONTEST = "evidence?lens=contest&seed=5"
A_SECOND = 60  # moves

# Keeps what each drawing waited for, in milliseconds from the input's own time stamp to the end of the drawing.
_LISTEN = """element => {
    window.waits = [];
    element.addEventListener('drawn', event => waits.push(event.detail.waited));
}"""

# Keeps the milliseconds from each release of the contest's handle to the server's exact figures in the element.
_RELEASES = """element => {
    window.releases = [];
    let released = null;
    addEventListener('pointerup', event => { released = event.timeStamp; }, true);
    new MutationObserver(() => {
        if (released === null || !element.classList.contains('exact')) return;
        releases.push(performance.now() - released);
        released = null;
    }).observe(element, { attributes: true, attributeFilter: ['class'] });
}"""

# One move a frame, as Chromium hands on what a mouse sends; the milliseconds between the frames.
_DRAG = """async ([plane, count]) => {
    const box = plane.getBoundingClientRect();
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
    const times = [];
    for (let i = 0; i <= count; i++) {
        times.push(await frame());
        const at = { clientX: box.left + box.width * (0.5 + 0.4 * Math.sin(i / 40)),
            clientY: box.top + box.height * (0.5 + 0.4 * Math.cos(i / 31)) };
        plane.dispatchEvent(new PointerEvent('pointermove', { ...at, isPrimary: true, pointerType: 'mouse' }));
    }
    return times.slice(1).map((time, i) => time - times[i]);
}"""


@contextmanager
def home(chromium: Browser, site: Site, query: str = LINKED) -> Iterator[tuple[Page, CDPSession, Wire]]:
    """The home page with its mosaic whole and the images of its lattice prepared."""
    context = chromium.new_context(viewport=VIEW)
    try:
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        wire = Wire(devtools)
        page.goto(f"{site.url}/{query}")
        page.wait_for_selector(".explorer[data-mosaic=whole]", timeout=60_000)
        settled(page, quiet=1.5)
        page.locator(".explorer").evaluate(_LISTEN)
        yield page, devtools, wire
    finally:
        context.close()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[round(share * (len(values) - 1))]


def drag(page: Page, devtools: CDPSession, moves: int) -> None:
    """Presses on the plane and moves the mouse along a curve, `A_SECOND` times a second; does not let go."""
    box = page.locator(".explorer .plane").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.9 * box["height"])
    page.mouse.down()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => { waits.length = 0; done(); }))")
    start = time.perf_counter()
    for i in range(moves):
        x = box["x"] + box["width"] * (0.5 + 0.4 * math.sin(i / 40))
        y = box["y"] + box["height"] * (0.5 + 0.4 * math.cos(i / 31))
        devtools.send(
            "Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y, "button": "left", "buttons": 1}
        )
        time.sleep(max(0.0, start + (i + 1) / A_SECOND - time.perf_counter()))
    page.wait_for_timeout(100)


def dragging(chromium: Browser, site: Site, moves: int, query: str, what: str) -> list[Figure]:
    with home(chromium, site, query) as (page, devtools, wire):
        before = wire.sent
        drag(page, devtools, moves)
        waits: list[float] = page.evaluate("waits")
        sent = wire.sent - before
        page.mouse.up()
    return [
        Figure(f"{what}: moves of {moves} not drawn", float(max(0, moves - len(waits))), "", 0),
        Figure(f"{what}: input to picture, median", statistics.median(waits), "ms"),
        Figure(f"{what}: input to picture, 95th percentile", percentile(waits, 0.95), "ms", 20),
        Figure(f"{what}: messages to the server", float(sent), "", 0),
    ]


def throttled(chromium: Browser, site: Site, frames: int, rate: int, query: str, what: str) -> list[Figure]:
    """The time from frame to frame while every frame has a move to draw, on a processor `rate` times as slow."""
    with home(chromium, site, query) as (page, devtools, _):
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        plane = page.locator(".explorer .plane").element_handle()
        page.evaluate(_DRAG, [plane, 30])
        page.evaluate("() => { waits.length = 0; }")
        spans: list[float] = page.evaluate(_DRAG, [plane, frames])
        drawn = page.evaluate("waits.length")
    if drawn < frames:
        raise SiteError(f"only {drawn} of {frames} moves were drawn")
    return [
        Figure(f"{what}, {rate}x slower: frame, median", statistics.median(spans), "ms", 20),
        Figure(f"{what}, {rate}x slower: frame, 95th percentile", percentile(spans, 0.95), "ms"),
    ]


def first_digit(chromium: Browser, site: Site, count: int) -> list[Figure]:
    """From the element's mounting to its first digit, and what the whole page sent over its socket by then."""
    took, wires = [], []
    for _ in range(count):
        with home(chromium, site) as (page, _, wire):
            marks = "name => performance.getEntriesByName(name)[0].startTime"
            took.append(page.evaluate(marks, "explorer:drawn") - page.evaluate(marks, "explorer:mounted"))
            wires.append(wire.received / 1e6)
    return [
        Figure(f"mounted to first digit, median of {count}", statistics.median(took), "ms", 300),
        Figure("mounted to first digit, slowest", max(took), "ms"),
        Figure("over the socket: elements, weights, tables", statistics.median(wires), "MB", 1.3),
    ]


def exact_after_release(chromium: Browser, site: Site, count: int) -> list[Figure]:
    """From letting go of q in "beat the encoder" to the exact ELBO and KL that the server sends, `count` new places."""
    context = chromium.new_context(viewport=VIEW)
    try:
        page = context.new_page()
        page.goto(f"{site.url}/{CONTEST}")
        page.locator(".ellipse.exact").wait_for(timeout=60_000)
        settled(page, quiet=1.0)
        page.locator(".ellipse .map").scroll_into_view_if_needed()
        page.locator(".ellipse").evaluate(_RELEASES)
        for i in range(count + 2):  # two warm it up
            box = page.locator(".ellipse .handle.mean").bounding_box()
            assert box is not None
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + (1 if i % 2 else -1) * (6 + i / 2), y + (2 if i % 2 else -1), steps=3)  # a new q each
            page.mouse.up()
            page.wait_for_function("wanted => releases.length >= wanted", arg=i + 1)
            settled(page, quiet=0.3)
        took: list[float] = page.evaluate("releases")[2:]
    finally:
        context.close()
    return [
        Figure(f"contest: release to exact numbers, median of {count}", statistics.median(took), "ms", 150),
        Figure("contest: release to exact numbers, 95th percentile", percentile(took, 0.95), "ms"),
    ]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explorer", description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=300, help="moves of a drag (default: 300)")
    parser.add_argument("--rate", type=int, default=4, help="how many times slower a processor (default: 4)")
    parser.add_argument("--visits", type=int, default=5, help="visits whose first digit is timed (default: 5)")
    arguments = parser.parse_args(argv)
    if min(arguments.moves, arguments.rate, arguments.visits) < 1:
        parser.error("--moves, --rate and --visits must be at least 1")
    print("load of the machine:", *(f"{load:.1f}" for load in os.getloadavg()), flush=True)
    try:
        with browser() as chromium, serve() as site:
            print(*first_digit(chromium, site, arguments.visits), sep="\n", flush=True)
            print(*exact_after_release(chromium, site, 30), sep="\n", flush=True)
            for query, what in ((LINKED, "drag"), (LINKED + PINNED, "drag, x pinned")):
                print(*dragging(chromium, site, arguments.moves, query, what), sep="\n", flush=True)
                found = throttled(chromium, site, arguments.moves, arguments.rate, query, what)
                print(*found, sep="\n", flush=True)
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
