"""The folded menu of a narrow window, by keys: opened it has the keyboard, followed it folds away. Draws nothing.

Knows nothing of the links.
"""

from __future__ import annotations

import streamlit as st

from demo.components import bundle

_element = st.components.v2.component("menu", js=bundle("menu"), isolate_styles=True)


def menu() -> None:
    """To be called once a page."""
    _element(key="menu")
