"""The numbers under the home page's plane: the exact account of the digit at every node of a lattice.

Knows nothing of ONNX or of how the page shows them. The x of a node is the most probable image of p(x|z) there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from demo import digits
from demo.evidence import Decode, DecoderTable, account

HALF_WIDTH = 3.0  # of the plane the page shows
NODES = 61

Encode = Callable[[ArrayLike], tuple[NDArray, NDArray]]


def build(encode: Encode, decode: Decode) -> dict[str, NDArray]:
    """`axis` [n], and `log_p_x`, `elbo`, `kl` [n, n] in nats, row = z₂, column = z₁; kl is D_KL[q ‖ p(z|x)].

    Each of the three comes from a rule of its own (see demo.evidence.account), rounded to float32.
    """
    axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, NODES)
    z2, z1 = np.meshgrid(axis, axis, indexing="ij")
    x = digits.mode(decode(np.stack([z1.ravel(), z2.ravel()], axis=-1)))
    loc, log_scale = encode(x)
    table = DecoderTable.build(decode)
    rows = [
        (exact.log_p_x, exact.elbo.value, exact.gap)
        for exact in (
            account(table, decode, x[i], loc[i], log_scale[i]) for i in tqdm(range(len(x)), unit="node", desc="atlas")
        )
    ]
    columns = np.array(rows, np.float32).T.reshape(3, NODES, NODES)
    return {"axis": axis, "log_p_x": columns[0], "elbo": columns[1], "kl": columns[2]}
