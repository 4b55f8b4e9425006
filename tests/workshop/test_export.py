"""What is exported is the run: the same numbers, nothing of this machine in it, and never half a folder."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import export.atlas
import export.model
from demo import pretrained
from demo.densities import sigmoid
from demo.mnist import binarise
from export import ExportError, parity, weights
from export.__main__ import main
from export.folder import npz_bytes, publish
from export.model import export_run, published
from export.networks import onnx_bytes
from vae.checkpoint import TrainingError, load_run, write_kept
from vae.config import Config
from vae.datasets import Dataset, Labelled
from vae.networks import VAE, Decoder, Encoder

ROOT = Path(__file__).resolve().parents[2]
PIXELS = 784
CONFIG = Config(
    latent_dim=2, encoder_width=12, encoder_blocks=1, decoder_width=10, decoder_blocks=2, epochs=2, validation_images=60
)
RECORD = {"bound": -90.0, "elbo": -90.0, "reconstruction": -80.0, "kl": 10.0, "validation_elbo": -95.5, "seconds": 1.5}
HISTORY = [{"epoch": n, **RECORD, "validation_bound": bound} for n, bound in ((1, -99.0), (2, -94.5))]
IMAGES = np.random.default_rng(1).integers(0, 256, (300, PIXELS), np.uint8)
LABELS = (np.arange(300) % 10).astype(np.uint8)
DATA = Dataset(
    "noise", (28, 28), Labelled(np.tile(IMAGES, (2, 1)), np.tile(LABELS, 2)), Labelled(IMAGES, LABELS), "none", True
)


@pytest.fixture(scope="module", autouse=True)
def small_atlas() -> Iterator[None]:
    """An atlas of 3 × 3 nodes: the real one takes minutes. Of the module's scope, as its exported run is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.atlas, "NODES", 3)
        yield


def random_vae(config: Config = CONFIG, seed: int = 0, pixels: int = PIXELS) -> VAE:
    """Every weight random, the outer ones of the residual blocks too, and in half precision, as load_run has them."""
    torch.manual_seed(seed)
    model = VAE(pixels, config)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.5 if parameter.ndim == 1 else parameter[0].numel() ** -0.5
            parameter.copy_((scale * torch.randn(parameter.shape)).half())
    return model.eval().requires_grad_(False)


def write_run(run: Path, model: VAE, config: Config = CONFIG) -> Path:
    run.mkdir(parents=True)
    write_kept(
        run,
        {"config": config.as_dict(), "pixels": model.decoder.pixels, "best": model.state_dict(), "history": HISTORY},
    )
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", random_vae())


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, exported once and only read by the tests."""
    folder = tmp_path_factory.mktemp("assets") / "tiny"
    export_run(run, folder, DATA, seed=4, say=lambda line: None)
    return folder


def test_the_folder_holds_these_files_and_no_sidecar(folder: Path) -> None:
    assert set(contents(folder)) == {*pretrained.REQUIRED, pretrained.ATLAS, "manifest.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("batch", parity.BATCHES)
def test_files_give_the_numbers_of_torch(folder: Path, batch: int) -> None:
    ours, theirs = pretrained.load(folder), random_vae()
    x = binarise(IMAGES[:batch], np.random.default_rng(9))
    z = np.random.default_rng(batch).standard_normal((batch, 2)).astype(np.float32)
    for found, expected in zip(ours.encode(x), theirs.encoder(torch.from_numpy(x)), strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours.decode(z), theirs.decoder(torch.from_numpy(z)).numpy(), rtol=1e-5, atol=1e-5)


def without_weights(blob: bytes) -> bytes:
    """An ONNX file less its weights, whose random bytes may spell anything."""
    model = onnx.load_from_string(blob)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    return model.SerializeToString()


def leaks(blob: bytes) -> list[bytes]:
    """Traces of the machine, of Python files and of the exporter's notes in a file."""
    words = (str(ROOT).encode(), b"/work", b"/home", b"site-packages", b".py", b"stack_trace", b"vae.networks")
    return [word for word in words if word in blob]


def test_no_path_of_this_machine_is_in_a_file(folder: Path) -> None:
    for name, blob in contents(folder).items():
        assert leaks(without_weights(blob) if name.endswith(".onnx") else blob) == [], name


