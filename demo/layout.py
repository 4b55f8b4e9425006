"""What every page shares: its frame, its words for numbers, and one clear sentence when a model cannot be opened.

Knows nothing of what a page shows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn

import streamlit as st

from demo import cache, colours, digits, pretrained
from demo.components.menu import menu
from demo.pretrained import PretrainedVAE

PAGE_WIDTH = 1080  # pixels; figures may use all of it
TEXT_WIDTH = 620  # about 70 characters
STYLE_AHEAD = 0.15  # seconds that a visitor's first page waits for, so that the style is there before what it moves

# What config.toml cannot say: less paper above the title, figures of one width in metrics, choices as high as the
# fields beside them and as a finger needs them, formulae that fit a phone and do not scroll for the slant of their last
# letter; dark words on the primary button where its colour is light (Streamlit sets them white, contrast 1.6 to 1),
# and darker ones on what is selected on light paper (4.1 to 1); a ring for links, switches and radio buttons that have
# the keyboard, and none of it in a menu that is folded away. And nothing jumps while a page comes in: its column is as
# wide at once as it stays (Streamlit's wide layout moves it after the first frame), the explorer's place is kept, and
# what only carries files takes none.
_STYLE = """<style>
.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 3rem; }
.stMainBlockContainer > .stVerticalBlock { --room: min(1080px, 100vw - 2rem); width: var(--room); max-width: none;
  margin-inline: calc((100% - var(--room)) / 2); }
