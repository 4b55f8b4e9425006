"""What a visitor waits for and what the server holds: `python -m benchmarks.page`. Knows nothing of how pages are made.

Each figure stands beside its limit. Run it on a quiet machine: server and browser share its cores, so every time is an
upper bound. A run with the default options is kept in benchmarks/figures/ for the README.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import record
from benchmarks.impression import PHONE, VIEW, first_title, impression
from benchmarks.site import ROOT, Site, SiteError, browser, serve, settled
from demo.pages import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAMPLE = "sample"  # the page whose main button is clicked
BARE = 'import streamlit as st\n\nst.title("Hello")\n'  # the least that a page of Streamlit can be

# The first frame in which a heading is shown and the script has run to its end.
_SHOWN = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app?.dataset.testScriptState === 'notRunning' && document.querySelector('[data-testid="stMain"] h1')
        && !document.querySelector('[data-testid="stSkeleton"], [data-testid="stAppSkeleton"]');
}"""

# Clicks, then looks at every frame: milliseconds until each of the selectors (the whole page, where there are none) has
# changed in what it says or which pictures it shows, and until the run has ended.
_CLICK = """async (button, selectors) => {
    const main = document.querySelector('[data-testid="stMain"]');
    const app = document.querySelector('[data-testid="stApp"]');
    const shadows = [...main.querySelectorAll('*')].map(element => element.shadowRoot).filter(Boolean);
    const pictures = node => [node, ...node.querySelectorAll('img')].map(image => image.src ?? '').join();
    const says = node => node.textContent + pictures(node);
    const parts = selectors.length
        ? selectors.map(selector => () => [...main.querySelectorAll(selector)].map(says).join())
        : [() => says(main) + shadows.map(shadow => shadow.textContent).join()];
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
    const before = parts.map(part => part()), start = performance.now();
    let changed = null, ended = null, ran = false;
    button.click();
    while (changed === null || ended === null) {
        await frame();
        const now = performance.now() - start;
        if (now > 20000) throw new Error(changed === null ? 'the click changed nothing' : 'the run did not end');
        const running = app.dataset.testScriptState !== 'notRunning';
        if (changed === null && parts.every((part, i) => part() !== before[i])) changed = now;
        ran ||= running || changed !== null;
        if (ended === null && ran && !running) ended = now;
    }
    return [changed, ended];
}"""


class Figure(NamedTuple):
    """One line of the report; `limit` is None where issue and design set none."""

    what: str
    value: float
    unit: str
    limit: float | None = None

    def __str__(self) -> str:
        shown = f"{self.what:54} {self.value:8.{0 if self.value >= 100 else 2}f} {self.unit:3}"
        if self.limit is None:
            return shown
        return f"{shown} limit {self.limit:g} {self.unit}  {'within' if self.value <= self.limit else 'OVER'}"


def first_page(chromium: Browser, site: Site) -> tuple[float, float, float]:
    """Seconds from the start of the server process until it is healthy and until its first page is shown, and of the
    page once more; the browser is open already, its cache empty."""
    healthy = time.perf_counter() - site.started
    page = chromium.new_page(viewport=VIEW)
    page.goto(site.url, wait_until="commit")
    page.wait_for_function(_SHOWN, timeout=60_000)
    shown = time.perf_counter() - site.started
    settled(page)
    page.reload(wait_until="commit")
    began = time.perf_counter()
    page.wait_for_function(_SHOWN, timeout=60_000)
    again = time.perf_counter() - began
    page.context.close()
    return healthy, shown, again


def starts(chromium: Browser, count: int) -> list[Figure]:
    """Medians over `count` fresh servers, and the slowest: one start varies by half a second on two cores."""
    rows = []
    for _ in range(count):
        with serve() as site:
            rows.append(first_page(chromium, site))
    healthy, shown, again = zip(*rows, strict=True)
    return [
        Figure(f"start of the process to healthy, median of {count}", statistics.median(healthy), "s"),
        Figure("start of the process to first page shown, median", statistics.median(shown), "s", 4),
        Figure("the slowest of them", max(shown), "s"),
        Figure("the page once more, median", statistics.median(again), "s"),
    ]


def measured(chromium: Browser, site: Site, count: int, path: str, button: str, *watched: str) -> list[list[float]]:
    """Clicks `button` (a selector) on a page `count` times; sorted ms until all `watched` selectors have changed
    (anything, if there are none), and to the end."""
    page = chromium.new_page(viewport=VIEW)
    page.goto(f"{site.url}/{path}")
    settled(page)
    found = page.locator(f'[data-testid="stMain"] {button}').first
    if not found.count():
        raise SiteError(f"the page {path} has no button {button}")
    rows: list[list[float]] = []
    for _ in range(count + 3):
        rows.append(found.evaluate(_CLICK, list(watched)))
        settled(page, quiet=0.2)
    page.context.close()
    return [sorted(column) for column in zip(*rows[3:], strict=True)]  # the first three warm up


def exact_panel(chromium: Browser, site: Site, count: int) -> list[Figure]:
    """From asking for a new x to its exact numbers on the evidence page, and the map of its posterior."""
    panel = ('[data-testid="stMetricValue"]', 'img[alt^="The posterior"]')
    shown, _ = measured(chromium, site, count, "evidence", ".st-key-imagine button", *panel)
    return [
        Figure(f"a new x to its exact panel, median of {count}", statistics.median(shown), "ms", 150),
        Figure("a new x to its exact panel, 95th percentile", shown[int(0.95 * (count - 1) + 0.5)], "ms", 300),
    ]