def test_the_search_for_leaks_finds_what_the_exporter_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.networks.stripped", lambda model: model)
    blob = onnx_bytes(random_vae().decoder, 2, "z", ["logits"])
    assert {b".py", b"stack_trace", b"vae.networks"} <= set(leaks(without_weights(blob)))


def test_the_same_run_gives_the_same_bytes(run: Path, folder: Path, tmp_path: Path) -> None:
    export_run(run, tmp_path / "tiny", DATA, seed=4, say=lambda line: None)
    first, second = contents(folder), contents(tmp_path / "tiny")
    times = [json.loads(files.pop("manifest.json")).pop("created") for files in (first, second)]
    assert first == second
    assert all(time.endswith("+00:00") for time in times)


def test_codes_are_the_encoder_of_the_binarised_test_digits(folder: Path) -> None:
    codes = pretrained.load(folder).codes
    loc, log_scale = random_vae().encoder(torch.from_numpy(binarise(IMAGES, np.random.default_rng(4))))
    np.testing.assert_allclose(codes.loc, loc.numpy(), atol=1e-5)
    np.testing.assert_allclose(codes.log_scale, log_scale.numpy(), atol=1e-5)
    np.testing.assert_array_equal(codes.label, LABELS)


def test_the_manifest_says_what_the_model_is(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["format"], manifest["model"], manifest["latent_dim"], manifest["pixels"]) == (1, "tiny", 2, 784)
    assert manifest["sha256"] == {
        name: hashlib.sha256(blob).hexdigest() for name, blob in contents(folder).items() if name != "manifest.json"
    }
    assert manifest["config"] == CONFIG.as_dict()
    assert manifest["data"]["seed"] == 4
    assert manifest["data"]["validation_images"] + manifest["data"]["training_images"] == 600
    assert manifest["parameters"] == {
        "encoder": (784 + 1) * 12 + 2 * (12 + 1) * 12 + (12 + 1) * 4,
        "decoder": (2 + 1) * 10 + 4 * (10 + 1) * 10 + (10 + 1) * 784,
    }
    assert manifest["training"] == {
        "epochs": 2,
        "seconds": 3.0,
        "best_epoch": 2,
        "best_validation_elbo": -95.5,
        "best_validation_bound": -94.5,
    }
    assert manifest["test"] == {}
    assert pretrained.load(folder).history == {"config": CONFIG.as_dict(), "epochs": HISTORY}


