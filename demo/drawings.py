"""Small drawings of arrays as SVG, for what is redrawn at every click. Knows nothing of Streamlit or where arrays come
from; where a figure needs axes to read off or a pointer over it, demo.figures has Plotly.

Measured: a scatter of 25 points through Plotly took 70 ms of the browser at each click, as SVG under 1 ms.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape

import numpy as np
from numpy.typing import NDArray

from demo import pictures
from demo.colours import PAPER, palette


def latent_plane(z: NDArray, picked: int, theme: str | None) -> str:
    """An <img> with z [n, 2] of the prior on its plane, the prior's circles at 1σ, 2σ, 3σ, the picked point ringed."""
    colour = palette(theme)
    reach = max(3.4, float(np.abs(z).max()) + 0.2)
    x, y = z[:, 0], -z[:, 1]  # SVG's second axis points down
    rings = "".join(
        f'<circle r="{r}"/><text y="{-r - 0.08:.2f}" stroke="none" fill="{colour["prior"]}">{r}σ</text>'
        for r in (1, 2, 3)
    )
    points = "".join(f'<circle cx="{a:.3f}" cy="{b:.3f}" r="0.06"/>' for a, b in zip(x, y, strict=True))
    axes = f'<path d="M{-reach:.2f} 0H{reach:.2f}M0 {-reach:.2f}V{reach:.2f}"/>'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-reach:.3f} {-reach:.3f} {2 * reach:.3f} {2 * reach:.3f}" '
        f'font-family="sans-serif" font-size="{reach / 13:.3f}">'
        f'<g stroke="#808080" stroke-opacity=".4" stroke-width="{reach / 400:.4f}">{axes}</g>'
        f'<g fill="none" stroke="{colour["prior"]}" stroke-width="{reach / 200:.4f}" text-anchor="middle">{rings}</g>'
        f'<g fill="{colour["z"]}"><text x="{reach * 0.97:.3f}" y="{-reach * 0.02:.3f}" text-anchor="end">z₁</text>'
        f'<text x="{reach * 0.09:.3f}" y="{-reach * 0.94:.3f}">z₂</text></g>'
        f'<g fill="{colour["z"]}" fill-opacity=".75">{points}</g>'
        f'<circle cx="{x[picked]:.3f}" cy="{y[picked]:.3f}" r="0.16" fill="none" stroke="{colour["z"]}" '
        f'stroke-width="{reach / 75:.4f}"/></svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(_describes(z, picked))}" '
        'style="display:block;width:100%;max-width:340px;aspect-ratio:1">'
    )


_MAP, _LEFT, _BELOW = 400, 46, 34  # the map's side, and the room for the numbers beside it and beneath


def posterior_map(
    axis1: NDArray, axis2: NDArray, log_posterior: NDArray, loc: NDArray, scale: NDArray, theme: str | None
) -> str:
    """An <img> of p(z|x) on its window with q's mean and its 1σ and 2σ ellipses, to one scale.

    Shapes: even axes [n], log_posterior [n, n] (row = z₂), loc and scale [2]. Between the nodes the stain follows a
    cubic through the logarithm, which is near a parabola where there is any stain.
    """
    colour = palette(theme)
    low, high = np.array([axis1[0], axis2[0]]), np.array([axis1[-1], axis2[-1]])

    def put(z: NDArray) -> NDArray:
        share = (z - low) / (high - low)
        return np.stack([_LEFT + _MAP * share[..., 0], 8 + _MAP * (1 - share[..., 1])], axis=-1)

    (cx, cy), (rx, ry) = put(loc), _MAP * scale / (high - low)
    ellipses = "".join(
        f'<ellipse cx="{cx:.2f}" cy="{cy:.2f}" rx="{r * rx:.2f}" ry="{r * ry:.2f}"{dash}/>'
        for r, dash in ((1, ""), (2, ' stroke-dasharray="2 4"'))
    )
    name_x, anchor = (cx + 2 * rx + 6, "start") if cx + 2 * rx < _LEFT + _MAP - 60 else (cx - 2 * rx - 6, "end")
    words = (
        f"The posterior p(z|x) as a stain, with q(z|x) over it: mean ({_plain(loc[0])}, {_plain(loc[1])}), "
        f"standard deviations {_plain(scale[0], 3)} and {_plain(scale[1], 3)}"
    )
    stain = pictures.stain(log_posterior, colour["posterior"], theme)
    return _image(
        (_LEFT + _MAP + 8, 8 + _MAP + _BELOW),
        f'<image x="{_LEFT}" y="8" width="{_MAP}" height="{_MAP}" preserveAspectRatio="none" '
        f'href="data:image/png;base64,{base64.b64encode(stain).decode()}"/>'
        f'<rect x="{_LEFT}" y="8" width="{_MAP}" height="{_MAP}" fill="none" stroke="#808080" stroke-opacity=".5"/>'
        f'<g fill="{colour["x"]}" fill-opacity=".75">{_ticks(low, high, put)}</g>'
        f'<g fill="none" stroke="{colour["q"]}" stroke-width="2">{ellipses}'
        f'<path d="M{cx - 5:.2f} {cy:.2f}h10M{cx:.2f} {cy - 5:.2f}v10"/></g>'
        f'<text x="{name_x:.1f}" y="{cy:.1f}" text-anchor="{anchor}" fill="{colour["q"]}" font-size="15">q(z|x)</text>',
        words,
    )


