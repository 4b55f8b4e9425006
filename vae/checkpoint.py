"""What a run keeps on disk, read and written whole. Knows nothing of data, losses or optimisers.

RUN/checkpoint.pt is all that the next epoch needs; RUN/model.pt the kept weights with their config and history;
RUN/history.json the curves, for people and for the site.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from vae.config import Config
from vae.networks import VAE

History = list[dict[str, float]]  # one record an epoch, in nats an image and seconds


class TrainingError(Exception):
    """Training, or what it left, cannot be used; the message is one line that names the fault and the mend."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """`write(temporary path)`, then one rename: readers see the old file or the new one, never half of one.

    Raises TrainingError where the disk refuses (full, read-only, gone); the old file then stays.
    """
    temporary = path.with_suffix(path.suffix + ".part")
    try:
        try:
            write(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
        raise TrainingError(
            f"{path} could not be written ({one_line(error)}); what lay there is kept: make room, then the same "
            "command resumes the run"
        ) from error


def write_run(out: Path, state: dict[str, Any]) -> None:
    """The checkpoint first, then what is derived from it: a kill in between loses nothing."""
    write_atomically(out / "checkpoint.pt", lambda path: torch.save(state, path))
    write_kept(out, state)


def write_kept(out: Path, state: dict[str, Any]) -> None:
    """model.pt and history.json, from a checkpoint's state."""
    kept = {"config": state["config"], "pixels": state["pixels"], "model": state["best"], "history": state["history"]}
    text = json.dumps({"config": state["config"], "epochs": state["history"]}, indent=1)
    write_atomically(out / "model.pt", lambda path: torch.save(kept, path))
    write_atomically(out / "history.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))


def read_run(out: Path, config: Config, pixels: int, data: str) -> dict[str, Any]:
    """The checkpoint's state. Raises TrainingError if it is damaged, or of another config, size of image or data.

    `data` is the fingerprint of the training images; runs from before it was stored have none.
    """
    path = out / "checkpoint.pt"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        stored, stored_pixels = Config(**state["config"]).as_dict(), state["pixels"]
        state["history"] = with_bounds(state["history"])
    except Exception as error:
        raise damaged(path, error) from error
    changed = [f"{name} {stored[name]} → {value}" for name, value in config.as_dict().items() if stored[name] != value]
    if changed:
        raise TrainingError(
            f"{out} was trained with another config ({', '.join(changed)}); "
            "repeat its options to resume it, or name another --out"
        )
    if stored_pixels != pixels:
        raise TrainingError(f"{out} was trained on images of {stored_pixels} pixels, not {pixels}; name another --out")
    if state.get("data", data) != data:
        raise TrainingError(
            f"{out} was trained on other images of {config.dataset}; bring them back, or name another --out"
        )
    return state


def damaged(path: Path, error: Exception) -> TrainingError:
    """A checkpoint that does not hold what it should."""
    return TrainingError(f"{path} cannot be read ({one_line(error)}); delete it to start this run anew")


def read_kept(run: Path) -> tuple[VAE, Config, History]:
    """The kept model of a run folder, as it was trained: (model, config, history)."""
    path = run / "model.pt"
    if not path.exists():
        raise TrainingError(f"{path} is missing; train it with: python -m vae.train --out {run}")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        config = Config(**state["config"])
        model = VAE(state["pixels"], config)
        model.load_state_dict(state["model"])
    except Exception as error:
        raise TrainingError(f"{path} cannot be read ({one_line(error)}); train the run again") from error
    return model, config, with_bounds(state["history"])


def with_bounds(history: History) -> History:
    """The curves with the objective's bound in each record: runs from before there were others raised the ELBO."""
    names = {"bound": "elbo", "validation_bound": "validation_elbo"}
    return [record | {new: record.get(new, record[old]) for new, old in names.items()} for record in history]


def merit(config: Config, record: Mapping[str, float]) -> float:
    """What the kept epoch has most of: the validation bound, less the price of how far its draws are from digits."""
    return record["validation_bound"] - config.likeness * record.get("validation_likeness", 0.0)


def load_run(run: Path) -> tuple[VAE, Config, History]:
    """The kept model of a run folder, ready to evaluate: (model, config, history).

    Its weights are rounded to half precision here, the one way to the evaluation and to the exported files, so that
    the server's network and the browser's have the very same weights and every figure is about them.
    """
    model, config, history = read_kept(run)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())
    return model.eval().requires_grad_(False), config, history


def start_from(run: Path, model: VAE) -> None:
    """Gives `model` the kept weights of another run. Raises TrainingError where its networks are others."""
    kept, _, _ = read_kept(run)
    ours = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    theirs = {name: tuple(weight.shape) for name, weight in kept.state_dict().items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise TrainingError(
                f"--init {run} has other networks ({name}: {theirs.get(name, 'none')} there, {ours.get(name, 'none')} "
                "here); repeat its architecture, widths, blocks and latent dimensions"
            )
    model.load_state_dict(kept.state_dict())


def one_line(error: BaseException) -> str:
    """The kind of an error and the beginning of what it says, without line breaks: torch's messages run to pages."""
    says = " ".join(str(error).split())
    return f"{type(error).__name__}: {says[:120]}" if says else type(error).__name__
