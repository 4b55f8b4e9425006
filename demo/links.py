"""The end of every page: a link to what is shown, and the way back to how the page first was.

Knows nothing of what the fields mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from demo import address
from demo.components.link import link


def show(fields: Sequence[address.Field]) -> None:
    """Publishes the fields and offers the address to copy, and to reset them where any is not at its default."""
    address.publish(fields)
    with st.container(horizontal=True, vertical_alignment="center"):
        link(key="link")
        if address.changed(fields):
            st.button("Reset this page", on_click=address.reset, args=(fields,), key="reset", type="tertiary")
