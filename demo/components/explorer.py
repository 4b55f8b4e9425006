"""The explorer: a plane of decoded digits, the digit under the hand, log p(x) = ELBO + KL beneath it.

Packs what the browser needs, mounts the element and validates what it sends back. Knows nothing of how the weights or
the numbers were made, nor of the page around it.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from demo import colours as hues
from demo.components import bundle, sealed, style
from demo.components.held import held
from demo.components.weights import shelve

BOX = 3.0  # the plane shows [−3, 3]²
HUNDREDTH = 0.01  # log-probabilities travel in hundredths of a nat, which is what the line shows

_element = st.components.v2.component("explorer", js=bundle("explorer"), css=style("explorer"), isolate_styles=True)


def explorer(
    model_id: str,
    *,
    z: tuple[float, float],
    lattice: Mapping[str, ArrayLike] | None,
    codes: Mapping[str, ArrayLike] | None = None,
    key: str,
    tour: bool = True,
    colours: Mapping[str, str] | None = None,
) -> tuple[float, float]:
    """Shows the plane of `model_id` at `z` and returns the z that is shown, clipped to [−3, 3]².

    `lattice`: `axis` [n], even and rising, of z₁ and of z₂, and `log_p_x`, `elbo`, `kl` [n, n] in nats (row = z₂,
    column = z₁) of the most probable x at each node; None hides the line. `codes`: `loc` [N, 2] and `label` [N] of
    test digits, a layer to toggle; None leaves it out. `tour`: move by itself until the first touch (False where a
    link chose z). `colours`: symbol → colour where not the site's own. `z` counts where it is new; otherwise the
    visitor's hand does, heard when it lets go or pauses. The decoder comes from `weights`, before or after.
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
    place = held(key, in_box(z), model_id, in_box)
    _element(
        key=key,
        data=sealed(
            {
                "slot": key,
                "number": place.number,
                "base": list(place.base),
                "model": model_id,
                "tables": tables,
                "tour": tour,
                "colours": {name: list(pair) for name, pair in pairs.items()},
            }
        ),
        on_held_change=lambda: None,
    )
    return place.value


def in_box(z: object) -> tuple[float, float]:
    """Two finite numbers clipped to the plane; ValueError for anything else (a browser may send anything)."""
    if not isinstance(z, list | tuple) or len(z) != 2:
        raise ValueError(f"z must be two numbers, not {z!r}")
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not math.isfinite(v) for v in z):
        raise ValueError(f"z must be two finite numbers, not {z!r}")
    z1, z2 = (min(BOX, max(-BOX, float(v))) for v in z)
    return z1, z2


def pack_tables(lattice: Mapping[str, ArrayLike] | None, codes: Mapping[str, ArrayLike] | None) -> tuple[str, bytes]:
    """The file of tables that `js/weights.js` reads, and its id (a digest of the content)."""
    arrays: list[tuple[str, NDArray, float]] = []
    if lattice is not None:
        axis = np.asarray(lattice["axis"], dtype=np.float64)
        steps = np.diff(axis)
        if axis.ndim != 1 or len(axis) < 2 or not (steps[0] > 0 and np.allclose(steps, steps[0])):
            raise ValueError("the lattice's axis must be even and rising")
        arrays.append(("axis", axis.astype("<f8"), 1.0))  # first: eight bytes a number, so it must lie at the start
        for name in ("log_p_x", "elbo", "kl"):
            values = np.asarray(lattice[name], dtype=np.float64)
            if values.shape != (len(axis), len(axis)):
                raise ValueError(f"the lattice's {name} has shape {values.shape}, its axis {len(axis)} nodes")
            arrays.append((name, *_fixed(values, HUNDREDTH)))
    if codes is not None:
        loc, label = np.asarray(codes["loc"], dtype=np.float64), np.asarray(codes["label"])
        if loc.shape != (len(label), 2):
            raise ValueError(f"codes have shape {loc.shape}, their labels {label.shape}")
        inside = np.abs(loc).max(axis=1) <= BOX
        arrays.append(("loc", *_fixed(loc[inside], BOX / 32767)))
        arrays.append(("label", label[inside].astype(np.uint8), 1.0))
    payload, rows = b"", []
    for name, values, unit in arrays:
        row = {"name": name, "dtype": values.dtype.name, "shape": list(values.shape)}
        rows.append(row | {"offset": len(payload), "unit": unit})
        payload += values.tobytes()
        payload += bytes(-len(payload) % 4)
    digest = hashlib.sha256(json.dumps(rows).encode() + payload).hexdigest()[:16]
    header = json.dumps({"id": digest, "arrays": rows}).encode()
    header += b" " * (-len(header) % 4)
    return digest, struct.pack("<I", len(header)) + header + payload


def _fixed(values: NDArray, unit: float) -> tuple[NDArray, float]:
    """Values as whole multiples of `unit`, little-endian, in 16 bits where they fit, else in 32."""
    steps = np.rint(values / unit)
    most = np.abs(steps).max(initial=0)
    if not most < 2**31:  # NaN lands here as well
        raise ValueError("a table holds values that are not finite, or beyond all bounds")
    return steps.astype("<i2" if most < 2**15 else "<i4"), float(unit)
