"""The decoder's weights as one small file for a browser. Knows nothing of ONNX, of runs or of the page that reads it.

uint32 length of the header, the header (JSON in UTF-8, padded with spaces), the payload: float16, row-major, all
little-endian; the payload begins at a multiple of four bytes. The header's `tensors` names each tensor in the order
of use (first, blocks.i.inner, blocks.i.outer, last; weights as [outputs, inputs]) with its offset in elements.
Nothing is lost in it: `vae.checkpoint.load_run` rounds a run's weights to half precision before anyone sees them.
"""

from __future__ import annotations

import json
import struct

import numpy as np

from export import ExportError
from vae.networks import Decoder


def pack(decoder: Decoder, model_id: str) -> bytes:
    """decoder.bin of a decoder. Raises ExportError where float16 does not hold a weight exactly."""
    tensors, payload, offset = [], [], 0
    for name, tensor in decoder.trunk.state_dict().items():
        with np.errstate(over="ignore"):
            values = tensor.numpy().astype("<f2")
        if not (np.isfinite(values).all() and np.array_equal(values.astype(np.float32), tensor.numpy())):
            reach = tensor.abs().max().item()
            raise ExportError(f"half precision does not hold the decoder's {name} (largest: {reach:.3g}); train anew")
        tensors.append({"name": name, "shape": list(values.shape), "offset": offset})
        payload.append(values.tobytes())
        offset += values.size
    header = {
        "model": model_id,
        "latent_dim": decoder.trunk.first.in_features,
        "pixels": decoder.trunk.last.out_features,
        "width": decoder.trunk.first.out_features,
        "blocks": len(decoder.trunk.blocks),
        "activation": "silu",
        "dtype": "float16",
        "tensors": tensors,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(payload)
