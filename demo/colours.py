"""One colour for each symbol, in equations, figures and elements alike. Knows nothing of what draws with them.

Blue, orange, green and purple, found by a search: text in each has a contrast of at least 4.5 to 1 on its paper, and
any two stay a CIEDE2000 difference of 15 apart for readers with protanopia, deuteranopia or tritanopia
(tests/test_colours.py measures both). The image x and its evidence p(x) share the colour of ink.
"""

from __future__ import annotations

LIGHT = {
    "x": "#1c1b1a",
    "z": "#0e6af1",
    "q": "#c05209",
    "posterior": "#037258",
    "prior": "#8c3980",
    "evidence": "#1c1b1a",
}
DARK = {
    "x": "#ece8df",
    "z": "#96d5fe",
    "q": "#f29250",
    "posterior": "#37a78d",
    "prior": "#b676c3",
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
