"""A trained model from its folder of assets, each file verified before it is opened, run by onnxruntime.

The one module of the site that imports onnxruntime. Knows nothing of Streamlit, of torch, or of how models are trained.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnxruntime import InferenceSession, SessionOptions

Float32 = NDArray[np.float32]

ASSETS = Path(__file__).parent / "assets"
FORMAT = 1  # of the manifest; raised when a site that knows only the old one would misread the new one
ENCODER, DECODER, WEIGHTS = "encoder.onnx", "decoder.onnx", "decoder.bin"
CODES, HISTORY, MANIFEST = "codes.npz", "history.json", "manifest.json"
ATLAS, SCORES = "atlas.npz", "scores.npz"  # not every model has them
REQUIRED = (ENCODER, DECODER, WEIGHTS, CODES, HISTORY)
MNIST = "MNIST"  # as a manifest names it, whose test images the site may have at hand
OF_DIGITS = (MNIST, "scikit-learn digits")  # data sets whose classes are what they say
CHUNK = 32  # rows in one call of onnxruntime, whose buffers then hold 3 MB at z32 (128 rows: 18 MB) at no loss of speed

_KEYS: dict[str, type] = {
    **dict.fromkeys(("format", "latent_dim", "pixels"), int),
    **dict.fromkeys(("model", "created"), str),
    **dict.fromkeys(("sha256", "config", "data", "test", "parameters", "training"), dict),
}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # no separator and no dot in front: it stays in its folder


class AssetError(Exception):
    """A model's files are missing or wrong; the message is one line that names the file and the mend."""


class Codes(NamedTuple):
    """q(z|x) of the test digits: loc and log_scale float32 [N, d], label uint8 [N]; N = 10,000 for MNIST. Read-only."""

    loc: Float32
    log_scale: Float32
    label: NDArray[np.uint8]


class Scores(NamedTuple):
    """log p(x) and the encoder's ELBO of the test digits, in the order of the codes: float32 [N], nats. Read-only.

    `log_p_x` is by quadrature where the manifest's `test` has that figure, and otherwise the importance-weighted
    lower bound. Their means are the manifest's `test` figures.
    """

    log_p_x: Float32
    elbo: Float32


@dataclass(frozen=True, eq=False)
class Networks:
    """Encoder and decoder as onnxruntime sessions of one thread each; the calls of many visitors may overlap."""

    latent_dim: int
    pixels: int
    encoder: InferenceSession
    decoder: InferenceSession

    def encode(self, x: ArrayLike) -> tuple[Float32, Float32]:
        """q(z|x) = N(loc, diag exp(log_scale)²): x [batch, pixels] in {0, 1} → loc, log_scale, each [batch, d].

        Any batch, 0 included; cast to float32. Raises ValueError for another shape.
        """
        loc, log_scale = _run(self.encoder, "x", x, self.pixels, (self.latent_dim, self.latent_dim))
        return loc, log_scale

    def decode(self, z: ArrayLike) -> Float32:
        """p(x|z) = Π Bernoulli(x_i; sigmoid(logits_i)): z [batch, d] → logits [batch, pixels]; likewise."""
        return _run(self.decoder, "z", z, self.latent_dim, (self.pixels,))[0]


