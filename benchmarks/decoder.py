"""How fast a decoder is: `python -m benchmarks.decoder`. onnxruntime, as the site runs it, beside torch eager,
torch.compile and plain NumPy, all on one thread in one run, at batch 1, 64 and 1024; it wants a quiet machine.

Each is also given as a share of what this machine's fastest float32 matrix product reaches, counted as two
operations a multiplication of the layers (activations are not counted). Every time is the least of its rounds, which
other programs disturb least. A run over all models is kept in benchmarks/figures/ for the README.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy reads it

import numpy as np
import onnxruntime
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto, helper

from benchmarks import record
from demo import pretrained
from export import back, initialisers
from export.initialisers import Tensors
from export.reference import shuffle

Float32 = NDArray[np.float32]
COMMAND = "python -m benchmarks.decoder"
LIMITS = {"times": 2, "share": 0.6}  # torch eager's time at batch 1, and the peak's share at the largest batch
BATCHES = (1, 64, 1024)
SECONDS = 0.6  # at least, for each contestant and round
ROUNDS = 5


def once(call: Callable[[], object]) -> float:
    """Seconds of one call, the mean over at least SECONDS."""
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < SECONDS:
        call()
        count += 1
    return spent / count


def side_by_side(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Least seconds a call of each, in turns, so that a slow stretch of the machine meets all of them."""
    for call in calls.values():
        call()
    rounds = [{name: once(call) for name, call in calls.items()} for _ in range(ROUNDS)]
    return {name: min(r[name] for r in rounds) for name in calls}


def in_numpy(tensors: Tensors) -> Callable[[Float32], Float32]:
    """The decoder as one writes it in NumPy, float32: z [batch, d] → logits [batch, pixels]."""

    def silu(h: Float32) -> Float32:
        with np.errstate(over="ignore"):  # exp(-h) of a large -h is ∞, and h / ∞ is what it should be: 0
            return h / (1 + np.exp(-h))

    def linear(name: str, h: Float32) -> Float32:
        return h @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def convolution(name: str, h: Float32) -> Float32:
        windows = sliding_window_view(np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))
        sums = np.tensordot(windows, tensors[f"{name}.weight"], ((1, 4, 5), (1, 2, 3)))
        return np.asarray((sums + tensors[f"{name}.bias"]).transpose(0, 3, 1, 2), np.float32)

    def blocks(stage: str, h: Float32) -> Float32:
        layer = linear if h.ndim == 2 else convolution
        for i in range(initialisers.count(tensors, stage)):
            h = h + layer(f"{stage}.{i}.outer", silu(layer(f"{stage}.{i}.inner", silu(h))))
        return h

    def decode(z: Float32) -> Float32:
        h = linear("first", z)
        if not initialisers.is_conv(tensors):
            return linear("last", silu(blocks("blocks", h)))
        h = blocks("blocks", h.reshape(len(h), -1, 7, 7))
        h = blocks("fine", shuffle(convolution("up", silu(h))))  # type: ignore[arg-type, assignment]
        return shuffle(convolution("last", silu(h))).reshape(len(h), -1) + tensors["bias"]  # type: ignore[arg-type, return-value]

    return decode


def operations(tensors: Tensors) -> int:
    """Two for each multiplication of one picture's layers; a convolution's kernel is used at every place."""
    sides = {"blocks": 7, "up": 7, "fine": 14, "last": 14}
    total = 0
    for name, weight in tensors.items():
        if weight.ndim == 2:
            total += 2 * weight.size
        elif weight.ndim == 4:
            total += 2 * weight.size * sides[name.split(".")[0]] ** 2
    return total


def peak() -> tuple[float, str]:
    """Operations a second of a float32 product of 1024 × 1024 matrices on one thread: the best of three libraries."""
    a = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    at = torch.from_numpy(a)
    value = helper.make_tensor_value_info
    sides = (TensorProto.FLOAT, [1024, 1024])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [value(n, *sides) for n in "ab"],
        [value("c", *sides)],
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    calls: dict[str, Callable[[], object]] = {
        "NumPy": lambda: a @ a,
        "torch": lambda: at @ at,
        "onnxruntime": lambda: session.run(None, {"a": a, "b": a}),
    }
    rates = {name: 2 * 1024**3 / min(once(call) for _ in range(ROUNDS)) for name, call in calls.items()}
    best = max(rates, key=rates.__getitem__)
    return rates[best], best


def compare(folder: Path, batches: tuple[int, ...], top: float) -> list[dict[str, Any]]:
    """Prints one model's table and returns it; every contestant's logits are first held against onnxruntime's."""
    exported = pretrained.load(folder)
    model, _ = back.networks(folder, exported)
    tensors = initialisers.read((folder / pretrained.DECODER).read_bytes())
    plain = in_numpy(tensors)
    compiled = torch.compile(model.decoder)
    work, rows = operations(tensors), list[dict[str, Any]]()
    print(f"{exported.model_id}: {work / 1e6:.2f} million operations a picture")
    for batch in batches:
        z = np.random.default_rng(batch).standard_normal((batch, exported.latent_dim)).astype(np.float32)
        at = torch.from_numpy(z)
        calls: dict[str, Callable[[], object]] = {
            "onnxruntime": lambda z=z: exported.decode(z),
            "torch eager": lambda at=at: model.decoder(at),
            "torch.compile": lambda at=at: compiled(at),
            "NumPy": lambda z=z: plain(z),
        }
        wanted = exported.decode(z)
        with torch.inference_mode():
            for name, call in calls.items():
                off = float(np.abs(np.asarray(call()) - wanted).max())
                if off > 1e-3:
                    raise SystemExit(f"{name} is off by {off:.1e} in the logits")
            seconds = side_by_side(calls)
        ours = seconds["onnxruntime"]
        rows.append(
            {
                "model": exported.model_id,
                "batch": batch,
                "us_a_picture": round(ours / batch * 1e6, 2),
                "times": {name: round(taken / ours, 2) for name, taken in seconds.items() if name != "onnxruntime"},
                "share": round(work * batch / ours / top, 3),
            }
        )
        for name, taken in seconds.items():
            ratio = f"{taken / ours:5.2f} times ours" if name != "onnxruntime" else " " * 16
            share = work * batch / taken / top
            each = f"{taken / batch * 1e3:8.4f} ms a picture"
            print(f"  batch {batch:5d}  {name:14} {each}  {ratio}  {share:5.0%} of the peak", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(pretrained.available()), help="ids (default: all)")
    arguments = parser.parse_args()
    where = record.setting()
    torch.set_num_threads(1)
    top, by = peak()
    print(f"float32 matrix product of 1024 × 1024, one thread: {top / 1e9:.0f} Gflop/s by {by}, the peak below")
    rows = [row for model_id in arguments.models for row in compare(pretrained.ASSETS / model_id, BATCHES, top)]
    if arguments == parser.parse_args([]):
        record.save("decoder", COMMAND, where, limits=LIMITS, peak={"gflops": round(top / 1e9), "by": by}, rows=rows)


if __name__ == "__main__":
    main()
