"""A button that copies the address of the page. Knows nothing of what stands in it."""

from __future__ import annotations

import streamlit as st

from demo.components import bundle, style

_element = st.components.v2.component("link", js=bundle("link"), css=style("link"), isolate_styles=True)


def link(*, key: str) -> None:
    """Shows the button; where the browser forbids copying it shows the address, selected, instead."""
    _element(key=key, width="content")