@media (min-width: 48rem) { .stMainBlockContainer > .stVerticalBlock { --room: min(1080px, 100vw - 10rem); } }
.st-key-menu, [class*="st-key-weights-"], [class*="-tables"].stElementContainer { display: none; }
.st-key-explorer { min-height: min(72vh, 38rem); }
:has(~ * > .st-key-explorer-room) > .st-key-lead { min-height: 77px; }
@media (max-width: 30rem) { :has(~ * > .st-key-explorer-room) > .st-key-lead { min-height: 128px; } }
[data-testid="stMetricValue"] { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
[data-testid="stButtonGroup"] button { min-height: 2.5rem; }
.katex-display { padding-inline: 4px; }
a[data-testid*="Nav"]:focus-visible, label:has(> span > input:focus-visible) {
  outline: 2px solid currentColor; outline-offset: 2px;
}
[data-testid="stSidebar"][data-collapsed="true"] { visibility: hidden; }
@media (max-width: 30rem) { .katex-display { font-size: 0.84em; overflow: auto hidden; } }
</style>"""
_DARK = f'<style>[data-testid="stBaseButton-primary"] * {{ color: {colours.PAPER["dark"]}; }}</style>'
_LIGHT = '<style>[data-selected="true"] p { color: color-mix(in srgb, currentColor 85%, black); }</style>'


def style() -> str:
    """The page's style as HTML of our own words."""
    return _STYLE + (_DARK if theme() == "dark" else _LIGHT)


@contextmanager
def frame(title: str, lead: str) -> Iterator[None]:
    """A centred column with the page's title and one leading sentence; the page goes inside."""
    _run_on_reconnecting()
    st.html(style())
    if st.session_state.setdefault("styled", False) is False:
        time.sleep(STYLE_AHEAD)
        st.session_state["styled"] = True
    with st.container(horizontal_alignment="center"), st.container(width=PAGE_WIDTH):
        st.title(title, anchor=False)
        st.container(width=TEXT_WIDTH, key="lead").markdown(lead)
        yield
    menu()


@st.fragment(run_every=timedelta(days=7))
def _run_on_reconnecting() -> None:
    """Draws nothing. A page with something to repeat asks for a run as soon as a lost connection is back.

    Without it Streamlit's browser side stays silent then; where the server was started anew, or has forgotten a laptop
    that slept, the visitor's first click would open the new session and be lost in it.
    """


def text(markdown: str) -> None:
    """Prose in a column of at most about 70 characters."""
    st.container(width=TEXT_WIDTH).markdown(markdown)


def caption(markdown: str) -> None:
    """The words under a figure: what it shows and what to try."""
    st.container(width=TEXT_WIDTH).caption(markdown)


def complain(sentences: Sequence[str]) -> None:
    """Says what of a link could not be read."""
    for sentence in sentences:
        st.info(sentence)


def theme() -> str | None:
    """ "light" or "dark", as the visitor's browser has it; None where it is not known yet."""
    return st.context.theme.type


def palette() -> dict[str, str]:
    return colours.palette(theme())


def models() -> tuple[str, ...]:
    """The models that lie in the assets, those of images of MNIST's size first; where there are none the page ends with
    one sentence.
    """
    found = pretrained.sizes()
    if not found:
        stop(f"No model lies in {pretrained.ASSETS.name}/: train one and run “python -m export RUN --as z2”.")
    return tuple(sorted(found, key=lambda model_id: not _usual(found[model_id])))


def deepest() -> str:
    """The model with most latent dimensions of those of images of MNIST's size, or of all where there is none."""
    found = pretrained.sizes()
    return max(models(), key=lambda model_id: (_usual(found[model_id]), list(found).index(model_id)))


def sizes() -> tuple[int, ...]:
    """The numbers of pixels that a drawing may have: those of the models' images."""
    return tuple(sorted({pixels for pixels in pretrained.sizes().values() if pixels is not None}))


def _usual(pixels: int | None) -> bool:
    return pixels in (digits.PIXELS, None)


def planar_model() -> str:
    """The first with two latent dimensions, where log p(x) can be computed; none after it is opened."""
    for model_id in models():
        if open_model(model_id).latent_dim == 2:
            return model_id
    stop("This page needs a model of two latent dimensions; export one with “python -m export RUN --as z2”.")


def open_model(model_id: str) -> PretrainedVAE:
    """The model, or one clear sentence and the end of the page."""
    try:
        return cache.model(model_id)
    except pretrained.AssetError as error:
        stop(str(error))


def stop(sentence: str) -> NoReturn:
    st.error(sentence)
    st.stop()


def model_name(model_id: str) -> str:
    """A model in the visitor's words."""
    vae = open_model(model_id)
    size = "" if vae.pixels == digits.PIXELS else f", {by(vae.shape)}"
    return f"{model_id}: {vae.latent_dim} dimensions{size}"


def by(shape: tuple[int, int]) -> str:
    """Rows and columns: 28 × 28."""
    return " × ".join(map(str, shape))


def nats(value: float, digits: int = 2) -> str:
    """A number of nats with a true minus sign; never −0.00."""
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:
        shown = shown.removeprefix("-")
    return shown.replace("-", "−")


def small(value: float) -> str:
    """A residual: 3.1 × 10⁻⁷, or 0."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    superscript = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{superscript}".replace("-", "−")


def latex(value: float, digits: int = 2) -> str:
    """A number for a formula; KaTeX sets the minus sign itself."""
    return nats(value, digits).replace("−", "-")


def power_of_ten(nats: float) -> str:
    r"""exp(nats) as a \cdot 10^{b}, for numbers that no float holds."""
    exponent = math.floor(nats / math.log(10))
    mantissa = math.exp(nats - exponent * math.log(10))
    if round(mantissa, 2) >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
    return rf"{mantissa:.2f} \cdot 10^{{{exponent}}}"


class Symbols(NamedTuple):
    """The densities in their colours, as LaTeX; each symbol has one colour on the whole site."""

    q: str
    posterior: str
    prior: str
    mean_under_q: str
    q_hex: str

    def q_at(self, z: str) -> str:
        """q at another argument than z."""
        return colours.coloured(f"q({z}|x)", self.q_hex)


def symbols() -> Symbols:
    colour = palette()
    q, posterior, prior = (
        colours.coloured(body, colour[name])
        for body, name in (("q(z|x)", "q"), ("p(z|x)", "posterior"), ("p(z)", "prior"))
    )
    return Symbols(q, posterior, prior, rf"\mathbb{{E}}_{{{colours.coloured('q', colour['q'])}}}", colour["q"])


def metrics(*numbers: tuple[str, str, str]) -> None:
    """Numbers in a row, each (label with its unit, value, how it was found)."""
    with st.container(horizontal=True, gap="medium"):
        for label, shown, words in numbers:
            st.metric(label, shown, help=words, width="content")


def chart(figure: Any, *, key: str) -> None:
    """A Plotly figure without the toolbar."""
    st.plotly_chart(figure, config={"displayModeBar": False}, key=key)
