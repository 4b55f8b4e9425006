"""The first page as a visitor meets it, nothing cached: when a digit shows, what moves, what came over the network.

Knows the picture that stands in the explorer's place, its canvases, its plane and its event `drawn`; nothing of limits.
"""

from __future__ import annotations

import gzip
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.site import settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, ViewportSize

VIEW: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}

# From before the first script on, into window.impression: every layout shift [ms, score]; when the browser had painted
# the picture that stands in the explorer's place, as it says of the largest picture of a page; the first frame in which
# a canvas of the explorer within the window shows more than one colour; with `reach`, which asks for the mouse to move
# to the same place of the plane in every frame, the first drawing that stands there.
_IMPRESSION = """reach => {
    const seen = window.impression = { shifts: [], picture: null, digit: null, hand: null };
    new PerformanceObserver(list => {
        const ours = list.getEntries().find(paint => paint.element?.closest('.plane-ahead'));
        if (ours) seen.picture ??= ours.renderTime;
    }).observe({ type: 'largest-contentful-paint', buffered: true });
    new PerformanceObserver(list => {
        const ours = list.getEntries().filter(shift => !shift.hadRecentInput);
        seen.shifts.push(...ours.map(shift => [shift.startTime, shift.value]));
    }).observe({ type: 'layout-shift', buffered: true });
    const explorer = () => [...document.querySelectorAll('[data-testid="stMain"] *')]
        .map(host => host.shadowRoot?.querySelector('.explorer')).find(Boolean);
    const shows = canvas => {
        const box = canvas.getBoundingClientRect();
        if (!(canvas.width && box.width && box.bottom > 0 && box.top < innerHeight)) return false;
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Uint32Array(data.buffer);
        return colours.some(colour => colour >>> 24 && colour !== colours[0]);
    };
    const goal = [1.2, 1.2];
    const near = z => z.every((value, i) => Math.abs(value - goal[i]) < 0.05);
    const answers = ({ detail }) => { if (near(detail.z)) seen.hand ??= performance.now(); };
    const look = () => {
        const root = explorer();
        if (root && seen.digit === null && [...root.querySelectorAll('canvas')].some(shows)) {
            seen.digit = performance.now();
        }
        if (root && reach) {
            root.addEventListener('drawn', answers);
            const plane = root.querySelector('.plane'), box = plane.getBoundingClientRect();
            const [across, down] = [(goal[0] + 3) / 6, (3 - goal[1]) / 6];
            const at = { clientX: box.left + box.width * across, clientY: box.top + box.height * down };
            plane.dispatchEvent(new PointerEvent('pointermove', { ...at, isPrimary: true, pointerType: 'mouse' }));
        }
        if (seen.digit === null || (reach && seen.hand === null)) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""

# The first frame in which Streamlit shows a title, into window.title.
_TITLE = """() => {
    window.title = null;
    const look = () => {
        if (document.querySelector('[data-testid="stMain"] h1')) window.title = performance.now();
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


class Wire:
    """Bytes that came over the page's web sockets, and the number of frames that it sent."""

    def __init__(self, devtools: CDPSession) -> None:
        self.received = 0.0
        self.sent = 0
        devtools.on("Network.webSocketFrameReceived", self._frame)
        devtools.on("Network.webSocketFrameSent", lambda _: self._count())
        devtools.send("Network.enable")

    def _frame(self, event: dict[str, Any]) -> None:
        frame = event["response"]
        self.received += len(frame["payloadData"]) * (3 / 4 if frame["opcode"] == 2 else 1)  # binary comes in base64

    def _count(self) -> None:
        self.sent += 1


class Transfer(Wire):
    """Also the files, as they are on the wire: heads, compression and all."""

    def __init__(self, devtools: CDPSession) -> None:
        self.devtools = devtools
        self.files: dict[str, dict[str, Any]] = {}  # by Chromium's id of the request
        devtools.on("Network.responseReceived", self._answer)
        devtools.on("Network.loadingFinished", self._finished)
        super().__init__(devtools)

    def _answer(self, event: dict[str, Any]) -> None:
        answer = event["response"]
        packed = any(name.lower() == "content-encoding" for name in answer["headers"])
        self.files[event["requestId"]] = {
            "url": answer["url"],
            "kind": answer["mimeType"],
            "packed": packed,
            "bytes": 0.0,
        }

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self.files:
            self.files[event["requestId"]]["bytes"] = event["encodedDataLength"]

    @property
    def http(self) -> float:
        return sum(file["bytes"] for file in self.files.values())

    def named(self, part: str) -> list[str]:
        return [file["url"] for file in self.files.values() if part in file["url"].rsplit("/", 1)[-1]]

    def behind_a_proxy(self) -> float:
        """Bytes of the files where a proxy compresses what the server sent as plain text; gzip at level 6."""
        total = self.http
        for request, file in self.files.items():
            if (
                file["packed"]
                or not file["kind"].endswith(("javascript", "html", "css", "json"))
                or file["bytes"] < 500
            ):
                continue
            body = self.devtools.send("Network.getResponseBody", {"requestId": request})
            raw = b64decode(body["body"]) if body["base64Encoded"] else body["body"].encode()
            total -= len(raw) - len(gzip.compress(raw, 6))
        return total


class Impression(NamedTuple):
    """A first visit with nothing cached: seconds from the server's first byte to a digit, to one in the explorer itself
    and to an answer to the hand (None where none asked), the layout shift, bytes of files, compressed, and of the
    socket, and files of Plotly.
    """

    digit: float
    live: float
    hand: float | None
    shift: float
    http: float
    compressed: float
    socket: float
    plotly: int


def first_title(chromium: Browser, url: str) -> float:
    """Seconds from the server's first byte to the title of a page, nothing cached."""
    context = chromium.new_context(viewport=VIEW)
    try:
        page = context.new_page()
        page.add_init_script(f"({_TITLE})()")
        page.goto(url, wait_until="commit")
        page.wait_for_function("title !== null", timeout=60_000)
        start = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
        return (page.evaluate("title") - start) / 1000
    finally:
        context.close()


def worst_window(shifts: list[tuple[float, float]]) -> float:
    """The cumulative layout shift of [(ms, score)]: the largest sum in a window that a second without a shift ends, or
    its fifth second (web.dev/articles/cls)."""
    worst = total = 0.0
    begun = last = float("-inf")
    for at, score in shifts:
        if at - last >= 1000 or at - begun >= 5000:
            begun, total = at, 0.0
        total, last = total + score, at
        worst = max(worst, total)
    return worst


def impression(chromium: Browser, url: str, view: ViewportSize, reach: bool = False) -> Impression:
    """The first page in a new context, until nothing moves any more; a narrow one is a phone's."""
    phone: dict[str, Any] = {"is_mobile": True, "has_touch": True} if view["width"] < 500 else {}
    context = chromium.new_context(viewport=view, **phone)
    try:
        page = context.new_page()
        transfer = Transfer(context.new_cdp_session(page))
        page.add_init_script(f"({_IMPRESSION})({'true' if reach else 'false'})")
        page.goto(url, wait_until="commit")
        page.wait_for_function(
            f"impression.digit !== null && ({int(not reach)} || impression.hand !== null)", timeout=60_000
        )
        settled(page, quiet=1.0)
        start = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
        seen = page.evaluate("impression")
        live = seen["digit"]
        return Impression(
            digit=(min(live, seen["picture"] or live) - start) / 1000,
            live=(live - start) / 1000,
            hand=(seen["hand"] - start) / 1000 if reach else None,
            shift=worst_window(seen["shifts"]),
            http=transfer.http / 1e6,
            compressed=transfer.behind_a_proxy() / 1e6,
            socket=transfer.received / 1e6,
            plotly=len(transfer.named("lotly")),
        )
    finally:
        context.close()
