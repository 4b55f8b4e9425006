"""The numbers under the home page's plane: the exact account of the digit at every node of a lattice.

Knows nothing of ONNX or of how the page shows them. The x of a node is the most probable image of p(x|z) there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from demo import digits
from demo.evidence import Decode, DecoderTable, account
from vae.checkpoint import write_atomically

HALF_WIDTH = 3.0  # of the plane the page shows
NODES = 41

Encode = Callable[[ArrayLike], tuple[NDArray, NDArray]]


def kept(store: Path, encoder: bytes, decoder: bytes, encode: Encode, decode: Decode) -> dict[str, NDArray]:
    """`build`, or what an earlier export of the very same networks left in `store`: it takes minutes."""
    key = hashlib.sha256(encoder + decoder + f"{HALF_WIDTH} {NODES}".encode()).hexdigest()
    if store.exists():
        with np.load(store) as saved:
            if str(saved["key"]) == key:
                return {name: saved[name] for name in saved.files if name != "key"}
    arrays = build(encode, decode)
    write_atomically(store, partial(_save, key=key, arrays=arrays))
    return arrays


def _save(path: Path, key: str, arrays: dict[str, NDArray]) -> None:
    with path.open("wb") as file:
        np.savez(file, key=np.array(key), **arrays)  # type: ignore[arg-type]


def build(encode: Encode, decode: Decode) -> dict[str, NDArray]:
    """`axis` [n], and `log_p_x`, `elbo`, `kl` [n, n] in nats, row = z₂, column = z₁; kl is D_KL[q ‖ p(z|x)].

    Each of the three comes from a rule of its own (see demo.evidence.account), rounded to float32.
    """
    axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, NODES)
    z2, z1 = np.meshgrid(axis, axis, indexing="ij")
    x = digits.mode(decode(np.stack([z1.ravel(), z2.ravel()], axis=-1)))
    loc, log_scale = encode(x)
    table = DecoderTable.build(decode)

    def score(i: int) -> tuple[float, float, float]:
        exact = account(table, decode, x[i], loc[i], log_scale[i])
        return exact.log_p_x, exact.elbo.value, exact.gap

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # onnxruntime and NumPy let go of the interpreter's lock
        rows = list(tqdm(pool.map(score, range(len(x))), total=len(x), unit="node", desc="atlas"))
    columns = np.array(rows, np.float32).T.reshape(3, NODES, NODES)
    return {"axis": axis, "log_p_x": columns[0], "elbo": columns[1], "kl": columns[2]}
