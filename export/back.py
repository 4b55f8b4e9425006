"""`python -m export.back demo/assets/z2 --out RUN`: an exported model becomes a run folder again, for `--init`.

Knows nothing of data sets and of training. The weights are those of the files to the last bit; what an export leaves
behind (the optimiser, the weights before they were rounded to half precision) cannot come back.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from demo import digits, pretrained
from demo.pretrained import DECODER, ENCODER, AssetError, PretrainedVAE
from export import ExportError, parity
from vae.checkpoint import TrainingError, write_atomically, write_kept
from vae.config import Config
from vae.networks import VAE


def bring_back(folder: Path, out: Path) -> parity.Parity:
    """Writes model.pt, history.json and evaluation.json of the model in `folder` into `out`, which has no model yet.

    Returns how far torch is from onnxruntime. Raises AssetError for a folder that is none of the site's models,
    ExportError where its networks are not ours or differ from the files, TrainingError where the disk refuses.
    """
    if taken := [name for name in ("checkpoint.pt", "model.pt") if (out / name).exists()]:
        raise ExportError(f"{out / taken[0]} is there already; name another --out")
    exported = pretrained.load(folder)
    model, config = networks(folder, exported)
    found = parity.compare(model, exported, own_images(exported), np.random.default_rng(0))
    parity.require(found)
    history = exported.history.get("epochs")
    if not isinstance(history, list) or not history:
        raise ExportError(f"{folder / pretrained.HISTORY} has no epochs; export the run anew")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"--out {out} cannot be used as a folder ({error.strerror}); name another") from error
    state = {"config": config.as_dict(), "pixels": exported.pixels, "best": model.state_dict(), "history": history}
    write_kept(out, state)
    text = json.dumps(exported.manifest["test"], indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / "evaluation.json", lambda path: path.write_text(text, encoding="utf-8"))
    return found


def networks(folder: Path, exported: PretrainedVAE) -> tuple[VAE, Config]:
    """The torch networks with the weights of encoder.onnx and decoder.onnx, and the config they were trained with.

    A field that the manifest does not have counts as its default. Raises ExportError where they do not fit.
    """
    try:
        config = Config(**exported.manifest["config"])
        model = VAE(exported.pixels, config)
    except (TypeError, ValueError) as error:
        fault = " ".join(str(error).split())[:120]
        raise ExportError(f"{folder / pretrained.MANIFEST} has no config of this version ({fault})") from error
    for name, network in ((ENCODER, model.encoder), (DECODER, model.decoder)):
        tensors = weights((folder / name).read_bytes())
        ours = {key: tuple(weight.shape) for key, weight in network.state_dict().items()}
        theirs = {key: array.shape for key, array in tensors.items()}
        if wrong := sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)):
            raise ExportError(
                f"{folder / name} is not of the networks of its manifest's config ({wrong[0]}: "
                f"{theirs.get(wrong[0], 'none')} there, {ours.get(wrong[0], 'none')} in them)"
            )
        network.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in tensors.items()})
    return model.eval().requires_grad_(False), config


def weights(blob: bytes) -> dict[str, NDArray[np.float32]]:
    """The weights in an ONNX file of export/networks.py by their names in torch: those in half precision made whole."""
    return {
        tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in onnx.load_from_string(blob).graph.initializer
        if tensor.data_type != TensorProto.INT64  # the shapes of what is only rearranged
    }


def own_images(exported: PretrainedVAE, n: int = 256) -> NDArray[np.float32]:
    """Images x ~ p(x) [n, pixels] in {0, 1}, drawn by the model itself: the comparison needs no data set."""
    logits = exported.decode(digits.sample_prior(n, exported.latent_dim, seed=0))
    return digits.sample_pixels(logits, seed=0).astype(np.float32)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.back", description="Turn an exported model into a run.")
    parser.add_argument("folder", type=Path, help="folder of an exported model, such as demo/assets/z2")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write, for --init and vae.evaluate")
    arguments = parser.parse_args(argv)
    try:
        found = bring_back(arguments.folder, arguments.out)
    except (ExportError, AssetError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out / 'model.pt'}: compared with onnxruntime at batch {parity.BATCHES}: {found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