def test_the_evaluation_becomes_the_test_figures(run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert export.model.evaluation(run, said.append) == {}
    assert "vae.evaluate" in said.pop()
    path = write_run(tmp_path / "run", random_vae()) / "evaluation.json"
    path.write_text('{"elbo": {"value": -101.5}}')
    assert export.model.evaluation(path.parent, said.append) == {"elbo": {"value": -101.5}}
    assert said == []
    os.utime(path, (0, 0))
    export.model.evaluation(path.parent, said.append)
    assert "older than the weights" in said.pop()
    for text in ("{", "[1]"):
        path.write_text(text)
        with pytest.raises(ExportError, match=r"evaluation\.json .*vae\.evaluate"):
            export.model.evaluation(path.parent, said.append)


def test_what_the_judge_said_comes_along(tmp_path: Path) -> None:
    said: list[str] = []
    run = write_run(tmp_path / "run", random_vae())
    assert export.model.judgement(run, said.append) == {}
    (run / "samples.json").write_text('{"samples": 10}')
    assert export.model.judgement(run, said.append) == {"samples": {"samples": 10}}
    assert said == []
    os.utime(run / "samples.json", (0, 0))
    export.model.judgement(run, said.append)
    assert "older than the weights" in said.pop()
    (run / "samples.json").write_text("[]")
    with pytest.raises(ExportError, match=r"samples\.json holds no JSON object; run: python -m vae\.judge"):
        export.model.judgement(run, said.append)


def test_a_manifest_has_the_runs_that_went_before(tmp_path: Path) -> None:
    """Oldest first, while their folders are there; of where they lay only the name."""
    first = CONFIG
    second = dataclasses.replace(CONFIG, epochs=9, init=str(write_run(tmp_path / "first", random_vae(), first)))
    third = dataclasses.replace(CONFIG, epochs=4, init=str(write_run(tmp_path / "second", random_vae(), second)))
    before = export.model.ancestry(third)["before"]
    assert [run["config"]["epochs"] for run in before] == [first.epochs, 9]
    assert [run["config"]["init"] for run in before] == ["none", "first"]
    assert [run["epochs"] for run in before] == [len(HISTORY)] * 2
    assert export.model.ancestry(first) == {}
    assert export.model.ancestry(dataclasses.replace(first, init=str(tmp_path / "gone"))) == {}


def evaluated(run: Path, **changes: Any) -> Path:
    """The run with an evaluation of its digits as vae.evaluate writes it; a change to None drops an array."""
    rng = np.random.default_rng(7)
    elbo = rng.normal(-105, 25, len(IMAGES))
    arrays: dict[str, Any] = {
        "importance_weighted": elbo + 1,
        "log_p_x": elbo + 3,
        "elbo": elbo,
        "done": np.ones(len(IMAGES), bool),
        "fingerprint": "1 200 300",
    } | changes
    with (run / "evaluation.npz").open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return run


def test_the_evaluation_of_each_digit_becomes_the_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.atlas, "kept", lambda *_: {"axis": np.zeros(3)})  # the slow part, tested above
    run = evaluated(write_run(tmp_path / "run", random_vae()))
    with np.load(run / "evaluation.npz") as saved:
        log_p_x, elbo = saved["log_p_x"], saved["elbo"]
    export_run(run, tmp_path / "m", DATA, say=lambda line: None)
    model = pretrained.load(tmp_path / "m")
    assert model.scores is not None
    np.testing.assert_array_equal(model.scores.log_p_x, log_p_x.astype(np.float32))
    np.testing.assert_array_equal(model.scores.elbo, elbo.astype(np.float32))
    blob = (tmp_path / "m" / "scores.npz").read_bytes()
    assert model.manifest["sha256"]["scores.npz"] == hashlib.sha256(blob).hexdigest()


def test_where_there_is_no_quadrature_the_bound_stands_in(tmp_path: Path) -> None:
    deeper = evaluated(write_run(tmp_path / "run", random_vae()), log_p_x=None)
    with np.load(deeper / "evaluation.npz") as saved:
        bound = saved["importance_weighted"]
    scores = export.model.scores(deeper, len(IMAGES), lambda line: None)
    assert scores is not None
    assert scores["log_p_x"].dtype == scores["elbo"].dtype == np.float32
    np.testing.assert_array_equal(scores["log_p_x"], bound.astype(np.float32))


