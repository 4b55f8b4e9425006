"""The decoder's weights as one small file for a browser. Knows nothing of ONNX, of runs or of the page that reads it.

uint32 length of the header, the header (JSON in UTF-8, padded with spaces), the payload: float16, row-major, all
little-endian; the payload begins at a multiple of four bytes. The header's `tensors` names each tensor with its
offset in elements: first, blocks.i.inner, blocks.i.outer, last in the order of use, weights as [outputs, inputs].

A decoder of convolutions says so ("architecture": "conv") and has further `fine_blocks` and tensors, perhaps also
`dense_width` and `dense_blocks`; its 3 × 3 kernels are [outputs, inputs, 3, 3]. Take h [channels, rows, columns],
conv(h) with a rim of zeros and shuffle(h) that turns four channels 4c + 2i + j into the pixels (2y + i, 2x + j) of one.
Then h = first(z); where there are `dense_blocks`, for each h += outer(silu(inner(silu(h)))), named dense.i.inner and
dense.i.outer, and then h = flat(silu(h)); h as [width, 7, 7]; the same sum for each of `blocks`; h =
shuffle(up(silu(h))); the same for each of `fine_blocks`, named fine.i.inner and fine.i.outer; logits =
shuffle(last(silu(h))) + bias.

Nothing is lost in it: `vae.checkpoint.load_run` rounds a run's weights to half precision before anyone sees them.
"""

from __future__ import annotations

import json
import struct

import numpy as np

from export import ExportError
from vae.convolutions import ConvSynthesis
from vae.networks import Decoder


def pack(decoder: Decoder, model_id: str) -> bytes:
    """decoder.bin of a decoder. Raises ExportError where float16 does not hold a weight exactly."""
    trunk = decoder.trunk
    sizes: dict[str, str | int]
    if isinstance(trunk, ConvSynthesis):
        sizes = {"architecture": "conv", "width": trunk.last.in_channels * 2, "fine_blocks": len(trunk.fine)}
        if len(trunk.dense):
            sizes |= {"dense_width": trunk.flat.in_features, "dense_blocks": len(trunk.dense)}
    else:
        sizes = {"width": trunk.first.out_features}
    tensors, payload, offset = [], [], 0
    for name, tensor in trunk.state_dict().items():
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
        "latent_dim": trunk.first.in_features,
        "pixels": decoder.pixels,
        **sizes,
        "blocks": len(trunk.blocks),
        "activation": "silu",
        "dtype": "float16",
        "tensors": tensors,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(payload)