@dataclass(frozen=True, eq=False)
class PretrainedVAE(Networks):
    """One model of the site: its networks and what lies beside them. Arrays are read-only, for all visitors share them.

    `history` is the training's: {"config": …, "epochs": [one record an epoch, nats and seconds]}. `weights` is
    decoder.bin, `extras` the arrays of atlas.npz by name, `scores` those of scores.npz; None where the model has none.
    """

    model_id: str
    manifest: Mapping[str, Any]
    codes: Codes
    history: Mapping[str, Any]
    weights: bytes
    extras: Mapping[str, NDArray[Any]] | None
    scores: Scores | None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of an image; manifests that do not say are of squares."""
        rows, columns = self.manifest.get("shape", [math.isqrt(self.pixels)] * 2)
        return rows, columns

    @property
    def dataset(self) -> str:
        """The data set that it learnt from, as the manifest names it."""
        return str(self.manifest["data"].get("dataset", "data of its own"))

    @property
    def kinds(self) -> Literal["digits", "classes", "none"]:
        """What the labels of its codes are: digits, numbers of classes, or nothing, 0 for all."""
        if self.dataset in OF_DIGITS:
            return "digits"
        return "classes" if self.manifest["data"].get("labelled", True) else "none"

    @property
    def noun(self) -> str:
        """What one of its pictures is called."""
        return "digit" if self.kinds == "digits" else "image"

    @property
    def a_noun(self) -> str:
        return f"{'an' if self.noun == 'image' else 'a'} {self.noun}"

    def decoder_weights(self) -> bytes:
        """decoder.bin, the decoder for a browser in float16; export/weights.py says how it is laid out."""
        return self.weights


def available(assets: Path = ASSETS) -> tuple[str, ...]:
    """Ids of the folders that hold a manifest, by latent dimension; one whose manifest is broken comes last."""
    return tuple(sizes(assets))


def sizes(assets: Path = ASSETS) -> dict[str, int | None]:
    """The same ids in the same order, each with the pixels of its images; None where the manifest is broken."""

    def said(model_id: str) -> Mapping[str, Any]:
        try:
            return _read_manifest(assets / model_id)
        except AssetError:
            return {}

    found = [path.parent.name for path in assets.glob(f"*/{MANIFEST}")]
    manifests = {model_id: said(model_id) for model_id in filter(_PLAIN_NAME.fullmatch, found)}
    order = sorted(manifests, key=lambda model_id: (manifests[model_id].get("latent_dim", float("inf")), model_id))
    return {model_id: manifests[model_id].get("pixels") for model_id in order}


def load(model: str | Path, assets: Path = ASSETS) -> PretrainedVAE:
    """The model with that id in `assets` (a str, which may come from an address bar), or in that folder (a Path).

    Every file of the manifest is read once and its SHA-256 verified before any of them is opened. Raises AssetError
    for a missing, damaged or foreign file, and for networks that are not those of the contract.
    """
    if isinstance(model, Path):
        folder = model
    elif _PLAIN_NAME.fullmatch(model) and (assets / model).is_dir():
        folder = assets / model
    else:
        known = ", ".join(available(assets)) or "none"
        raise AssetError(f"{assets} has no model {model[:64]!r} (it has: {known}); name one of those")
    manifest = _read_manifest(folder)
    if isinstance(model, str) and manifest["model"] != model:
        raise AssetError(f"{folder / MANIFEST} is of the model {manifest['model'][:64]!r}; {_mend(folder)}")
    blobs = {name: _read(folder / name, digest) for name, digest in manifest["sha256"].items()}
    if missing := [name for name in REQUIRED if name not in blobs]:
        raise AssetError(f"{folder / MANIFEST} does not list {', '.join(missing)}; {_mend(folder)}")
    networks = open_networks(blobs[ENCODER], blobs[DECODER], manifest["latent_dim"], manifest["pixels"], folder)
    codes = _read_codes(blobs[CODES], networks.latent_dim, folder)
    return PretrainedVAE(
        **vars(networks),
        model_id=manifest["model"],
        manifest=manifest,
        codes=codes,
        history=_read_json(blobs[HISTORY], folder / HISTORY),
        weights=blobs[WEIGHTS],
        extras=_read_arrays(blobs[ATLAS], folder / ATLAS) if ATLAS in blobs else None,
        scores=_read_scores(blobs[SCORES], len(codes.label), folder) if SCORES in blobs else None,
    )


def open_networks(encoder: bytes, decoder: bytes, latent_dim: int, pixels: int, folder: Path) -> Networks:
    """Sessions of both files, held to the contract: names, float32, a free batch axis, [batch, pixels] and [batch, d].

    Raises AssetError for anything else; `folder` is for the message.
    """
    q = {"loc": latent_dim, "log_scale": latent_dim}
    return Networks(
        latent_dim=latent_dim,
        pixels=pixels,
        encoder=_open_session(encoder, {"x": pixels}, q, folder / ENCODER),
        decoder=_open_session(decoder, {"z": latent_dim}, {"logits": pixels}, folder / DECODER),
    )


def _open_session(blob: bytes, inputs: dict[str, int], outputs: dict[str, int], path: Path) -> InferenceSession:
    """A session whose inputs and outputs are exactly those, float32 [batch, columns]."""
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # two spin, and are slower on two shared cores
    options.log_severity_level = 4  # what fails is told by our own line
    try:
        session = InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class for its errors
        raise AssetError(f"{path} is no network for onnxruntime ({_says(error)}); {_mend(path.parent)}") from error
    for expected, values in ((inputs, session.get_inputs()), (outputs, session.get_outputs())):
        found = [(value.name, value.type, value.shape[1:]) for value in values]
        fixed = any(isinstance(size, int) for value in values for size in value.shape[:1])
        if fixed or found != [(name, "tensor(float)", [columns]) for name, columns in expected.items()]:
            has = ", ".join(f"{value.name} {value.type} {value.shape}" for value in values)[:160]
            needed = ", ".join(f"{name} [batch, {columns}]" for name, columns in expected.items())
            raise AssetError(f"{path} has {has} where the site needs {needed} in float32; {_mend(path.parent)}")
    return session


def _run(session: InferenceSession, name: str, rows: ArrayLike, columns: int, widths: tuple[int, ...]) -> list[Float32]:
    """The session's outputs [batch, width] for rows [batch, columns], at most CHUNK rows at a time."""
    rows = np.asarray(rows, np.float32, order="C")
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{name} has the shape {rows.shape}; it must be [batch, {columns}]")
    if 0 < len(rows) <= CHUNK:  # what a visitor's hand asks for: no copy
        whole: list[Float32] = session.run(None, {name: rows})
        return whole
    outputs = [np.empty((len(rows), width), np.float32) for width in widths]
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        for output, value in zip(outputs, session.run(None, {name: rows[part]}), strict=True):
            output[part] = value
    return outputs


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, its keys, types and file names checked."""
    path = folder / MANIFEST
    manifest = _read_json(_read(path), path)
    if isinstance(manifest.get("format"), int) and manifest["format"] > FORMAT:
        raise AssetError(f"{path} has format {manifest['format']}, newer than this site's {FORMAT}; update the site")
    for key, kind in _KEYS.items():
        if key not in manifest:
            raise AssetError(f"{path} lacks the key {key!r}; {_mend(folder)}")
        if type(manifest[key]) is not kind or (kind is int and manifest[key] < 1):
            raise AssetError(f"{path} has {str(manifest[key])[:40]!r} as {key!r}; {_mend(folder)}")
    for name, digest in manifest["sha256"].items():
        if not _PLAIN_NAME.fullmatch(name) or not isinstance(digest, str):
            raise AssetError(f"{path} lists {name[:64]!r}, which is no file of the folder; {_mend(folder)}")
    shape = manifest.get("shape")
    if shape is not None and not _fits(shape, manifest["pixels"]):
        raise AssetError(f"{path} has {str(shape)[:40]!r} as 'shape' of {manifest['pixels']} pixels; {_mend(folder)}")
    return manifest


def _fits(shape: object, pixels: int) -> bool:
    """Whether these are rows and columns of so many pixels."""
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(side) is int for side in shape):
        return False
    rows, columns = shape
    return rows > 0 and rows * columns == pixels


def _read(path: Path, digest: str | None = None) -> bytes:
    """The bytes of a file, of that SHA-256 where one is given."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        fault = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise AssetError(f"{path} {fault}; {_mend(path.parent)}") from None
    if digest is not None and hashlib.sha256(blob).hexdigest() != digest:
        fault = f"is damaged (the SHA-256 of its {len(blob)} bytes is not the manifest's)"
        raise AssetError(f"{path} {fault}; {_mend(path.parent)}")
    return blob


