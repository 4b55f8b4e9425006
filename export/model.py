"""What a run becomes: every file of a model's folder as bytes, and the check before they are published.

Knows nothing of where images lie or of the command line. Each line of `build` makes one file; the manifest comes last.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from demo import pretrained
from demo.integrate import Grid
from demo.mnist import binarise
from demo.pretrained import ATLAS, CODES, DECODER, ENCODER, FORMAT, HISTORY, MANIFEST, SCORES, WEIGHTS, Networks
from export import ExportError, atlas, parity, weights
from export.folder import npz_bytes, publish
from export.networks import onnx_bytes
from vae.checkpoint import History, load_run, merit, read_kept
from vae.config import Config
from vae.datasets import Dataset
from vae.networks import VAE

TABLE = 400e6  # bytes, the most that a planar model's table of decodings may take of a server's memory
Say = Callable[[str], object]
Images = NDArray[np.uint8]


def export_run(run: Path, folder: Path, data: Dataset, seed: int = 0, say: Say = print) -> None:
    """Writes the model of a run into `folder`, whose name is its id. `data` is what the run learnt from.

    Raises ExportError where the files differ from torch, for images of another size than the run's or too large for a
    plane, and TrainingError for a run that cannot be read.
    """
    model, config, history = load_run(run)
    say(f"{run}: {config.latent_dim} latent dimensions, {len(history)} epochs")
    images, labels = data.test
    if images.shape[1] != (pixels := model.decoder.pixels):
        raise ExportError(f"{run} is of images of {pixels} pixels, the test images have {images.shape[1]}; mind both")
    require_a_table_that_fits(config.latent_dim, pixels)
    x = binarise(images, np.random.default_rng(seed))
    files = build(run, model, folder.name, x, labels, config, history, say)
    about = describe(run, model, config, history, data, seed, say)
    files[MANIFEST] = _json_bytes(
        {"format": FORMAT, "model": folder.name, "latent_dim": config.latent_dim, "pixels": pixels}
        | {"shape": list(data.shape)}
        | {"sha256": {name: hashlib.sha256(blob).hexdigest() for name, blob in files.items()}}
        | about
    )

    def verify(part: Path) -> None:
        exported = pretrained.load(part)
        found = parity.compare(model, exported, x, np.random.default_rng(seed))
        say(f"re-opened and compared with torch at batch {parity.BATCHES}: {found}")
        parity.require(found)

    publish(files, folder, verify)
    total = sum(map(len, files.values()))
    say(f"{folder}: {len(files)} files, {total / 1e6:.2f} MB")


def require_a_table_that_fits(latent_dim: int, pixels: int) -> None:
    """Raises ExportError for a planar model whose integral needs more memory than a small host has.

    The site decodes a grid of nodes once and keeps 4 bytes for each node and pixel (`demo.evidence.DecoderTable`).
    """
    a_pixel = 4 * Grid().n ** 2
    if latent_dim == 2 and pixels * a_pixel > TABLE:
        raise ExportError(
            f"the integral over a plane keeps {a_pixel / 1e3:.0f} kB a pixel in the site's memory, "
            f"{pixels * a_pixel / 1e9:.1f} GB for {pixels:,}; train with pictures of at most "
            f"{int(TABLE / a_pixel):,} pixels, or with --latent-dim 3 or more"
        )


def build(
    run: Path,
    model: VAE,
    model_id: str,
    x: NDArray[np.float32],
    labels: Images,
    config: Config,
    history: History,
    say: Say,
) -> dict[str, bytes]:
    """Every file but the manifest, by name. x [N, pixels] in {0, 1} are the binarised test digits."""
    files: dict[str, bytes] = {}

    def add(name: str, blob: bytes) -> None:
        files[name] = blob
        say(f"{name}: {len(blob) / 1e6:.2f} MB")

    latent_dim, pixels = config.latent_dim, x.shape[1]
    say("tracing both networks …")
    add(ENCODER, onnx_bytes(model.encoder, pixels, "x", ["loc", "log_scale"]))
    add(DECODER, onnx_bytes(model.decoder, latent_dim, "z", ["logits"]))
    networks = pretrained.open_networks(files[ENCODER], files[DECODER], latent_dim, pixels, Path(model_id))
    add(WEIGHTS, weights.pack(model.decoder, model_id))
    add(CODES, npz_bytes(codes(networks, x, labels)))
    if (figures := scores(run, len(x), say)) is not None:
        add(SCORES, npz_bytes(figures))
    if latent_dim == 2:
        store = run / ATLAS
        add(ATLAS, npz_bytes(atlas.kept(store, files[ENCODER], files[DECODER], networks.encode, networks.decode)))
    add(HISTORY, _json_bytes({"config": published(config), "epochs": history}))
    return files


def codes(networks: Networks, x: NDArray[np.float32], labels: Images) -> dict[str, NDArray]:
    """q(z|x) of the digits x [N, pixels] by the exported encoder: loc, log_scale [N, d], beside label [N]."""
    loc, log_scale = networks.encode(x)
    return {"loc": loc, "log_scale": log_scale, "label": labels.astype(np.uint8)}


def scores(run: Path, n: int, say: Say) -> dict[str, NDArray] | None:
    """log p(x) and ELBO of the n test digits from RUN/evaluation.npz, in nats: float32 [n] each, by name.

    log p(x) by quadrature where the run has it, else the importance-weighted bound. None and a note where there is no
    evaluation, or one of other digits or unfinished. Raises ExportError for one that cannot be read.
    """
    path = run / "evaluation.npz"
    mend = f"run: python -m vae.evaluate {run}"
    if not path.exists():
        say(f"note: {path} is missing, so there is no {SCORES}; for it {mend}")
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as saved:
            done, elbo = saved["done"], saved["elbo"]
            log_p_x = saved["log_p_x" if "log_p_x" in saved else "importance_weighted"]
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise ExportError(f"{path} cannot be read ({' '.join(str(error).split())[:100]}); {mend}") from error
    if done.shape != (n,) or not done.all():
        say(f"note: {path} has {int(done.sum())} of {n} digits, so there is no {SCORES}; for it {mend}")
        return None
    found = {"log_p_x": log_p_x, "elbo": elbo}
    if not all(values.shape == (n,) and np.isfinite(values).all() for values in found.values()):
        raise ExportError(f"{path} does not hold a number for each of {n} digits; {mend}")
    if path.stat().st_mtime < (run / "model.pt").stat().st_mtime:
        say(f"note: {path} is older than the weights beside it; to renew its scores {mend}")
    return {name: values.astype(np.float32) for name, values in found.items()}


def published(config: Config) -> dict[str, Any]:
    """The config as an asset tells it: of the run it started from and of its data the name, not where they lay."""
    return config.as_dict() | {"init": Path(config.init).name, "dataset": Path(config.dataset).name}


def describe(
    run: Path, model: VAE, config: Config, history: History, data: Dataset, seed: int, say: Say
) -> dict[str, Any]:
    """What the manifest says of the model besides its files."""
    best = max(history, key=partial(merit, config))
    return {
        "config": published(config),
        "data": {
            "dataset": data.name,
            "split": data.split,
            "training_images": len(data.train.images) - config.validation_images,
            "validation_images": config.validation_images,
            "test_images": len(data.test.images),
            "labelled": data.labelled,
            "binarisation": "dynamic: x_i ~ Bernoulli(grey_i / 255)",
            "seed": seed,
        },
        "test": evaluation(run, say),
        **judgement(run, say),
        **ancestry(config),
        "parameters": {
            "encoder": sum(p.numel() for p in model.encoder.parameters()),
            "decoder": sum(p.numel() for p in model.decoder.parameters()),
        },
        "training": {
            "epochs": len(history),
            "seconds": sum(record["seconds"] for record in history),
            "best_epoch": best["epoch"],
            "best_validation_elbo": best["validation_elbo"],
            "best_validation_bound": best["validation_bound"],
        },
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "torch": torch.__version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
    }


def judgement(run: Path, say: Say) -> dict[str, Any]:
    """{"samples": RUN/samples.json}, what a classifier of our own says of draws of the prior; {} without the file."""
    path = run / "samples.json"
    if not path.exists():
        return {}
    found = _json_object(path, f"run: python -m vae.judge {run}")
    if path.stat().st_mtime < (run / "model.pt").stat().st_mtime:
        say(f"note: {path} is older than the weights beside it; to renew it run: python -m vae.judge {run}")
    return {"samples": found}


def ancestry(config: Config) -> dict[str, Any]:
    """{"before": [{"config", "epochs"}, …]} of the runs whose weights this one began with, oldest first, while their
    folders are there; {} for one that began anew.
    """
    before: list[dict[str, Any]] = []
    while config.init != "none" and (Path(config.init) / "model.pt").exists():
        _, config, history = read_kept(Path(config.init))
        before.insert(0, {"config": published(config), "epochs": len(history)})
    return {"before": before} if before else {}


def evaluation(run: Path, say: Say) -> dict[str, Any]:
    """RUN/evaluation.json, {} and a note where there is none. Raises ExportError for one that is no JSON object."""
    path = run / "evaluation.json"
    mend = f"run: python -m vae.evaluate {run}"
    if not path.exists():
        say(f"note: {path} is missing, so the manifest has no test figures; for them {mend}")
        return {}
    content = _json_object(path, mend)
    if path.stat().st_mtime < (run / "model.pt").stat().st_mtime:
        say(f"note: {path} is older than the weights beside it; to renew its figures {mend}")
    return content


def _json_object(path: Path, mend: str) -> dict[str, Any]:
    """What a JSON file holds. Raises ExportError for one that cannot be read or holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read ({' '.join(str(error).split())[:100]}); {mend}") from error
    if not isinstance(content, dict):
        raise ExportError(f"{path} holds no JSON object; {mend}")
    return content


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    """Readable JSON that any browser parses: NaN and infinities are refused (ValueError)."""
    return (json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
