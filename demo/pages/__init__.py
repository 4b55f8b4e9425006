"""The pages: words and widgets. Each file is run by Streamlit on its own; this list is all the router knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """One page of the site. The page with an empty `url_path` is the home page."""

    name: str
    title: str
    url_path: str

    @property
    def file(self) -> Path:
        return Path(__file__).parent / f"{self.name}.py"


PAGES = (
    Page("home", "Home", ""),
    Page("sample", "Sample", "sample"),
    Page("interpolate", "Interpolate", "interpolate"),
    Page("explore", "Explore", "explore"),
    Page("enemy", "The enemy", "enemy"),
    Page("evidence", "Evidence", "evidence"),
    Page("derivation", "Derivation", "derivation"),
    Page("training", "Training", "training"),
    Page("model", "The model", "model"),
)