def _read_json(blob: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{path} is not JSON ({_says(error)}); {_mend(path.parent)}") from None
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds no JSON object; {_mend(path.parent)}")
    return content


def _read_codes(blob: bytes, latent_dim: int, folder: Path) -> Codes:
    path = folder / CODES
    arrays = _read_arrays(blob, path)
    rows = arrays["label"].size if "label" in arrays else 0
    q = ((rows, latent_dim), "float32")
    found = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
    if found != {"loc": q, "log_scale": q, "label": ((rows,), "uint8")}:
        raise AssetError(f"{path} does not hold loc, log_scale [N, {latent_dim}] and label [N]; {_mend(folder)}")
    return Codes(**arrays)


def _read_scores(blob: bytes, rows: int, folder: Path) -> Scores:
    path = folder / SCORES
    arrays = _read_arrays(blob, path)
    found = {name: (array.shape, array.dtype.name) for name, array in arrays.items()}
    if found != dict.fromkeys(Scores._fields, ((rows,), "float32")):
        raise AssetError(f"{path} does not hold {', '.join(Scores._fields)} [{rows}] in float32; {_mend(folder)}")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise AssetError(f"{path} holds a score that is not finite; {_mend(folder)}")
    return Scores(**arrays)


def _read_arrays(blob: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file, read-only; nothing in it is run."""
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise AssetError(f"{path} is no archive of arrays ({_says(error)}); {_mend(path.parent)}") from error
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _says(error: Exception) -> str:
    return " ".join(str(error).split())[:100]


def _mend(folder: Path) -> str:
    return f"restore it (git checkout -- {folder}) or export the model anew (python -m export RUN --as {folder.name})"
