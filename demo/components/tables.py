"""The explorer's numbers as one file for the browser: the lattice under the line, the codes of the test digits.

Knows nothing of Streamlit: the site hands the file over its socket, the static build writes it into a folder.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOX = 3.0  # the plane shows [−3, 3]²
HUNDREDTH = 0.01  # log-probabilities travel in hundredths of a nat, which is what the line shows
MOST_DOTS = 1250  # on the map of the plane; the last step may add as many again
PLACE = 1e-4  # codes travel with the four decimals of z in a link: a jump to a code is exact


def pack_tables(lattice: Mapping[str, ArrayLike] | None, codes: Mapping[str, ArrayLike] | None) -> tuple[str, bytes]:
    """The file of tables that `js/tables.js` reads, and its id (a digest of the content).

    Codes travel class after class, with how many each class (0 to 9, and those above) has instead of a label each.
    """
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
        inside = np.flatnonzero(np.abs(loc).max(axis=1) <= BOX)
        by_class = inside[np.argsort(label[inside], kind="stable")]
        arrays.append(("count", np.bincount(label[inside], minlength=10).astype("<i4"), 1.0))
        arrays.append(("loc", *_fixed(loc[by_class], PLACE)))
    return pack(arrays)


def pack_tray(offered: ArrayLike, draws: ArrayLike, codes: Mapping[str, ArrayLike]) -> tuple[str, bytes]:
    """What a walk may start from, for `js/railends.js`: its id and the file.

    `offered` [classes, pages, d]: codes of each class; `draws` [n, d] of the prior. In two dimensions also `dots` for
    a map: some of the `codes` (`loc` [N, d], `label` [N]) with its class, evenly taken.
    """
    rows, loc = np.asarray(offered), np.asarray(codes["loc"])
    arrays: list[tuple[str, NDArray, float]] = [
        ("prior", np.asarray(draws, "<f8"), 1.0),  # first: eight bytes a number
        ("loc", rows.reshape(-1, rows.shape[-1]).astype("<f4"), 1.0),
    ]
    if loc.shape[1] == 2:
        arrays.append(
            ("dots", np.column_stack([loc, codes["label"]])[:: max(1, len(loc) // MOST_DOTS)].astype("<f4"), 1.0)
        )
    return pack(arrays)


def pack(arrays: Sequence[tuple[str, NDArray, float]]) -> tuple[str, bytes]:
    """Any tables as one file: (name, stored numbers, what one of them is worth) each; the widest numbers first."""
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