def test_without_a_whole_evaluation_there_are_no_scores_and_a_note(run: Path, folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert export.model.scores(run, len(IMAGES), said.append) is None
    assert "evaluation.npz is missing" in said[0]
    assert pretrained.load(folder).scores is None
    unfinished = evaluated(write_run(tmp_path / "run", random_vae()), done=np.arange(len(IMAGES)) < 200)
    assert export.model.scores(unfinished, len(IMAGES), said.append) is None
    assert "has 200 of 300 digits" in said[1]
    assert export.model.scores(evaluated(unfinished), len(IMAGES) + 1, said.append) is None
    assert "has 300 of 301 digits" in said[2]
    assert all("vae.evaluate" in line for line in said)


def test_scores_older_than_the_weights_are_noted(tmp_path: Path) -> None:
    run = evaluated(write_run(tmp_path / "run", random_vae()))
    said: list[str] = []
    assert export.model.scores(run, len(IMAGES), said.append) is not None
    assert said == []
    os.utime(run / "evaluation.npz", (0, 0))
    assert export.model.scores(run, len(IMAGES), said.append) is not None
    assert "older than the weights" in said.pop()


@pytest.mark.parametrize(
    "changes",
    [
        {"elbo": None},
        {"done": None},
        {"elbo": np.full(300, np.nan)},
        {"log_p_x": np.full(300, -np.inf)},
        {"log_p_x": np.zeros(299)},
        {"elbo": np.full(300, -1.0).astype(object)},
    ],
    ids=["no elbo", "no done", "NaN", "infinite", "fewer", "pickle"],
)
def test_a_garbled_evaluation_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    run = evaluated(write_run(tmp_path / "run", random_vae()), **changes)
    with pytest.raises(ExportError, match=r"evaluation\.npz .*vae\.evaluate") as caught:
        export.model.scores(run, len(IMAGES), lambda line: None)
    assert "\n" not in str(caught.value)
    (run / "evaluation.npz").write_bytes(b"no zip")
    with pytest.raises(ExportError, match=r"evaluation\.npz cannot be read"):
        export.model.scores(run, len(IMAGES), lambda line: None)


def browser_decoder(blob: bytes) -> tuple[dict[str, Any], Any]:
    """decoder.bin as its description says, without our packages: the header, and z [n, d] → logits in float64."""
    length = int.from_bytes(blob[:4], "little")
    header = json.loads(blob[4 : 4 + length].decode())
    assert (4 + length) % 4 == 0
    payload = np.frombuffer(blob, "<f2", offset=4 + length).astype(np.float64)
    tensors = {}
    end = 0
    for tensor in header["tensors"]:
        assert tensor["offset"] == end
        end += int(np.prod(tensor["shape"]))
        tensors[tensor["name"]] = payload[tensor["offset"] : end].reshape(tensor["shape"])
    assert end == len(payload)

    def linear(name: str, h: np.ndarray) -> np.ndarray:
        return h @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def convolution(name: str, h: np.ndarray) -> np.ndarray:
        framed = np.pad(h, ((0, 0), (0, 0), (1, 1), (1, 1)))
        patches = np.lib.stride_tricks.sliding_window_view(framed, (3, 3), axis=(2, 3))
        return (
            np.einsum("ncyxij,ocij->noyx", patches, tensors[f"{name}.weight"]) + tensors[f"{name}.bias"][:, None, None]
        )

    def residual(name: str, number: int, h: np.ndarray, layer: Any) -> np.ndarray:
        for i in range(number):
            h = h + layer(f"{name}.{i}.outer", silu(layer(f"{name}.{i}.inner", silu(h))))
        return h

    def shuffle(h: np.ndarray) -> np.ndarray:
        n, channels, rows, columns = h.shape
        fine = np.zeros((n, channels // 4, 2 * rows, 2 * columns))
        for i in range(2):
            for j in range(2):
                fine[:, :, i::2, j::2] = h[:, 2 * i + j :: 4]
        return fine

    def decode(z: np.ndarray) -> np.ndarray:
        return linear("last", silu(residual("blocks", header["blocks"], linear("first", z), linear)))

    def decode_conv(z: np.ndarray) -> np.ndarray:
        h = linear("first", z)
        if "dense_blocks" in header:
            h = linear("flat", silu(residual("dense", header["dense_blocks"], h, linear)))
        h = h.reshape(len(z), header["width"], 7, 7)
        h = shuffle(convolution("up", silu(residual("blocks", header["blocks"], h, convolution))))
        h = shuffle(convolution("last", silu(residual("fine", header["fine_blocks"], h, convolution))))
        return h.reshape(len(z), -1) + tensors["bias"]

    return header, decode_conv if header.get("architecture") == "conv" else decode


def silu(h: np.ndarray) -> np.ndarray:
    return h * sigmoid(h)


def test_the_browsers_weights_decode_as_onnxruntime_does(folder: Path) -> None:
    model = pretrained.load(folder)
    header, decode = browser_decoder(model.decoder_weights())
    names = ["first", "blocks.0.inner", "blocks.0.outer", "blocks.1.inner", "blocks.1.outer", "last"]
    assert [tensor["name"] for tensor in header["tensors"]] == [f"{n}.{p}" for n in names for p in ("weight", "bias")]
    del header["tensors"]
    shape = {"latent_dim": 2, "pixels": 784, "width": 10, "blocks": 2}
    assert header == {"model": "tiny", **shape, "activation": "silu", "dtype": "float16"}
    z = np.random.default_rng(6).standard_normal((200, 2))
    np.testing.assert_allclose(decode(z), model.decode(z), atol=1e-5)  # the same weights, to the last bit
    exact = random_vae().decoder.double()(torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(decode(z), exact, atol=1e-12)


@pytest.mark.parametrize("dense_blocks", [0, 2])
def test_a_model_of_convolutions_is_exported_like_any_other(tmp_path: Path, dense_blocks: int) -> None:
    """Re-opened and compared with torch at every batch by export_run itself; its decoder.bin by its description."""
    sizes = {"encoder_width": 6, "encoder_blocks": 2, "decoder_width": 8, "decoder_blocks": 3}
    config = dataclasses.replace(CONFIG, architecture="conv", latent_dim=5, dense_blocks=dense_blocks, **sizes)
    vae = random_vae(config)
    run = write_run(tmp_path / "run", vae, config)
    export_run(run, tmp_path / "conv", DATA, say=lambda line: None)
    model = pretrained.load(tmp_path / "conv")
    header, decode = browser_decoder(model.decoder_weights())
    del header["tensors"]
    shape = {"architecture": "conv", "latent_dim": 5, "pixels": 784, "width": 8, "blocks": 3, "fine_blocks": 1}
    shape |= {"dense_width": 256, "dense_blocks": dense_blocks} if dense_blocks else {}
    assert header == {"model": "conv", **shape, "activation": "silu", "dtype": "float16"}
    z = np.random.default_rng(6).standard_normal((20, 5))
    np.testing.assert_allclose(decode(z), model.decode(z), atol=1e-4)
    np.testing.assert_allclose(decode(z), vae.decoder.double()(torch.from_numpy(z)).numpy(), atol=1e-11)


@pytest.mark.parametrize("value", [7e4, float("inf"), float("nan"), 1 / 3])
def test_a_weight_that_half_precision_does_not_hold_is_refused(value: float) -> None:
    decoder = random_vae().decoder
    decoder.trunk.last.weight[3, 4] = value
    with pytest.raises(ExportError, match=r"half precision does not hold the decoder's last\.weight"):
        weights.pack(decoder, "tiny")


def test_halves_are_stored_only_where_they_are_exact() -> None:
    decoder = random_vae().decoder
    decoder.trunk.last.bias[0] = 1 / 3
    decoder.trunk.first.bias[0] = 7e4
    blob = onnx_bytes(decoder, 2, "z", ["logits"])
    stored = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(blob).graph.initializer
    }
    for name, tensor in decoder.state_dict().items():
        whole = name in ("trunk.last.bias", "trunk.first.bias")
        array = stored[name if whole else f"{name}.half"]
        assert array.dtype == (np.float32 if whole else np.float16)
        np.testing.assert_array_equal(array.astype(np.float32), tensor.numpy())


def sabotaged(blob: bytes) -> bytes:
    """An ONNX file with 1/512 added to the last bias, which half precision holds."""
    model = onnx.load_from_string(blob)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "trunk.last.bias.half")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float16(2**-9), bias.name))
    return model.SerializeToString()


