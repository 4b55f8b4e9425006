"""One colour for each symbol, in equations, figures and elements alike. Knows nothing of what draws with them.

Hues from Okabe and Ito's set for colour-blind readers, darkened on light paper and lightened on dark until text in
them has a contrast of at least 4.5 to 1 (tests/test_colours.py measures it, and how far apart they stay under simulated colour blindness).
"""

from __future__ import annotations

LIGHT = {
    "x": "#1c1b1a",
    "z": "#0b6e99",
    "q": "#b8500b",
    "posterior": "#00785a",
    "prior": "#a23b86",
    "evidence": "#1c1b1a",
}
DARK = {
    "x": "#ece8df",
    "z": "#5bb8e0",
    "q": "#f0955a",
    "posterior": "#4fc9a4",
    "prior": "#e59ad0",
    "evidence": "#ece8df",
}
PAPER = {"light": "#fffdf8", "dark": "#121416"}
INK = {"light": "#1c1b1a", "dark": "#ece8df"}


def palette(theme: str | None) -> dict[str, str]:
    """Symbol → hex colour for the theme "light" or "dark"; light where the theme is not known."""
    return DARK if theme == "dark" else LIGHT


def coloured(latex: str, colour: str) -> str:
    r"""\textcolor{#hex}{latex}, as KaTeX takes it."""
    return rf"\textcolor{{{colour}}}{{{latex}}}"
