"""Plotly figures of arrays. Knows nothing of Streamlit, ONNX or where arrays come from.

Every plane is drawn to one scale on both axes, and every figure takes its colours from demo.colours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from demo.colours import INK, PAPER, palette

FONT = '"Source Sans", sans-serif'


def _layout(theme: str | None, height: int) -> dict[str, Any]:
    """What all figures share: no paper of their own, the site's type and ink, quiet axes."""
    faint = "rgba(128,128,128,0.25)"
    axis = {
        "showgrid": False, "zeroline": False, "linecolor": faint, "ticks": "outside", "tickcolor": faint,
        "fixedrange": True,
    }  # fmt: skip
    return {
        "height": height,
        "margin": {"l": 48, "r": 12, "t": 12, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 14, "color": INK["dark" if theme == "dark" else "light"]},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"font": {"family": FONT}},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }


def _base(theme: str | None, height: int) -> go.Figure:
    return go.Figure(layout=_layout(theme, height))


def _plane(theme: str | None, height: int) -> go.Figure:
    figure = _base(theme, height)
    figure.update_xaxes(title_text="z₁", constrain="domain")
    figure.update_yaxes(title_text="z₂", scaleanchor="x", scaleratio=1, constrain="domain")
    return figure


def ellipse(loc: NDArray, scale: NDArray, radius: float, n: int = 121) -> NDArray:
    """Points [n, 2] where ((z₁ − loc₁)/σ₁)² + ((z₂ − loc₂)/σ₂)² = radius²: a level line of N(loc, diag σ²)."""
    angle = np.linspace(0, 2 * np.pi, n)
    return np.asarray(loc) + radius * np.asarray(scale) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def posterior_map(
    axis1: NDArray,
    axis2: NDArray,
    log_posterior: NDArray,
    loc: NDArray,
    scale: NDArray,
    theme: str | None,
    height: int = 400,
) -> go.Figure:
    """p(z|x) as a heat map [n, n] (row = z₂) with q's mean and its 1σ and 2σ ellipses, to one scale."""
    colour = palette(theme)
    paper = PAPER["dark" if theme == "dark" else "light"]
    figure = _plane(theme, height)
    density = np.exp(log_posterior)
    figure.add_heatmap(
        x=axis1,
        y=axis2,
        z=density,
        colorscale=[[0, paper], [1, colour["posterior"]]],
        zmin=0,
        zmax=float(density.max()),
        showscale=False,
        hovertemplate="z = (%{x:.3f}, %{y:.3f})<br>p(z|x) = %{z:.3g}<extra></extra>",
    )
    for radius, dash in ((1, "solid"), (2, "dot")):
        line = ellipse(loc, scale, radius)
        figure.add_scatter(
            x=line[:, 0],
            y=line[:, 1],
            mode="lines",
            line={"color": colour["q"], "width": 2, "dash": dash},
            hovertemplate=f"q(z|x), {radius}σ<extra></extra>",
        )
    figure.add_scatter(
        x=[loc[0]],
        y=[loc[1]],
        mode="markers",
        marker={"color": colour["q"], "size": 7, "symbol": "cross"},
        hovertemplate="mean of q<br>(%{x:.3f}, %{y:.3f})<extra></extra>",
    )
    top = ellipse(loc, scale, 2)[30]
    figure.add_annotation(
        x=top[0], y=top[1], text="q(z|x)", showarrow=False, yshift=10, font={"color": colour["q"], "size": 14}
    )
    figure.update_xaxes(range=[axis1[0], axis1[-1]])
    figure.update_yaxes(range=[axis2[0], axis2[-1]])
    return figure


def account_bar(log_p_x: float, elbo: float, gap: float, theme: str | None, height: int = 130) -> go.Figure:
    """ELBO and gap stacked up to log p(x), on an axis of nats that starts a few gaps below the bound."""
    colour = palette(theme)
    figure = _base(theme, height)
    room = max(4 * gap, 4.0)
    start = elbo - room
    figure.add_bar(
        y=[0], x=[room], base=[start], orientation="h", marker_color=colour["q"], width=0.5,
        hovertemplate=f"ELBO {elbo:.2f} nats<extra></extra>",
    )  # fmt: skip
    figure.add_bar(
        y=[0], x=[gap], base=[elbo], orientation="h", marker={"color": colour["posterior"], "pattern": {"shape": "/"}},
        width=0.5, hovertemplate=f"KL(q‖p(z|x)) {gap:.2f} nats<extra></extra>",
    )  # fmt: skip
    figure.add_shape(
        type="line", x0=log_p_x, x1=log_p_x, y0=-0.42, y1=0.42, line={"color": colour["evidence"], "width": 3}
    )
    figure.add_annotation(
        x=start + room / 2,
        y=0,
        text="ELBO",
        showarrow=False,
        font={"color": PAPER["dark" if theme == "dark" else "light"], "size": 14},
    )
    figure.add_annotation(
        x=elbo + gap / 2,
        y=0.25,
        yshift=12,
        text="gap",
        showarrow=False,
        font={"color": colour["posterior"], "size": 14},
    )
    figure.add_annotation(
        x=log_p_x, y=-0.42, yshift=-2, text="log p(x)", showarrow=False, xanchor="left", xshift=6, yanchor="bottom"
    )
    figure.update_layout(barmode="overlay", margin={"l": 12, "r": 12, "t": 8, "b": 44})
    figure.update_xaxes(range=[start, log_p_x + 0.3 * room], title_text="nats", title_standoff=4)
    figure.update_yaxes(visible=False, range=[-0.5, 0.6])
    return figure


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
    figure = _base(theme, height)
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
    figure = _base(theme, height)
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
    figure = _plane(theme, height)
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
    figure = _plane(theme, height)
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
    figure = _base(theme, 260)
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
