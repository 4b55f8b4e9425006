"""`python -m export.site OUT`: the site as plain files for any static host. Knows nothing of Streamlit or torch.

OUT/index.html, OUT/host/ and OUT/sw.js are the shell (export/static/, copied), OUT/js/ the very modules that the
Streamlit site mounts (demo/components/js/, those that the shell reaches), OUT/ID/ the files of a model: both networks
as weights, the explorer's tables, some codes to walk between. OUT/site.json says what is there, with the SHA-256 and
the shapes of each file of a model, and the page verifies them. The first model is loaded with the page, the others when
they are asked for. Only what was fetched once is needed to go on, also after a reload: sw.js keeps it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from demo import colours, digits, ends, pretrained
from demo.components import tables
from demo.pretrained import ASSETS, DECODER, ENCODER, AssetError, PretrainedVAE
from export import ExportError, initialisers, reference
from export.folder import publish
from export.shell import shell

LISTING = "site.json"
FORMAT = 1  # of the listing
SHAPE = (28, 28)  # of the images, as export/static/host/imagine.js has it
ENDS = 20  # codes of each class to walk between
LIMIT = 3_000_000  # bytes before the second model is asked for
PARITY = 1e-3  # of logits and q: what the files of weights may differ from onnxruntime, in nats and units of z

Say = Callable[[str], object]


def export_site(out: Path, assets: Path = ASSETS, dtype: initialisers.Dtype = "float16", say: Say = print) -> int:
    """Writes the folder; returns how many bytes a visitor needs before the second model is asked for.

    A folder that this command wrote before is replaced. Raises ExportError for a folder that holds something else,
    where there is no model with a plane, and where its networks are no trunks or do not give onnxruntime's numbers.
    """
    out = out.resolve()
    if out.exists() and not (out / LISTING).exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists and is no static site of ours; name another folder")
    files = dict(shell())
    rows = list(models(assets, dtype, files, say))
    if not rows:
        raise ExportError(f"{assets} has no model with a plane, which the page opens with; export one")
    later = {entry["file"] for row in rows[1:] for entry in row["files"].values()}
    first = sorted(files.keys() - later)
    content = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files)))
    listing = {
        "format": FORMAT,
        "version": content.hexdigest()[:16],
        "colours": {name: [colours.LIGHT[name], colours.DARK[name]] for name in colours.LIGHT},
        "models": rows,
        "first": ["./", LISTING, *(name for name in first if name != "index.html")],
    }
    files[LISTING] = json.dumps(listing, indent=1).encode() + b"\n"
    publish(files, out, check)
    for name, blob in files.items():
        if name.endswith(".bin"):
            say(f"{name}: {len(blob) / 1e6:.2f} MB")
    at_first = sum(len(files[name]) for name in (*first, LISTING))
    total = sum(map(len, files.values()))
    say(f"{out}: {len(files)} files, {total / 1e6:.2f} MB, of them at first {at_first / 1e6:.2f} MB")
    return at_first


def models(assets: Path, dtype: initialisers.Dtype, files: dict[str, bytes], say: Say) -> Iterator[dict[str, Any]]:
    """The listing's row of each model, whose files are added to `files`; what a browser cannot run is left out, and so
    is what has images of another size than MNIST's, which the page's own code takes for granted.
    """
    number = 0
    for model_id in pretrained.available(assets):
        vae = pretrained.load(model_id, assets)
        if vae.shape != SHAPE:
            rows, columns = vae.shape
            say(f"{model_id} is left out: its images are of {rows} × {columns} pixels, the page's of 28 × 28")
            continue
        if number == 0 and vae.latent_dim != 2:
            break
        try:
            own, row = model(vae, assets / model_id, dtype)
        except ExportError as error:
            if number == 0:
                raise
            say(f"{model_id} is left out: {error}")
            continue
        files |= own
        number += 1
        yield row


def model(vae: PretrainedVAE, folder: Path, dtype: initialisers.Dtype) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A model's files by their paths, and its row of the listing."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((16, vae.latent_dim))
    x = digits.sample_pixels(vae.decode(z), 0)
    blobs: dict[str, bytes] = {}
    for kind, source, rows, expected in (
        ("encoder", ENCODER, x, np.concatenate(vae.encode(x), axis=-1)),
        ("decoder", DECODER, z, vae.decode(z)),
    ):
        onnx = (folder / source).read_bytes()
        blobs[kind] = initialisers.pack(onnx, vae.model_id, kind, dtype)  # type: ignore[arg-type]
        found = reference.forward(initialisers.read(onnx), rows.astype(np.float32))
        if not np.abs(found - expected).max() < PARITY:
            raise ExportError(f"{folder / source} is more than its weights: onnxruntime gives other numbers")
    entry: dict[str, Any] = {"id": vae.model_id, "latent_dim": vae.latent_dim, "pixels": vae.pixels}
    entry["tray"], blobs["ends"] = tables.pack_tray(*ends.offered(vae, ENDS), vae.codes._asdict())
    if vae.latent_dim == 2:
        entry["tables"], blobs["tables"] = tables.pack_tables(vae.extras, vae.codes._asdict())
    files = {f"{vae.model_id}/{name}.bin": blob for name, blob in blobs.items()}
    entry["files"] = {name: describe(f"{vae.model_id}/{name}.bin", blob) for name, blob in blobs.items()}
    return files, entry


def describe(name: str, blob: bytes) -> dict[str, Any]:
    """What the page verifies before it uses a file: size, SHA-256 and the shape of each array in it."""
    header = json.loads(blob[4 : 4 + int.from_bytes(blob[:4], "little")])
    shapes = {row["name"]: row["shape"] for row in header.get("tensors", header.get("arrays", ()))}
    return {"file": name, "bytes": len(blob), "sha256": hashlib.sha256(blob).hexdigest(), "shapes": shapes}


def check(folder: Path) -> None:
    """Raises ExportError unless the folder holds what its listing says."""
    listing = json.loads((folder / LISTING).read_text(encoding="utf-8"))
    rows = [entry for row in listing["models"] for entry in row["files"].values()]
    for entry in rows:
        if hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]:
            raise ExportError(f"{folder / entry['file']} was not written as it should be; nothing was changed")
    for name in listing["first"]:
        if name != "./" and not (folder / name).is_file():
            raise ExportError(f"{LISTING} names {name}, which is not there; nothing was changed")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.site", description="Write the site as plain files.")
    parser.add_argument("out", type=Path, help="folder to write; one that this command wrote before is replaced")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder of the models (default: the site's own)")
    arguments = parser.parse_args(argv)
    try:
        at_first = export_site(arguments.out, arguments.assets)
    except (ExportError, AssetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if at_first > LIMIT:
        print(f"that is over {LIMIT / 1e6:g} MB before the second model is asked for", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
