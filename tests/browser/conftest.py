"""A browser and the running site. Without a browser these tests are skipped with the reason; in CI they fail."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from benchmarks import site as sites

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def missing() -> str | None:
    """What a browser test lacks on this machine, None where nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "needs the package playwright (pip install -r requirements-dev.txt)"
    if sites.find_chromium() is None:
        return "needs Chromium (apt-get install chromium)"
    return None


# Scope "package" and not "session": while playwright's loop runs in this thread, no other test may start one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    if (reason := missing()) is not None:
        if os.environ.get("CI"):
            pytest.fail(f"a browser test {reason}")
        pytest.skip(reason)
    with sites.browser() as chromium:
        yield chromium


@pytest.fixture(scope="package")
def site(browser: Browser) -> Iterator[sites.Site]:
    """The site, started once for all browser tests."""
    with sites.serve() as running:
        yield running
