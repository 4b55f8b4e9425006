"""Figures of the toy densities. Knows nothing of Streamlit, nor of how the numbers were found."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from demo.colours import INK, PAPER, palette
from demo.figures.base import base, plane


def _mark_span(figure: go.Figure, low: float, high: float, theme: str | None) -> None:
    """Region A of a line: a tinted band between two bars, named."""
    accent = palette(theme)["z"]
    figure.add_vrect(x0=low, x1=high, fillcolor=accent, opacity=0.12, line_width=0, layer="below")
    for end in (low, high):
        figure.add_vline(x=end, line={"color": accent, "width": 1.5})
    figure.add_annotation(
        x=(low + high) / 2, y=1, yref="paper", text="A", showarrow=False, yshift=-10, font={"color": accent, "size": 15}
    )


def _selectable(figure: go.Figure, direction: str) -> None:
    """Lets the visitor draw a region: "h" for a span, "any" for a rectangle."""
    figure.update_layout(dragmode="select", selectdirection=direction)


def unnormalised_line(
    x: NDArray, f: NDArray, middles: NDArray, cells: NDArray, low: float, high: float, theme: str | None,
    height: int = 320,
) -> go.Figure:  # fmt: skip
    """f(x) as a line over the cells [n] of the midpoint rule, with region A = [low, high]."""
    colour = palette(theme)
    figure = base(theme, height)
    figure.add_bar(
        x=middles, y=cells, width=(x[-1] - x[0]) / len(cells), marker={"color": "rgba(128,128,128,0.28)"},
        marker_line_width=0, hovertemplate="cell at %{x:.2f}<br>f = %{y:.4g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=f, mode="lines", line={"color": colour["x"], "width": 2},
        hovertemplate="x = %{x:.2f}<br>f = %{y:.4g}<extra></extra>",
    )  # fmt: skip
    _mark_span(figure, low, high, theme)
    _selectable(figure, "h")
    figure.update_layout(bargap=0)
    figure.update_xaxes(title_text="x", range=[x[0], x[-1]])
    figure.update_yaxes(title_text="f(x), no unit of probability", rangemode="tozero")
    return figure


def normalised_line(
    x: NDArray, p: NDArray, samples: NDArray, low: float, high: float, theme: str | None, height: int = 320
) -> go.Figure:
    """p(x) as a line over the histogram of the samples [m], as a density, with region A = [low, high]."""
    colour = palette(theme)
    figure = base(theme, height)
    edges = np.linspace(x[0], x[-1], 61)
    density = np.histogram(samples, edges, density=True)[0]
    middles = (edges[1:] + edges[:-1]) / 2
    figure.add_bar(
        x=middles, y=density, width=edges[1] - edges[0], marker_line_width=0,
        marker={"color": [colour["z"] if low <= m < high else "rgba(128,128,128,0.45)" for m in middles]},
        hovertemplate="samples at %{x:.2f}<br>density %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=p, mode="lines", line={"color": colour["x"], "width": 2},
        hovertemplate="x = %{x:.2f}<br>p = %{y:.4f}<extra></extra>",
    )  # fmt: skip
    _mark_span(figure, low, high, theme)
    figure.update_layout(bargap=0)
    figure.update_xaxes(title_text="x", range=[x[0], x[-1]])
    figure.update_yaxes(title_text="p(x) and samples, area 1", rangemode="tozero")
    return figure


def _mark_rectangle(figure: go.Figure, region: tuple[tuple[float, float], ...], theme: str | None) -> None:
    accent = palette(theme)["z"]
    (x0, x1), (y0, y1) = region
    figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, line={"color": accent, "width": 2})
    figure.add_annotation(
        x=x0, y=y1, text="A", showarrow=False, xshift=10, yshift=-10, font={"color": accent, "size": 15}
    )


def _toy_plane(figure: go.Figure, box: tuple[tuple[float, float], ...]) -> None:
    figure.update_xaxes(title_text="x₁", range=list(box[0]))
    figure.update_yaxes(title_text="x₂", range=list(box[1]))


def unnormalised_plane(
    axis1: NDArray, axis2: NDArray, f: NDArray, box: tuple[tuple[float, float], ...],
    region: tuple[tuple[float, float], ...], theme: str | None, height: int = 400,
) -> go.Figure:  # fmt: skip
    """f on the cells [n, n] (row = x₁) of the midpoint rule as a heat map, with the rectangle A."""
    name = "dark" if theme == "dark" else "light"
    figure = plane(theme, height)
    figure.add_heatmap(
        x=axis1, y=axis2, z=f.T.astype(np.float32), colorscale=[[0, PAPER[name]], [1, INK[name]]], zmin=0,
        zmax=float(f.max()), showscale=False, hovertemplate="x = (%{x:.2f}, %{y:.2f})<br>f = %{z:.4g}<extra></extra>",
    )  # fmt: skip
    _mark_rectangle(figure, region, theme)
    _selectable(figure, "any")
    _toy_plane(figure, box)
    return figure


def normalised_plane(
    samples: NDArray, inside: NDArray, box: tuple[tuple[float, float], ...],
    region: tuple[tuple[float, float], ...], theme: str | None, height: int = 400,
) -> go.Figure:  # fmt: skip
    """Samples [m, 2] on their plane, those in the rectangle A filled with its colour."""
    figure = plane(theme, height)
    for chosen, colour, symbol in (
        (~inside, "rgba(128,128,128,0.6)", "circle"),
        (inside, palette(theme)["z"], "cross"),
    ):
        figure.add_scattergl(
            x=samples[chosen, 0].astype(np.float32), y=samples[chosen, 1].astype(np.float32), mode="markers",
            marker={"color": colour, "size": 4, "symbol": symbol}, hoverinfo="skip",
        )  # fmt: skip
    _mark_rectangle(figure, region, theme)
    _toy_plane(figure, box)
    return figure


def convergence(
    n: NDArray, value: NDArray, picked: int, at_picked: float, truth: float, theme: str | None
) -> go.Figure:
    """Z_n against the cells an axis n, with the reference as a line and the visitor's n ringed."""
    colour = palette(theme)
    figure = base(theme, 260)
    figure.add_hline(y=truth, line={"color": "rgba(128,128,128,0.8)", "width": 1.5, "dash": "dash"})
    figure.add_scatter(
        x=n, y=value, mode="lines+markers", line={"color": colour["x"], "width": 1.5}, marker={"size": 6},
        hovertemplate="n = %{x}<br>Zₙ = %{y:.6g}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[picked], y=[at_picked], mode="markers", hovertemplate="n = %{x}<br>Zₙ = %{y:.6g}<extra></extra>",
        marker={"color": "rgba(0,0,0,0)", "size": 15, "line": {"color": colour["z"], "width": 2.5}},
    )  # fmt: skip
    ticks = [2, 5, 10, 20, 50, 100, 200]
    figure.update_xaxes(title_text="cells an axis, n", type="log", tickvals=ticks, range=[np.log10(1.8), np.log10(230)])
    figure.update_yaxes(title_text="Zₙ", rangemode="tozero")
    return figure
