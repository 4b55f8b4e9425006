"""Figures of the evidence: the posterior, the rules and estimators. Knows nothing of Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from demo.colours import PAPER, palette
from demo.figures.base import base, plane

FAINT = "rgba(128,128,128,0.55)"


class Lane(Protocol):
    """What is drawn of one proposal in the race: arrays [k]."""

    @property
    def n_samples(self) -> NDArray: ...
    @property
    def mean(self) -> NDArray: ...
    @property
    def low(self) -> NDArray: ...
    @property
    def high(self) -> NDArray: ...
    @property
    def standard_error(self) -> NDArray: ...


class Divergences(Protocol):
    """KL to the prior for each dimension [d], in closed form and by sampling."""

    @property
    def exact(self) -> NDArray: ...
    @property
    def mean(self) -> NDArray: ...
    @property
    def standard_error(self) -> NDArray: ...


def _density(
    axis1: NDArray, axis2: NDArray, density: NDArray, symbol: str, name: str, theme: str | None, height: int
) -> go.Figure:
    """A density [n, n] (row = z₂) as a heat map from paper to the symbol's colour at its peak."""
    paper = PAPER["dark" if theme == "dark" else "light"]
    figure = plane(theme, height)
    figure.add_heatmap(
        x=axis1, y=axis2, z=density, colorscale=[[0, paper], [1, palette(theme)[symbol]]], zmin=0,
        zmax=float(density.max()), showscale=False,
        hovertemplate=f"z = (%{{x:.3f}}, %{{y:.3f}})<br>{name} = %{{z:.3g}}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(range=[axis1[0], axis1[-1]])
    figure.update_yaxes(range=[axis2[0], axis2[-1]])
    return figure


def refined_cells(
    axis1: NDArray, axis2: NDArray, log_posterior: NDArray, centres: NDArray, widths: NDArray, theme: str | None,
    height: int = 400,
) -> go.Figure:  # fmt: skip
    """p(z|x) as a heat map with the squares of the adaptive rule, centres [m, 2] and widths [m], that touch the map."""
    figure = _density(axis1, axis2, np.exp(log_posterior), "posterior", "p(z|x)", theme, height)
    low, high = np.array([axis1[0], axis2[0]]), np.array([axis1[-1], axis2[-1]])
    half = widths[:, None] / 2
    seen = ((centres + half > low) & (centres - half < high)).all(axis=1)
    (x, y), h = centres[seen].T, widths[seen] / 2
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    lines = [np.stack([x + i * h, y + j * h]) for i, j in corners] + [np.full((2, len(h)), np.nan)]
    path1, path2 = np.stack(lines, axis=-1).reshape(2, -1)
    figure.add_scatter(
        x=path1, y=path2, mode="lines", line={"color": palette(theme)["x"], "width": 0.6}, hoverinfo="skip"
    )
    return figure


def surface(
    axis1: NDArray, axis2: NDArray, density: NDArray, symbol: str, name: str, theme: str | None, height: int = 340
) -> go.Figure:
    """One surface of Bayes’ rule, [n, n] (row = z₂): the joint density, or the posterior."""
    return _density(axis1, axis2, density, symbol, name, theme, height)


def resolution(
    n: NDArray, log_p_x: NDArray, picked: int, exact: float, theme: str | None, height: int = 280
) -> go.Figure:
    """log p(x) by uniform grids of n × n nodes, the exact value as a line, the picked grid ringed."""
    colour = palette(theme)
    figure = base(theme, height)
    figure.add_hline(y=exact, line={"color": colour["evidence"], "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=np.log10(n[0]), y=exact, text="adaptive", showarrow=False, xanchor="left", yanchor="bottom",
    )  # fmt: skip
    figure.add_scatter(
        x=n, y=log_p_x, mode="lines+markers", line={"color": colour["z"], "width": 1.5}, marker={"size": 7},
        hovertemplate="%{x} × %{x} nodes<br>%{y:.3f} nats<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=[n[picked]], y=[log_p_x[picked]], mode="markers", hoverinfo="skip",
        marker={"color": "rgba(0,0,0,0)", "size": 17, "line": {"color": colour["z"], "width": 2.5}},
    )  # fmt: skip
    figure.update_xaxes(title_text="nodes an axis, n", type="log", tickvals=[5, 10, 20, 50, 100, 200])
    figure.update_yaxes(title_text="log p(x), nats")
    return figure


def race(
    lanes: Sequence[tuple[str, str, Lane]], picked: int, exact: float | None, theme: str | None, height: int = 340
) -> go.Figure:
    """Estimates of log p(x) against the draws K of each: (symbol of the colour, name, lane) for each proposal.

    A line through the means, a band from the 10th to the 90th percentile of the repeats, a bar of one standard error
    of the mean; the exact value as a line where it is known.
    """
    colour = palette(theme)
    figure = base(theme, height)
    for symbol, name, lane in lanes:
        k = lane.n_samples
        figure.add_scatter(
            x=np.concatenate([k, k[::-1]]), y=np.concatenate([lane.high, lane.low[::-1]]), mode="lines", fill="toself",
            line={"width": 0}, fillcolor=_faint(colour[symbol]), hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=k, y=lane.mean, mode="lines+markers", line={"color": colour[symbol], "width": 2},
            marker={"size": 7, "symbol": "circle" if symbol == "q" else "diamond"},
            error_y={"type": "data", "array": lane.standard_error, "color": colour[symbol], "thickness": 1.5},
            hovertemplate=f"{name}, K = %{{x}}<br>%{{y:.2f}} nats<extra></extra>",
        )  # fmt: skip
    top = max(float(lane.high.max()) for _, _, lane in lanes)
    if exact is not None:
        figure.add_hline(y=exact, line={"color": colour["evidence"], "width": 2, "dash": "dash"})
        figure.add_annotation(x=0, y=exact, text="log p(x), exact", showarrow=False, xanchor="left", yanchor="bottom")
        top = max(top, exact)
    bottom = min(float(lanes[0][2].low.min()), float(lanes[-1][2].mean[-1])) - 2
    bottom = max(bottom, top - 60)
    for symbol, name, lane in lanes:  # each named where it has climbed a third of what is shown
        i = int(np.argmax(lane.mean > bottom + (top - bottom) / 3))
        figure.add_annotation(
            x=np.log10(lane.n_samples[i]), y=lane.mean[i], text=name, showarrow=False, yanchor="top", yshift=-4,
            xanchor="left", xshift=12, font={"color": colour[symbol]},
        )  # fmt: skip
    figure.add_vline(x=2**picked, line={"color": FAINT, "width": 1})
    figure.update_xaxes(title_text="draws K an estimate", type="log", tickvals=[1, 4, 16, 64, 256, 1024])
    figure.update_yaxes(title_text="log (1/K) Σ w, nats", range=[bottom, top + 0.08 * (top - bottom)])
    return figure


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def kl_bars(kl: Divergences, order: NDArray[np.intp], theme: str | None, height: int = 280) -> go.Figure:
    """KL to the prior for each latent dimension: bars in closed form, marks with error bars by sampling."""
    colour = palette(theme)
    names = [f"z{str(j + 1).translate(_SUBSCRIPT)}" for j in order]
    figure = base(theme, height)
    figure.add_bar(
        x=names, y=kl.exact[order], marker={"color": _faint(colour["q"]), "line": {"color": colour["q"], "width": 1}},
        hovertemplate="%{x}: %{y:.3f} nats, closed form<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=names, y=kl.mean[order], mode="markers", marker={"color": colour["x"], "size": 6, "symbol": "line-ew-open"},
        error_y={"type": "data", "array": 2 * kl.standard_error[order], "color": colour["x"], "thickness": 1.5},
        hovertemplate="%{x}: %{y:.3f} nats by sampling<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(type="category", tickangle=0 if len(names) <= 8 else -60)
    figure.update_yaxes(title_text="nats", rangemode="tozero")
    return figure


_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