@pytest.mark.parametrize("wrong", ["encoder.onnx", "decoder.onnx", None])
def test_what_differs_from_torch_is_refused_and_the_old_folder_stays(
    run: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str | None
) -> None:
    files = contents(folder)
    if wrong:
        files[wrong] = sabotaged(files[wrong])
    traced = {Encoder: "encoder.onnx", Decoder: "decoder.onnx"}
    monkeypatch.setattr(export.model, "onnx_bytes", lambda network, *rest: files[traced[type(network)]])
    target = tmp_path / "assets" / "tiny"
    target.mkdir(parents=True)
    (target / "manifest.json").write_text("the old one")
    if wrong is None:  # without the sabotage the same steps succeed
        export_run(run, target, DATA, say=lambda line: None)
        assert pretrained.load(target).model_id == "tiny"
    else:
        with pytest.raises(ExportError, match=r"differ from torch \(q \d.*allowed.*nothing was written") as caught:
            export_run(run, target, DATA, say=lambda line: None)
        assert "\n" not in str(caught.value)
        assert contents(target) == {"manifest.json": b"the old one"}
    assert [path.name for path in target.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(parity.Parity)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2e-3])
def test_each_difference_alone_is_enough_to_refuse(field: str, value: float) -> None:
    parity.require(parity.LIMITS)
    with pytest.raises(ExportError, match="differ from torch"):
        parity.require(dataclasses.replace(parity.LIMITS, **{field: value}))


def test_a_network_that_gives_no_number_is_refused(folder: Path) -> None:
    model = random_vae()
    model.encoder.trunk.last.bias[0] = float("nan")
    x = binarise(IMAGES, np.random.default_rng(0))
    found = parity.compare(model, pretrained.load(folder), x, np.random.default_rng(0))
    with pytest.raises(ExportError, match="differ from torch"):
        parity.require(found)