def _ticks(low: NDArray, high: NDArray, put: Callable[[NDArray], NDArray]) -> str:
    """Round numbers under and beside the map, and the names of its axes."""
    beneath, beside = _MAP + 25, _LEFT - 6
    across = [(put(np.array([v, low[1]]))[0], _plain(v, decimals)) for v, decimals in _round_numbers(low[0], high[0])]
    up = [(put(np.array([low[0], v]))[1] + 4, _plain(v, decimals)) for v, decimals in _round_numbers(low[1], high[1])]
    return (
        "".join(f'<text x="{x:.1f}" y="{beneath}" text-anchor="middle">{number}</text>' for x, number in across)
        + "".join(f'<text x="{beside}" y="{y:.1f}" text-anchor="end">{number}</text>' for y, number in up)
        + f'<text x="{_LEFT + _MAP}" y="{_MAP + 40}" text-anchor="end" font-style="italic">z₁</text>'
        + '<text x="4" y="18" font-style="italic">z₂</text>'
    )


def _image(size: tuple[int, int], content: str, words: str) -> str:
    """SVG as an <img> at most `size` wide, `words` for who cannot see it."""
    width, height = size
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13">{content}</svg>'
    )
    return (
        f'<img src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" alt="{escape(words)}" '
        f'style="display:block;width:100%;max-width:{width}px;aspect-ratio:{width}/{height}">'
    )


def _round_numbers(low: float, high: float, most: int = 6) -> list[tuple[float, int]]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], at most `most`, each with the decimals it needs."""
    power = int(np.floor(np.log10((high - low) / most)))
    steps = [(step, exponent) for exponent in (power, power + 1) for step in (1, 2, 5)]
    for step, exponent in steps:
        size = step * 10.0**exponent
        first, last = int(np.ceil(low / size)), int(np.floor(high / size))
        if last - first < most:
            break
    return [(k * size, max(0, -exponent)) for k in range(first, last + 1)]


def account_bar(log_p_x: float, elbo: float, gap: float, theme: str | None, *, end: str = "log p(x)") -> str:
    """The ELBO and the gap stacked up to log p(x), named `end`, as HTML that fits any width; all in nats.

    The axis begins a few gaps below the bound, since nothing on it has a natural zero.
    """
    colour = palette(theme)
    room = max(4 * gap, 4.0)
    low, high = elbo - room, log_p_x + 0.3 * room

    def at(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.3f}%"

    ends = low + 0.04 * (high - low), high - 0.1 * (high - low)
    ticks = "".join(_label(at(v), 56, _plain(v, decimals)) for v, decimals in _round_numbers(*ends, most=5))
    paper = PAPER["dark" if theme == "dark" else "light"]
    words = f"ELBO {_plain(elbo)} and gap {_plain(gap)} stacked up to {end} {_plain(log_p_x)}, in nats"
    hatch = f"repeating-linear-gradient(135deg,{colour['posterior']} 0 5px,{colour['posterior']}99 5px 8px)"
    box = "position:absolute;top:22px;height:28px;"
    return (
        f'<div role="img" aria-label="{escape(words)}" style="position:relative;height:84px;margin:4px 0;'
        'font-size:.8rem;font-variant-numeric:tabular-nums">'
        f'<div style="{box}left:0;width:{at(elbo)};background:{colour["q"]};color:{paper};font-size:.9rem;'
        'display:flex;align-items:center;justify-content:center">ELBO</div>'
        f'<div style="{box}left:{at(elbo)};width:{at(low + gap)};background:{hatch}"></div>'
        f'<div style="position:absolute;left:calc({at(log_p_x)} - 1px);width:3px;top:16px;height:40px;'
        f'background:{colour["evidence"]}"></div>'
        f'<span style="position:absolute;left:calc({at(log_p_x)} + 8px);top:26px;font-size:.9rem;'
        f'white-space:nowrap">{escape(end)}</span>'
        f'<div style="color:{colour["posterior"]};font-size:.9rem">{_label(at(elbo + gap / 2), 0, "gap")}</div>'
        f'<div class="axis" style="opacity:.7">{ticks}'
        '<span style="position:absolute;right:0;top:56px">nats</span></div></div>'
    )


def _label(left: str, top: int, words: str) -> str:
    return f'<span style="position:absolute;left:{left};top:{top}px;transform:translateX(-50%)">{words}</span>'


def _describes(z: NDArray, picked: int) -> str:
    at = ", ".join(_plain(value) for value in z[picked])
    return f"{len(z)} points of the prior on the latent plane; ringed, sample {picked + 1} at z = ({at})"


def _plain(value: float, decimals: int = 2) -> str:
    shown = f"{value + 0.0:.{decimals}f}"
    return (f"{0:.{decimals}f}" if float(shown) == 0 else shown).replace("-", "−")
