"""What a run computes on: one device, or the processes that torchrun started. Lightning Fabric does the work.

`python -m vae.train …` is one process; `torchrun --nproc_per_node 2 -m vae.train …` is two that share each batch, over
gloo on CPUs and NCCL on GPUs. Knows nothing of networks, data or objectives.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import CSVLogger
from torch import Tensor

from vae.checkpoint import TrainingError, one_line

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
LOG = "log"  # RUN/log/version_N/metrics.csv, a version for each start of the command


def launched(precision: str, device: str = "cpu", out: Path | None = None) -> Fabric:
    """The engine, its processes connected; with `out` it keeps a log there. "auto" takes a CUDA device where one is.

    Raises TrainingError where there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch finds no CUDA device here; say --device cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    processes = int(os.environ.get("WORLD_SIZE", 1))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if processes > 1 else 1
    engine = Fabric(
        accelerator=device,
        devices=here,
        num_nodes=processes // here,
        strategy="ddp" if processes > 1 else "auto",
        precision=PRECISIONS[precision],  # type: ignore[arg-type]
        loggers=[] if out is None else [CSVLogger(out, name=LOG, flush_logs_every_n_steps=2**62)],
    )
    engine.launch()
    return engine


def part(engine: Fabric, images: int) -> slice:
    """This process's part of a batch of so many images: contiguous, disjoint, and all of them over all processes."""
    rank, world = engine.global_rank, engine.world_size
    return slice(images * rank // world, images * (rank + 1) // world)


def total(engine: Fabric, values: Tensor) -> Tensor:
    """The sum of `values` over all processes, which all get it, on the CPU."""
    if engine.world_size == 1:
        return values.detach().cpu()
    summed = engine.all_reduce(values.detach().clone().to(engine.device), reduce_op="sum")
    assert isinstance(summed, Tensor)
    return summed.cpu()


def leave() -> None:
    """Ends the tie to the other processes, if there is one: a process that exits with it may abort, and take all along.

    Whoever succeeded waits for the others first, with the engine's barrier.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def save_log(engine: Fabric) -> None:
    """Writes what was logged since the last time. Raises TrainingError where the disk refuses."""
    for log in engine.loggers:
        assert isinstance(log, CSVLogger)
        try:
            log.save()
        except OSError as error:
            raise TrainingError(
                f"{log.log_dir} could not be written ({one_line(error)}); the checkpoint is kept: make room, then the "
                "same command resumes the run"
            ) from error
