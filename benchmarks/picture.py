"""The pictures of the site in README.md: `python -m benchmarks.picture`. Knows of the pages only where to drag."""

from __future__ import annotations

import argparse
import io
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from benchmarks.site import ROOT, SiteError, browser, serve, settled

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

WIDTH, HEIGHT = 1280, 800
FRAMES, FRAME_MS, FILM_WIDTH = 28, 140, 640
CONTEST = "evidence?lens=contest&seed=5&m1=-0.80000"


def plane(page: Page) -> FloatRect:
    """Where the largest canvas stands. Raises SiteError where there is none."""
    boxes = [box for canvas in page.locator("canvas").all() if (box := canvas.bounding_box())]
    if not boxes:
        raise SiteError("the home page shows no canvas to drag on")
    return max(boxes, key=lambda box: box["width"] * box["height"])


def film(page: Page) -> bytes:
    """A GIF of one slow round over the plane under a pressed pointer, the numbers beside it following."""
    box = plane(page)
    frames = []
    for k in range(FRAMES):
        angle = 2 * math.pi * k / FRAMES
        x = box["x"] + box["width"] * (0.5 + 0.27 * math.cos(angle))
        y = box["y"] + box["height"] * (0.5 + 0.25 * math.sin(angle + 0.6))
        page.mouse.move(x, y)
        if k == 0:
            page.mouse.down()
        page.wait_for_timeout(120)
        picture = Image.open(io.BytesIO(page.screenshot(clip={"x": 60, "y": 60, "width": 1180, "height": 680})))
        size = FILM_WIDTH, round(FILM_WIDTH * picture.height / picture.width)
        frames.append(
            picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(128, Image.Quantize.FASTOCTREE)
        )
    page.mouse.up()
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=FRAME_MS, loop=0)
    return out.getvalue()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the pictures (default: docs)")
    out = parser.parse_args(argv).out
    try:
        with browser() as chromium, serve() as site:
            out.mkdir(parents=True, exist_ok=True)
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto(site.url)
            settled(page, quiet=1)
            (out / "home.gif").write_bytes(film(page))
            page.goto(f"{site.url}/{CONTEST}")
            settled(page, quiet=1)
            page.screenshot(path=out / "contest.png")
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in sorted(out.glob("*.*")):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
