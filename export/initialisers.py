"""A network of the site as one file of weights for a browser, read out of its ONNX file. Knows nothing of torch, of
runs or of the page that reads it.

The layout is that of export/weights.py (`demo/components/js/decoder.js` reads it); an encoder says so in its header.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from export import ExportError

Kind = Literal["encoder", "decoder"]
Dtype = Literal["float16", "float32"]
Tensors = dict[str, NDArray[np.float32]]

_NAME = re.compile(
    r"trunk\.(?P<name>(bias|(first|flat|up|down|last|(blocks|dense|fine)\.\d+\.(inner|outer))\.(weight|bias)))(\.half)?"
)


def pack(blob: bytes, model_id: str, kind: Kind, dtype: Dtype = "float16") -> bytes:
    """The weights of an encoder.onnx or decoder.onnx.

    Raises ExportError where the file is none of our networks, or where `dtype` does not hold a weight exactly.
    """
    tensors = read(blob)
    rows, payload, offset = [], [], 0
    for name, exact in tensors.items():
        with np.errstate(over="ignore"):
            values = exact.astype(np.dtype(dtype).newbyteorder("<"))
        if not np.array_equal(values.astype(np.float32), exact):
            raise ExportError(f"{dtype} does not hold the {kind}'s {name} exactly; export the model anew")
        rows.append({"name": name, "shape": list(values.shape), "offset": offset})
        payload.append(values.tobytes())
        offset += values.size
    header: dict[str, object] = {"model": model_id, **_sizes(tensors, kind)}
    header |= {"blocks": count(tensors, "blocks"), "activation": "silu", "dtype": dtype, "tensors": rows}
    header |= {"kind": kind} if kind == "encoder" else {}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + b"".join(payload)


def read(blob: bytes) -> Tensors:
    """The network's tensors by their names in the file of weights, in the order of the ONNX file, float32."""
    tensors = {}
    for tensor in onnx.load_from_string(blob).graph.initializer:
        found = _NAME.fullmatch(tensor.name)
        if found is not None:
            tensors[found["name"]] = numpy_helper.to_array(tensor).astype(np.float32)
        elif tensor.data_type != TensorProto.INT64:  # the shapes of what is only rearranged
            raise ExportError(f"the ONNX file holds {tensor.name!r}, which is no tensor of our networks")
    layers = ["first", "last", *(f"blocks.{i}.{part}" for i in range(count(tensors, "blocks")) for part in PAIR)]
    if is_conv(tensors):
        layers += ["flat"] * ("flat.weight" in tensors) + ["down" if "down.weight" in tensors else "up"]
        layers += [f"{s}.{i}.{part}" for s in ("dense", "fine") for i in range(count(tensors, s)) for part in PAIR]
    expected = {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    expected |= {"bias"} if "up.weight" in tensors else set()
    if expected != set(tensors):
        raise ExportError(f"the ONNX file is none of our networks; mind {', '.join(sorted(expected ^ set(tensors)))}")
    return tensors


PAIR = ("inner", "outer")


def count(tensors: Tensors, stage: str) -> int:
    """How many residual blocks a stage has."""
    return sum(name.startswith(f"{stage}.") and name.endswith(".inner.weight") for name in tensors)


def is_conv(tensors: Tensors) -> bool:
    return "up.weight" in tensors or "down.weight" in tensors


def _sizes(tensors: Tensors, kind: Kind) -> dict[str, object]:
    """The header's sizes, in the order of export/weights.py."""
    first, last = tensors["first.weight"], tensors["last.weight"]
    if not is_conv(tensors):
        ends = (len(last) // 2, first.shape[1]) if kind == "encoder" else (first.shape[1], len(last))
        own: dict[str, object] = {"width": len(first)}
    else:
        ends = (len(last) // 2, 784) if kind == "encoder" else (first.shape[1], len(tensors["bias"]))
        width = 2 * (len(first) if kind == "encoder" else last.shape[1])
        own = {"architecture": "conv", "width": width, "fine_blocks": count(tensors, "fine")}
        if "flat.weight" in tensors:
            dense = tensors["flat.weight"].shape[0 if kind == "encoder" else 1]
            own |= {"dense_width": dense, "dense_blocks": count(tensors, "dense")}
    return {"latent_dim": ends[0], "pixels": ends[1], **own}
