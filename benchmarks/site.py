"""The site as a process and a browser before it, for benchmarks and browser tests. Knows nothing of what pages show."""

from __future__ import annotations

import http.client
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# `streamlit run`, but it ends when its standard input does: also a caller that is killed leaves no server behind.
_SERVE = """
import os, runpy, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
sys.argv[0] = "streamlit"
runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
"""

# What drops down from the address bar is a page too, built anew for every window, which at first takes a whole core; a
# visitor's window stands open already. Then those that Playwright puts off itself: Chromium heeds the last list alone.
_FEATURES_OFF = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
)

# Background services off and no name resolved but loopback: what a page asks of another host fails, and is seen.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(_FEATURES_OFF)}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

# True once nothing has been under way for `quiet` milliseconds: the script ran to its end and its elements are drawn.
_IDLE = """([call, quiet]) => {
    const app = document.querySelector('[data-testid="stApp"]');
    const busy = !app || app.dataset.testScriptState !== 'notRunning' || app.dataset.testConnectionState !== 'CONNECTED'
        || !document.querySelector('[data-testid="stMain"] [data-testid="stElementContainer"]')
        || document.querySelector('[data-testid="stSkeleton"], [data-testid="stAppSkeleton"], '
            + '[data-testid="stSpinner"], [data-testid="stMain"] [data-stale="true"]')
        || document.fonts.status !== 'loaded';
    const now = performance.now();
    if (busy || window.settledCall !== call) { window.settledCall = call; window.lastBusy = now; }
    return !busy && now - window.lastBusy >= quiet;
}"""
_calls = itertools.count(1)


class SiteError(Exception):
    """The site did not start, or there is no browser; the message ends with what the server printed."""


@dataclass(frozen=True)
class Site:
    """A running server: its address without a slash at the end, its process id, and perf_counter() at its start."""

    url: str
    pid: int
    started: float


@contextmanager
def serve(root: Path = ROOT, patience: float = 60, port: int | None = None) -> Iterator[Site]:
    """`streamlit run streamlit_app.py` in `root` on a loopback port (a free one where none is given), healthy on entry
    and ended on exit.

    Raises SiteError where it ends by itself or is not healthy after `patience` seconds.
    """
    port = _free_port() if port is None else port
    options = {
        "server.address": "127.0.0.1",
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, "run", "streamlit_app.py", *arguments],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _healthy(port):
                ended = process.poll() is not None
                if ended or time.perf_counter() - started > patience:
                    printed.seek(0)
                    tail = printed.read().decode(errors="replace")[-2000:]
                    what = f"ended with {process.returncode}" if ended else f"is not healthy after {patience} s"
                    raise SiteError(f"the site in {root} {what}; it printed:\n{tail}")
                time.sleep(0.02)
            yield Site(f"http://127.0.0.1:{port}", process.pid, started)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome, None where there is none."""
    if os.access("/usr/bin/chromium", os.X_OK):
        return "/usr/bin/chromium"
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """The installed Chromium, headless. Raises SiteError where there is none, ImportError without playwright."""
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise SiteError("no Chromium is installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield chromium
        finally:
            chromium.close()


def settled(page: Page, quiet: float = 0.4, patience: float = 60) -> None:
    """Returns once Streamlit has been idle for `quiet` seconds: connected, no run, nothing stale, skeletal or spinning.

    Raises playwright's TimeoutError after `patience` seconds.
    """
    page.wait_for_function(_IDLE, arg=[next(_calls), 1000 * quiet], timeout=1000 * patience)
