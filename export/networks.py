"""Networks as ONNX files without a trace of the machine that made them. Knows nothing of runs, digits or folders."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn


def onnx_bytes(network: nn.Module, columns: int, source: str, outputs: Sequence[str]) -> bytes:
    """The network as one ONNX file, float32 throughout, input `source` [batch, columns], those outputs; any batch.

    Weights that half precision holds exactly are stored so, which halves the file and changes no number. The same
    weights give the same bytes.
    """
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # "no torchvision"
    with warnings.catch_warnings():
        # torch.export copies a pytree through copyreg, which trips over torch's own deprecation.
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
        program = torch.onnx.export(
            network,
            (torch.zeros(2, columns),),  # two rows: an axis of one would be taken for a constant
            dynamo=True,
            external_data=False,
            input_names=[source],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            verbose=False,
        )
    assert program is not None
    return halved(stripped(program.model_proto)).SerializeToString(deterministic=True)


def stripped(model: ModelProto) -> ModelProto:
    """The model without what the exporter wrote into it for debugging: stack traces, paths, types between the nodes."""
    graph = model.graph
    parts: list[Any] = [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    for part in parts:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")
    return model


def halved(model: ModelProto) -> ModelProto:
    """The model with each weight that float16 holds exactly stored as float16, and a cast that undoes it at loading."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if tensor.data_type == TensorProto.FLOAT and np.array_equal(half.astype(np.float32), values):
            stored = f"{tensor.name}.half"
            casts.append(helper.make_node("Cast", [stored], [tensor.name], name=stored, to=TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(half, stored))
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)
    return model
