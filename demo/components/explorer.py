"""The explorer: a plane of decoded digits, the digit under the hand, log p(x) = ELBO + KL or a pinned x beneath it.

Packs what the browser needs, mounts the element and validates what it sends back. Knows nothing of how the weights or
the numbers were made, nor of the page around it.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

import streamlit as st
from numpy.typing import ArrayLike

from demo import colours as hues
from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.raster import MNIST, Shape, sized
from demo.components.tables import BOX, pack_tables
from demo.components.weights import shelve

_element = st.components.v2.component("explorer", js=bundle("explorer"), css=style("explorer"), isolate_styles=True)


TILES = (21, 15)  # across the plane, as js/explorer.js has them: on a wide plane and on one below 440 px
# The plane where js/explorer.css will put it, by the width of the room; gone once the element says that it is there.
_AHEAD = """<style>
.plane-ahead { --side: max(22rem, min(588px, 66vh)); container: room / inline-size; inset: 0 0 auto; opacity: 0.72;
  pointer-events: none; position: absolute; }
.plane-ahead div { container: plane / inline-size; margin: 0 auto; width: min(100%, var(--side)); }
.plane-ahead img { display: block; width: 100%; }
.plane-ahead .wide { display: none; }
@container plane (min-width: 440px) { .plane-ahead .wide { display: block; } .plane-ahead .narrow { display: none; } }
@container room (min-width: 560px) { .plane-ahead div { --room: calc(100% - 14.5rem);
  margin-left: max(0px, calc((var(--room) - var(--side)) / 2)); width: min(var(--room), var(--side)); } }
@container room (min-width: 860px) { .plane-ahead div { --room: calc(100% - 0.46 * var(--side) - 12rem); margin: 0; } }
[data-arrived] .plane-ahead { display: none; }
</style>"""


class Shown(NamedTuple):
    """Where the plane stands, and the pinned x as `digits.pack` writes it, "" for none."""

    z1: float
    z2: float
    pin: str = ""


def ahead(wide: bytes, narrow: bytes, page_style: str = "") -> None:
    """Shows the plane as a picture until the element has come, at its place and under no hand.

    PNGs of TILES of decoded pictures a side. To be called in the container that then holds the element, without a gap.
    `page_style`: sent once more, for the browser may show this picture before what was sent ahead of it.
    """
    images = (
        f'<img class="{name}" alt="" src="data:image/png;base64,{b64encode(png).decode()}">'
        for name, png in (("wide", wide), ("narrow", narrow))
    )
    st.html(f'{page_style}{_AHEAD}<div class="plane-ahead" aria-hidden="true"><div>{"".join(images)}</div></div>')


def explorer(
    model_id: str,
    *,
    z: tuple[float, float],
    shape: Shape = MNIST,
    kinds: Literal["digits", "classes", "none"] = "digits",
    pin: str = "",
    lattice: Mapping[str, ArrayLike] | None,
    codes: Mapping[str, ArrayLike] | None = None,
    key: str,
    tour: bool = True,
    colours: Mapping[str, str] | None = None,
) -> Shown:
    """Shows the plane of `model_id` at `z` and returns what is shown, z clipped to [−3, 3]².

    `shape`: rows and columns of a picture. `kinds`: what the labels of the codes say. `pin`: an x as `digits.pack`
    writes it, whose log p(x, z) the line tells of instead; "" for none.

    `lattice`: `axis` [n], even and rising, of z₁ and of z₂, and `log_p_x`, `elbo`, `kl` [n, n] in nats (row = z₂,
    column = z₁) of the most probable x at each node; None hides the line. `codes`: `loc` [N, 2] and `label` [N] of
    test digits, a layer to toggle; None leaves it out. `tour`: move by itself until the first touch (False where a
    link chose z). `colours`: symbol → colour where not the site's own. `z` and `pin` count where they are new;
    otherwise the visitor's hand does, heard when it lets go or pauses. The decoder comes from `weights`, before or
    after.
    Raises ValueError for what does not fit.
    """
    pairs = {name: (hues.LIGHT[name], hues.DARK[name]) for name in hues.LIGHT}
    if colours is not None:
        if unknown := set(colours) - set(pairs):
            raise ValueError(f"no symbols of ours: {', '.join(sorted(unknown))}")
        pairs |= {name: (colour, colour) for name, colour in colours.items()}
    tables = ""
    if lattice is not None or codes is not None:
        tables, blob = pack_tables(lattice, codes)
        shelve(f"{key}-tables", blob)
    rows, columns = sized(shape)
    read = partial(shown, pixels=rows * columns)
    place = held(key, read([*z, pin] if pin else list(z)), model_id, read)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": list(place.base) if place.base.pin else list(place.base[:2]),
                "model": model_id,
                "shape": [rows, columns],
                "kinds": kinds,
                "tables": tables,
                "tour": tour,
                "colours": {name: list(pair) for name, pair in pairs.items()},
            }
        ),
        on_held_change=lambda: None,
    )
    return place.value


def shown(value: object, pixels: int = MNIST[0] * MNIST[1]) -> Shown:
    """[z₁, z₂] or [z₁, z₂, pin] as the browser sends it, the pin of so many pixels; ValueError for anything else."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 3):
        raise ValueError(f"two numbers and perhaps a pinned x, not {value!r}")
    pin = value[2] if len(value) == 3 else ""
    if pin != "" and not _is_packed(pin, pixels):
        raise ValueError(f"a pinned x is {_letters(pixels)} characters of digits.pack")
    return Shown(*in_box(value[:2]), pin)


def _letters(pixels: int) -> int:
    """Of base64 without padding."""
    return (4 * ((pixels + 7) // 8) + 2) // 3


def _is_packed(pin: object, pixels: int) -> bool:
    """Whether this is so many bits in the one spelling of URL-safe base64 without padding that `digits.pack` writes."""
    if not isinstance(pin, str) or len(pin) != _letters(pixels) or not pin.isascii():
        return False
    try:
        raw = urlsafe_b64decode(pin + "=" * (-len(pin) % 4))
    except binascii.Error:
        return False
    spare = raw[-1] & (0xFF >> (pixels % 8 or 8))  # bits past the last pixel
    return not spare and urlsafe_b64encode(raw).decode().rstrip("=") == pin


def in_box(z: object) -> tuple[float, float]:
    """Two finite numbers clipped to the plane; ValueError for anything else (a browser may send anything)."""
    if not isinstance(z, list | tuple) or len(z) != 2:
        raise ValueError(f"z must be two numbers, not {z!r}")
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not abs(v) < math.inf for v in z):
        raise ValueError(f"z must be two finite numbers, not {z!r}")
    z1, z2 = (float(min(BOX, max(-BOX, v))) for v in z)  # clipped first: an int may be too large for a float
    return z1, z2
