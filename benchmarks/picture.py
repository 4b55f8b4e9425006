"""The picture of the site in README.md: `python -m benchmarks.picture`. Knows nothing of the page but its canvas."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.site import ROOT, SiteError, browser, serve, settled

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

WIDTH, HEIGHT = 1280, 800
FROM, TO = (0.30, 0.62), (0.58, 0.40)  # shares of the plane's width and height


def plane(page: Page) -> FloatRect:
    """Where the largest canvas stands. Raises SiteError where there is none."""
    boxes = [box for canvas in page.locator("canvas").all() if (box := canvas.bounding_box())]
    if not boxes:
        raise SiteError("the home page shows no canvas to drag on")
    return max(boxes, key=lambda box: box["width"] * box["height"])


def drag(page: Page) -> None:
    """Presses at FROM on the plane, moves to TO and lets go."""
    box = plane(page)
    (x0, y0), (x1, y1) = ((box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in (FROM, TO))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=24)
    page.mouse.up()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "home.png", help="default: docs/home.png")
    arguments = parser.parse_args(argv)
    try:
        with browser() as chromium, serve() as site:
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto(site.url)
            settled(page)
            drag(page)
            settled(page, quiet=1)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=arguments.out)
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
