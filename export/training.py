"""`python -m export.training RUNS`: what `python -m vae.sweep --out RUNS` left becomes assets of the training page.

Knows nothing of networks: the planes are decoded and the digits scored by then.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo import training
from demo.pretrained import ASSETS, AssetError
from export import ExportError
from export.folder import npz_bytes, publish

COLUMNS = 5
SIDE = 28
LEVELS = 16  # of grey; a PNG of four bits a pixel


def sheet(planes: NDArray[np.uint8], nodes: int) -> bytes:
    """Planes [m, nodes², 784] as one grey PNG, five in a row: ink is white, rounded to 16 levels of grey."""
    m, side = len(planes), nodes * SIDE
    tiled = planes.reshape(m, nodes, nodes, SIDE, SIDE).transpose(0, 1, 3, 2, 4).reshape(m, side, side)
    rows = -(-m // COLUMNS)
    whole = np.zeros((rows * COLUMNS, side, side), np.uint8)
    whole[:m] = np.rint(tiled / 255 * (LEVELS - 1)).astype(np.uint8)
    pixels = whole.reshape(rows, COLUMNS, side, side).transpose(0, 2, 1, 3).reshape(rows * side, COLUMNS * side)
    picture = Image.frombytes("P", pixels.shape[::-1], pixels.tobytes())
    picture.putpalette(np.repeat(np.arange(LEVELS, dtype=np.uint8) * (255 // (LEVELS - 1)), 3).tolist())
    out = io.BytesIO()
    picture.save(out, "PNG", bits=4, optimize=True)
    return out.getvalue()


def pack(runs: Path) -> dict[str, bytes]:
    """The files by name. Raises ExportError where the sweep is not finished."""
    try:
        found = json.loads((runs / "sweep.json").read_bytes())
        with np.load(runs / "scores.npz", allow_pickle=False) as archive:
            scores = {name: archive[name] for name in archive.files}
        with np.load(runs / "unfolding.npz", allow_pickle=False) as archive:
            unfolded = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{runs} has no finished sweep ({error}); run: python -m vae.sweep --out {runs}") from error
    (plane,) = [point for point in found["points"] if point["latent_dim"] == 2]
    of_moments = {f"{training.UNFOLDING}_{name}": unfolded[name] for name in training.OF_MOMENTS}
    files = {
        training.SCORES: npz_bytes(scores | of_moments),
        training.SHEET: sheet(unfolded["planes"], int(unfolded["nodes"])),
    }
    content: dict[str, Any] = {
        "format": 1,
        "sha256": {name: hashlib.sha256(blob).hexdigest() for name, blob in files.items()},
        **found,
        "unfolding": {
            "nodes": int(unfolded["nodes"]),
            "columns": COLUMNS,
            "half_width": float(unfolded["half_width"]),
            "images": int(unfolded["log_p_x"].shape[1]),
            "batch_size": plane["config"]["batch_size"],
            "training_images": int(unfolded["training_images"]),
            "moments": [
                {"step": int(unfolded["step"][i])}
                | {name: float(unfolded[name][i].mean(dtype=np.float64)) for name in training.OF_MOMENTS}
                for i in range(len(unfolded["step"]))
            ],
        },
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return {training.SWEEP: text.encode(), **files}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.training", description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder that python -m vae.sweep --out wrote")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder of the assets (default: the site's own)")
    arguments = parser.parse_args(argv)
    try:
        files = pack(arguments.runs)
        publish(files, arguments.assets / training.FOLDER, lambda folder: None)
        training.load(arguments.assets)
    except (ExportError, AssetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, blob in files.items():
        print(f"{name}: {len(blob) / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