def test_images_of_another_size_are_refused(run: Path, tmp_path: Path) -> None:
    small = dataclasses.replace(DATA, test=Labelled(IMAGES[:, :49], LABELS))
    with pytest.raises(ExportError, match="784 pixels, the test images have 49"):
        export_run(run, tmp_path / "tiny", small, say=lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_a_plane_of_pictures_too_large_for_a_host_is_refused(tmp_path: Path) -> None:
    export.model.require_a_table_that_fits(2, 48 * 48)
    export.model.require_a_table_that_fits(3, 256 * 256)
    run = write_run(tmp_path / "run", random_vae(pixels=64 * 64))
    images = Labelled(np.zeros((20, 64 * 64), np.uint8), LABELS[:20])
    with pytest.raises(ExportError, match=r"0\.7 GB for 4,096; train with pictures of at most 2,475 pixels"):
        export_run(run, tmp_path / "large", Dataset("large", (64, 64), images, images, "none", True))
    assert not (tmp_path / "large").exists()


def test_publishing_replaces_a_folder_whole(tmp_path: Path) -> None:
    folder = tmp_path / "assets" / "m"
    seen: list[dict[str, bytes]] = []
    publish({"a": b"1", "b": b"2"}, folder, lambda part: seen.append(contents(part)))
    publish({"a": b"3"}, folder, lambda part: seen.append(contents(part)))
    assert seen == [{"a": b"1", "b": b"2"}, {"a": b"3"}]
    assert contents(folder) == {"a": b"3"}
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


def test_a_swap_that_breaks_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "m"
    publish({"a": b"old"}, folder, lambda part: None)
    rename = Path.rename

    def breaking(self: Path, target: Path) -> Path:
        if self.name == ".m.part":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", breaking)
    with pytest.raises(ExportError, match=r"cannot be written \(No space left on device\)"):
        publish({"a": b"new"}, folder, lambda part: None)
    assert contents(folder) == {"a": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_a_kill_within_the_swap_left_is_put_back_first(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    publish({"a": b"old"}, folder, lambda part: None)
    folder.rename(tmp_path / ".m.old.part")

    def failing(part: Path) -> None:
        raise ExportError("differs")

    with pytest.raises(ExportError, match="differs"):
        publish({"a": b"new"}, folder, failing)
    assert contents(folder) == {"a": b"old"}


def test_an_archive_of_arrays_has_no_time_in_it() -> None:
    arrays = {"a": np.arange(5.0), "b": np.eye(2, dtype=np.float32)}
    assert npz_bytes(arrays) == npz_bytes(copy.deepcopy(arrays))
    assert (1980).to_bytes(2, "little") not in npz_bytes({})


def test_the_command_exports_the_real_test_digits(
    run: Path, tmp_path: Path, mnist_test: object, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run), "--as", "z2", "--assets", str(tmp_path)]) == 0
    said = capfd.readouterr()
    assert "compared with torch" in said.out
    assert said.err == ""
    assert pretrained.available(tmp_path) == ("z2",)
    assert pretrained.load("z2", tmp_path).codes.loc.shape == (10_000, 2)


def test_faults_of_the_command_are_one_line(
    run: Path, tmp_path: Path, mnist_test: object, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--as", "z2", "--assets", str(tmp_path)]
    for arguments, words in (
        ([str(tmp_path / "none"), *rest], "model.pt is missing"),
        ([str(run), *rest, "--data-dir", str(tmp_path)], "is missing"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert words in error
    for wrong in (["--as", "../z2"], ["--as", ""], ["--as", "Z2"], ["--as", "z2", "--seed", "-1"]):
        with pytest.raises(SystemExit) as caught:
            main([str(run), *wrong])
        assert caught.value.code == 2


def test_a_run_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"model\.pt is missing"):
        load_run(tmp_path)


def test_the_asset_names_the_run_it_began_from_and_not_where_that_lay() -> None:
    config = published(dataclasses.replace(CONFIG, init="/home/someone/runs/z2m", dataset="/home/someone/faces.npz"))
    assert (config["init"], config["dataset"]) == ("z2m", "faces.npz")
    assert published(CONFIG) == CONFIG.as_dict()
