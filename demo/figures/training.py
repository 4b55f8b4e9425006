"""Figures of training: curves over epochs, and what dimensions buy and cost. Knows nothing of files or of Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from demo.colours import PAPER, palette
from demo.figures.base import base

FAINT = "rgba(128,128,128,0.75)"


class Curve(NamedTuple):
    """One quantity over epochs: its name, the symbol whose colour it has, means on training and on held-out digits."""

    name: str
    symbol: str
    training: ArrayLike
    validation: ArrayLike


def curves(
    epoch: NDArray,
    lines: Sequence[Curve],
    marks: Sequence[tuple[float, str]],
    own: tuple[float, str] | None,
    theme: str | None,
    height: int = 420,
) -> go.Figure:
    """Curves in nats over the epochs [n], dotted in training and solid on held-out digits.

    `marks` are levels of others with their words, dashed; `own` is the model's own level on test digits.
    What the first tenth of the epochs has below the rest is cut off.
    """
    colour = palette(theme)
    figure = base(theme, height)
    shown = []
    for line in lines:
        for values, dash, where in ((line.training, "dot", "training"), (line.validation, "solid", "held out")):
            array = np.asarray(values, np.float64)
            shown.append(array[len(array) // 10 :])
            figure.add_scatter(
                x=epoch, y=array, mode="lines", name=f"{line.name}, {where}",
                line={"color": colour[line.symbol], "width": 2 if dash == "solid" else 1.5, "dash": dash},
                hovertemplate=f"{line.name}, {where}<br>epoch %{{x}}: %{{y:.2f}} nats<extra></extra>",
            )  # fmt: skip
    levels = np.array([value for value, _ in (*marks, *([own] if own else []))])
    everything = np.concatenate([*shown, levels])
    low, high = float(everything.min()), float(everything.max())
    slack = 0.06 * (high - low)
    for value, words in marks:
        _level(figure, value, words, theme, dash="dash")
    if own:
        _level(figure, *own, theme, dash="solid")
    for line in lines:
        last = float(np.asarray(line.validation, np.float64)[-1])
        figure.add_annotation(
            x=1, xref="paper", y=last, text=line.name, showarrow=False, xanchor="right", yanchor="top", yshift=-3,
            font={"color": colour[line.symbol]}, bgcolor=_veil(theme), borderpad=0,
        )  # fmt: skip
    figure.update_xaxes(title_text="epoch", range=[float(epoch[0]), float(epoch[-1])])
    figure.update_yaxes(title_text="nats a digit", range=[low - slack, high + 2 * slack])
    return figure


def _level(figure: go.Figure, value: float, words: str, theme: str | None, dash: str) -> None:
    ink = palette(theme)["evidence"]
    figure.add_hline(y=value, line={"color": ink if dash == "solid" else FAINT, "width": 1.2, "dash": dash})
    place = {"x": 0, "xanchor": "left", "xshift": 6, "yanchor": "bottom", "yshift": 1}
    if dash == "solid":  # apart from the others, to which it may be near
        place = {"x": 1, "xanchor": "right", "xshift": 0, "yanchor": "top", "yshift": -1}
    figure.add_annotation(
        xref="paper",
        y=value,
        text=words,
        showarrow=False,
        font={"size": 12},
        bgcolor=_veil(theme),
        borderpad=0,
        **place,
    )


def _veil(theme: str | None) -> str:
    """The paper, thin enough to see a line through."""
    red, green, blue = (int(PAPER["dark" if theme == "dark" else "light"][i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.75)"


def dimensions(
    d: NDArray,
    log_p_x: NDArray,
    exact: NDArray,
    kl: NDArray,
    others: Sequence[tuple[int, float, str]],
    theme: str | None,
    height: int = 400,
) -> go.Figure:
    """−log p(x) and the KL to the prior against the dimensions d [m], in nats; `exact` [m] fills the mark.

    `others` are (d, −log p(x), words) of published models.
    """
    colour = palette(theme)
    figure = base(theme, height)
    figure.add_scatter(
        x=[d for d, _, _ in others], y=[nll for _, nll, _ in others], customdata=[name for _, _, name in others],
        mode="markers",
        marker={"color": FAINT, "size": 9, "symbol": "x-thin-open", "line": {"width": 1.6}},
        hovertemplate="%{customdata}<br>d = %{x}: %{y:.2f} nats<extra></extra>",
    )  # fmt: skip
    for values, symbol, name in ((-log_p_x, "evidence", "−log p(x)"), (kl, "prior", "KL to the prior")):
        filled = exact if symbol == "evidence" else np.ones(len(d), bool)
        paper = "rgba(0,0,0,0)"
        figure.add_scatter(
            x=d, y=values, mode="lines+markers", line={"color": colour[symbol], "width": 2},
            marker={
                "size": 10, "color": [colour[symbol] if full else paper for full in filled],
                "line": {"color": colour[symbol], "width": 2},
            },
            hovertemplate=f"{name}<br>d = %{{x}}: %{{y:.2f}} nats<extra></extra>",
        )  # fmt: skip
        at, lift = (2, 6) if symbol == "evidence" else (3, 14)
        figure.add_annotation(
            x=np.log10(d[at]), y=values[at], text=name, showarrow=False, xanchor="left", yanchor="bottom", xshift=8,
            yshift=lift, font={"color": colour[symbol]},
        )  # fmt: skip
    _dimension_axis(figure, d)
    figure.update_yaxes(title_text="nats a test digit", range=[0, 1.06 * float((-log_p_x).max())])
    return figure


REFERENCES = ((np.log10(86_400), "a day"), (np.log10(13.8e9 * 31_557_600), "the age of the universe"))
NAMED_FROM = 5  # dimensions; below, the curve lies too low for words above it
EXPONENTS = (0, 20, 40, 60, 80)
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def cost(d: NDArray, log10_seconds: NDArray, words: Sequence[str], theme: str | None, height: int = 400) -> go.Figure:
    """What a grid takes against the dimensions d [m]: log₁₀ of seconds [m], and the same in words."""
    colour = palette(theme)
    figure = base(theme, height)
    for level, name in REFERENCES:
        figure.add_hline(y=level, line={"color": FAINT, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=1, xref="paper", y=level, text=name, showarrow=False, xanchor="right", yanchor="top",
            font={"size": 12},
        )  # fmt: skip
    slope, start = np.polyfit(d, log10_seconds, 1)
    fine = np.geomspace(d[0], d[-1], 60)
    figure.add_scatter(
        x=fine, y=start + slope * fine, mode="lines", line={"color": colour["z"], "width": 2}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=d, y=log10_seconds, mode="markers", marker={"color": colour["z"], "size": 10}, customdata=list(words),
        hovertemplate="d = %{x}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    for x, y, text in zip(d, log10_seconds, words, strict=True):
        if x >= NAMED_FROM:
            figure.add_annotation(
                x=np.log10(x), y=y, text=text, showarrow=False, xanchor="right", yanchor="bottom", xshift=-8, yshift=2,
                font={"size": 13, "color": colour["z"]},
            )  # fmt: skip
    _dimension_axis(figure, d)
    figure.update_yaxes(
        title_text="seconds", tickvals=EXPONENTS, range=[-8, 1.06 * float(log10_seconds.max())],
        ticktext=["1" if power == 0 else f"10{str(power).translate(_SUPERSCRIPT)}" for power in EXPONENTS],
    )  # fmt: skip
    return figure


def _dimension_axis(figure: go.Figure, d: NDArray) -> None:
    edge = 0.12
    figure.update_xaxes(
        title_text="latent dimensions, d", type="log", tickvals=[int(value) for value in d],
        range=[np.log10(d[0]) - edge, np.log10(d[-1]) + edge],
    )  # fmt: skip