def first_impression(chromium: Browser, site: Site, count: int) -> list[Figure]:
    """Home with a cold cache, medians over `count` new browsers' contexts; shifts are the worst of them."""
    impression(chromium, site.url, VIEW)  # the server's first visitor waits for its imports: `starts` tells how long
    wide, narrow = ([impression(chromium, site.url, view) for _ in range(count)] for view in (VIEW, PHONE))
    hands = [impression(chromium, site.url, VIEW, reach=True).hand or 0.0 for _ in range(count)]
    return [
        Figure(f"first answer to a digit, median of {count}", statistics.median(i.digit for i in wide), "s", 1.5),
        bare_page(chromium, count),
        Figure(f"to a digit at {PHONE['width']} px", statistics.median(i.digit for i in narrow), "s", 1.5),
        Figure("first answer to a digit that moves, median", statistics.median(i.live for i in wide), "s"),
        Figure("first answer to one to the hand, median", statistics.median(hands), "s", 4),
        Figure("first screen: files", statistics.median(i.http for i in wide), "MB"),
        Figure("the same behind a proxy that compresses", statistics.median(i.compressed for i in wide), "MB"),
        Figure("first screen: socket", statistics.median(i.socket for i in wide), "MB"),
        Figure("first screen: files of Plotly", float(max(i.plotly for i in (*wide, *narrow))), "", 0),
        Figure(f"layout shift (CLS), {VIEW['width']} px, worst", max(i.shift for i in wide), "", 0.05),
        Figure(f"layout shift (CLS), {PHONE['width']} px, worst", max(i.shift for i in narrow), "", 0.05),
    ]


def bare_page(chromium: Browser, count: int) -> Figure:
    """What Streamlit alone takes on this machine to show a title, with a cold cache: no page of it can be faster."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "streamlit_app.py").write_text(BARE, encoding="utf-8")
        with serve(Path(folder)) as site:
            first_title(chromium, site.url)
            seconds = [first_title(chromium, site.url) for _ in range(count)]
    return Figure("Streamlit’s own: the same to the title of a bare page", statistics.median(seconds), "s")


def clicks(chromium: Browser, site: Site, count: int) -> list[Figure]:
    """A rerun after a click on the page's main button; one frame of the browser is part of it."""
    changed, ended = measured(chromium, site, count, SAMPLE, '[data-testid="stBaseButton-primary"]')
    return [
        Figure(f"click to changed page, median of {count}", statistics.median(changed), "ms", 150),
        Figure("click to changed page, 95th percentile", changed[int(0.95 * (count - 1) + 0.5)], "ms"),
        Figure("click to end of the rerun, median", statistics.median(ended), "ms"),
    ]


def memory(chromium: Browser, site: Site) -> list[Figure]:
    """What the server process holds once every page has been visited."""
    page = chromium.new_page(viewport=VIEW)
    for at in PAGES:
        page.goto(f"{site.url}/{at.url_path}")
        settled(page)
    page.context.close()
    status = Path(f"/proc/{site.pid}/status")
    if not status.exists():
        print("no /proc on this system: the memory of the process is not measured")
        return []
    held = {
        line.split(":")[0]: float(line.split()[1]) / 1024 for line in status.read_text().splitlines() if "kB" in line
    }
    return [
        Figure("memory of the process after every page", held["VmRSS"], "MB", 500),
        Figure("at its highest", held["VmHWM"], "MB"),
    ]


def size_of_assets() -> Figure:
    files = [path for path in (ROOT / "demo" / "assets").rglob("*") if path.is_file()]
    return Figure(f"assets, {len(files)} files", sum(path.stat().st_size for path in files) / 1e6, "MB", 20)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=40, help="clicks that are measured (default: 40)")
    parser.add_argument("--starts", type=int, default=7, help="servers that are started (default: 7)")
    parser.add_argument("--visits", type=int, default=5, help="first visits with a cold cache (default: 5)")
    arguments = parser.parse_args(argv)
    if min(arguments.clicks, arguments.starts, arguments.visits) < 1:
        parser.error("--clicks, --starts and --visits must be at least 1")
    whole = arguments == parser.parse_args([])
    where, figures = record.setting(), list[Figure]()

    def told(*found: Figure) -> None:
        print(*found, sep="\n", flush=True)
        figures.extend(found)

    print(f"{where['machine']}; load {where['load_before']}")
    try:
        with browser() as chromium:
            told(*starts(chromium, arguments.starts))
        with browser() as chromium, serve() as site:
            where["machine"] += f", Chromium {chromium.version.partition('.')[0]}"
            told(*first_impression(chromium, site, arguments.visits))
            told(*clicks(chromium, site, arguments.clicks))
            told(*exact_panel(chromium, site, arguments.clicks))
            told(*memory(chromium, site))
            told(size_of_assets())
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if whole:
        record.save("page", "python -m benchmarks.page", where, figures=[figure._asdict() for figure in figures])
    return 0


if __name__ == "__main__":
    sys.exit(main())
