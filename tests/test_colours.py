"""Symbols stay readable and apart, also for colour-blind readers: contrast by WCAG 2, distance by CIEDE2000.

Colour blindness is simulated as Machado, Oliveira and Fernandes 2009 have it, severity 1.0, on linear RGB.
"""

from __future__ import annotations

import itertools
import tomllib

import numpy as np
import pytest

from demo.colours import DARK, INK, LIGHT, PAPER, coloured, palette
from tests.conftest import ROOT

SIMULATIONS = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
THEMES = {"light": LIGHT, "dark": DARK}


def linear(colour: str) -> np.ndarray:
    s = np.array(list(bytes.fromhex(colour[1:]))) / 255
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    dim, bright = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b))
    return (bright + 0.05) / (dim + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    t = np.clip(rgb, 0, 1) @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(p: np.ndarray, q: np.ndarray) -> float:
    """Sharma, Wu and Dalal 2005."""
    g = 0.5 * (1 - np.sqrt((m := (np.hypot(*p[1:]) + np.hypot(*q[1:])) / 2) ** 7 / (m**7 + 25.0**7)))
    (a1, b1), (a2, b2) = ((v[1] * (1 + g), v[2]) for v in (p, q))
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma = (p[0] + q[0]) / 2, (c1 + c2) / 2
    hue = h1 + h2 if c1 * c2 == 0 else (h1 + turn / 2) % 360
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    t = 1 + sum(k * np.cos(np.radians(m * hue + s)) for k, m, s in waves)
    in_light = (q[0] - p[0]) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    in_chroma, in_hue = (c2 - c1) / (1 + 0.045 * chroma), dh / (1 + 0.015 * chroma * t)
    spin = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * spin
    return float(np.sqrt(in_light**2 + in_chroma**2 + in_hue**2 + rotation * in_chroma * in_hue))


@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
    ],
)
def test_our_ciede2000_gives_the_published_examples(p: tuple, q: tuple, expected: float) -> None:
    assert ciede2000(np.array(p), np.array(q)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES)
def test_text_in_every_symbol_colour_is_readable_on_paper(theme: str) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for symbol, colour in THEMES[theme].items():
        assert contrast(colour, PAPER[theme]) >= 4.5, symbol


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("simulation", SIMULATIONS)
def test_symbols_stay_apart_for_every_reader(theme: str, simulation: str) -> None:
    seen = {k: lab(SIMULATIONS[simulation] @ linear(c)) for k, c in THEMES[theme].items() if k != "evidence"}
    assert len(seen) == 5
    for a, b in itertools.combinations(seen, 2):
        assert ciede2000(seen[a], seen[b]) >= 15, (a, b)


@pytest.mark.parametrize("theme", THEMES)
def test_x_and_its_evidence_are_ink_and_nothing_else_is(theme: str) -> None:
    colours = THEMES[theme]
    assert colours["x"] == colours["evidence"] == INK[theme]
    assert len(set(colours.values())) == 5


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_of_streamlit_says_the_same(theme: str) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"][theme]
    assert config["primaryColor"] == THEMES[theme]["z"]
    assert config["backgroundColor"] == PAPER[theme]
    assert config["textColor"] == INK[theme]


def test_palette_and_latex() -> None:
    assert palette("dark") is DARK
    assert palette("light") is palette(None) is palette("odd") is LIGHT
    assert LIGHT.keys() == DARK.keys()
    assert coloured("p(x)", "#0a0b0c") == r"\textcolor{#0a0b0c}{p(x)}"
