"""Router only: page config, navigation, run."""

import streamlit as st

from demo.pages import PAGES

st.set_page_config(page_title="The biggest enemy of generative modelling, alive")
st.navigation(
    [st.Page(page.file, title=page.title, url_path=page.url_path or None, default=not page.url_path) for page in PAGES],
    position="top",
).run()
