"""What all figures share: paper, type, axes, one scale on a plane. Knows nothing of what is drawn.

Colours come from demo.colours; plotly is used in this package only.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from demo.colours import INK

FONT = '"Source Sans", sans-serif'


def layout(theme: str | None, height: int) -> dict[str, Any]:
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


def base(theme: str | None, height: int) -> go.Figure:
    return go.Figure(layout=layout(theme, height))


def plane(theme: str | None, height: int) -> go.Figure:
    figure = base(theme, height)
    figure.update_xaxes(title_text="z₁", constrain="domain")
    figure.update_yaxes(title_text="z₂", scaleanchor="x", scaleratio=1, constrain="domain")
    return figure
