"""A folder of files, written whole or not at all. Knows nothing of models."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export import ExportError


def npz_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """The arrays as a compressed npz. The same arrays give the same bytes: NumPy stamps its entries with 1980."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def publish(files: Mapping[str, bytes], folder: Path, verify: Callable[[Path], None]) -> None:
    """Writes the files into a hidden sibling, lets `verify` look at it, and swaps it for `folder`.

    Whatever fails, and whatever `verify` raises, leaves `folder` as it was. Between the two renames of the swap it is
    missing for an instant; a kill just there leaves it as `.NAME.old.part`, which the next export puts back first.
    Raises ExportError where the disk refuses.
    """
    part, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("part", "old.part"))
    try:
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            part.mkdir(parents=True)
            for name, blob in files.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                (part / name).write_bytes(blob)
            verify(part)
            _swap(part, folder, old)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise ExportError(
            f"{folder} cannot be written ({error.strerror}); make room or name another --assets"
        ) from error


def _swap(part: Path, folder: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        part.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
