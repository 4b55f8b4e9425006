"""Small drawings of arrays as SVG, for what is redrawn at every click. Knows nothing of Streamlit or where arrays come
from; where a figure needs axes to read off or a pointer over it, demo.figures has Plotly.

Measured: a scatter of 25 points through Plotly took 70 ms of the browser at each click, as SVG under 1 ms.
"""

from __future__ import annotations

import base64
from html import escape

import numpy as np
from numpy.typing import NDArray

from demo.colours import palette


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
        f'<text x="{reach * 0.02:.3f}" y="{-reach * 0.94:.3f}">z₂</text></g>'
        f'<g fill="{colour["z"]}" fill-opacity=".75">{points}</g>'
        f'<circle cx="{x[picked]:.3f}" cy="{y[picked]:.3f}" r="0.16" fill="none" stroke="{colour["z"]}" '
        f'stroke-width="{reach / 75:.4f}"/></svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    return (
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(_describes(z, picked))}" '
        'style="display:block;width:100%;max-width:340px;aspect-ratio:1">'
    )


def _describes(z: NDArray, picked: int) -> str:
    at = ", ".join(_plain(value) for value in z[picked])
    return f"{len(z)} points of the prior on the latent plane; ringed, sample {picked + 1} at z = ({at})"


def _plain(value: float) -> str:
    shown = f"{value + 0.0:.2f}"
    return ("0.00" if float(shown) == 0 else shown).replace("-", "−")
