"""Plotly figures of arrays, by page. Knows nothing of Streamlit, ONNX or where arrays come from."""

from demo.figures.enemy import (
    convergence,
    normalised_line,
    normalised_plane,
    unnormalised_line,
    unnormalised_plane,
)
from demo.figures.evidence import kl_bars, race, refined_cells, resolution, surface
from demo.figures.model import score_histogram
from demo.figures.training import Curve, cost, curves, dimensions

__all__ = [
    "Curve",
    "convergence",
    "cost",
    "curves",
    "dimensions",
    "kl_bars",
    "normalised_line",
    "normalised_plane",
    "race",
    "refined_cells",
    "resolution",
    "score_histogram",
    "surface",
    "unnormalised_line",
    "unnormalised_plane",
]
