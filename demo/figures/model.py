"""Figures of how well a model fits its data. Knows nothing of Streamlit or of where the scores come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from demo.colours import palette
from demo.figures.base import base

DASHES = ("solid", "dash", "dot", "dashdot")


def score_histogram(scores: Mapping[str, NDArray], floor: float, theme: str | None, height: int = 300) -> go.Figure:
    """How log p(x) of the test digits is spread, a line for each model's scores [N]; `floor`: independent pixels' mean.

    Shares of digits in bins of 5 nats.
    """
    ink = palette(theme)["evidence"]
    figure = base(theme, height)
    lowest = min(float(np.quantile(values, 0.002)) for values in scores.values())
    edges = np.arange(np.floor(min(lowest, floor) / 5) * 5 - 5, 5, 5.0)
    for (name, values), dash in zip(scores.items(), DASHES, strict=False):
        share = np.histogram(values, edges)[0] / len(values)
        figure.add_scatter(
            x=(edges[1:] + edges[:-1]) / 2, y=share, mode="lines", name=name,
            line={"color": ink, "width": 2, "dash": dash, "shape": "hvh"},
            hovertemplate=f"{name}<br>%{{x:.0f}} ± 2.5 nats: %{{y:.1%}}<extra></extra>",
        )  # fmt: skip
        top = int(share.argmax())
        figure.add_annotation(x=(edges[top] + edges[top + 1]) / 2, y=share[top], text=name, showarrow=False, yshift=12)
    figure.add_vline(x=floor, line={"color": "rgba(128,128,128,0.8)", "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=floor, y=0.98, yref="paper", text="independent pixels", showarrow=False, textangle=-90, xanchor="right",
        yanchor="top",
    )  # fmt: skip
    figure.update_xaxes(title_text="log p(x) of a test digit, nats")
    figure.update_yaxes(title_text="share of digits", tickformat=".0%", rangemode="tozero")
    return figure
