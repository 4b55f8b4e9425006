"""The loader gives the numbers of the files, and refuses in one line a folder that is not what its manifest says."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from demo import pretrained
from demo.pretrained import AssetError, PretrainedVAE, available, load, sizes

onnx = pytest.importorskip("onnx", reason="builds tiny networks with onnx (pip install -r requirements-dev.txt)")

PIXELS, D = 6, 2
RNG = np.random.default_rng(3)
LOC, LOG_SCALE = RNG.standard_normal((2, PIXELS, D)).astype(np.float32)
LOGITS = RNG.standard_normal((D, PIXELS)).astype(np.float32)


def linear(source: str, matrices: dict[str, Any], rows: Any = "batch", kind: int = 1) -> bytes:
    """An ONNX file that multiplies `source` [rows, columns] by each matrix; kind 1 is float32, 11 is float64."""
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    dtype = np.float32 if kind == 1 else np.float64
    columns = len(next(iter(matrices.values())))
    graph = onnx.helper.make_graph(
        [make("MatMul", [source, f"{name}_matrix"], [name]) for name in matrices],
        "main",
        [value(source, kind, [rows, columns])],
        [value(name, kind, [rows, matrix.shape[1]]) for name, matrix in matrices.items()],
        [onnx.numpy_helper.from_array(matrix.astype(dtype), f"{name}_matrix") for name, matrix in matrices.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def npz(**content: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **content)
    return buffer.getvalue()


FILES = {
    "encoder.onnx": linear("x", {"loc": LOC, "log_scale": LOG_SCALE}),
    "decoder.onnx": linear("z", {"logits": LOGITS}),
    "decoder.bin": b"the weights",
    "codes.npz": npz(loc=np.ones((5, D), "f4"), log_scale=np.zeros((5, D), "f4"), label=np.arange(5, dtype="u1")),
    "history.json": b'{"config": {}, "epochs": []}',
}

LOG_P_X, ELBO = np.linspace(-99, -90, 5, dtype="f4"), np.linspace(-101, -91, 5, dtype="f4")
SCORES = npz(log_p_x=LOG_P_X, elbo=ELBO)


def write(folder: Path, files: dict[str, bytes] | None = None, **changes: Any) -> Path:
    """A folder of assets whose manifest fits its files, but for the changes; a change to None drops the key."""
    files = FILES if files is None else files
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in files.items():
        (folder / name).write_bytes(blob)
    manifest: dict[str, Any] = {
        "format": 1,
        "model": folder.name,
        "latent_dim": D,
        "pixels": PIXELS,
        "sha256": {name: hashlib.sha256(blob).hexdigest() for name, blob in files.items()},
        "config": {"seed": 0},
        "data": {},
        "test": {},
        "parameters": {},
        "training": {},
        "created": "2025-01-01T00:00:00+00:00",
    } | changes
    kept = {key: value for key, value in manifest.items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(kept))
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PretrainedVAE:
    return load(write(tmp_path_factory.mktemp("assets") / "tiny"))


def refused(folder: Path, *words: str) -> None:
    """`load` refuses the folder with one line that has the words in it and says how to mend it."""
    with pytest.raises(AssetError) as caught:
        load(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert str(folder) in message
    assert "restore it" in message or "update the site" in message
    for word in words:
        assert word in message


def test_a_sound_folder_gives_what_its_files_hold(tiny: PretrainedVAE) -> None:
    assert (tiny.model_id, tiny.latent_dim, tiny.pixels) == ("tiny", D, PIXELS)
    assert tiny.manifest["config"] == {"seed": 0}
    assert tiny.history == {"config": {}, "epochs": []}
    assert tiny.decoder_weights() == b"the weights"
    assert tiny.extras is None
    assert tiny.scores is None  # models exported before there were scores still open
    assert tiny.codes.loc.shape == tiny.codes.log_scale.shape == (5, D)
    assert tiny.codes.label.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(AttributeError):
        tiny.model_id = "another"  # type: ignore[misc]


def test_arrays_are_shared_read_only(tmp_path: Path) -> None:
    model = load(write(tmp_path / "m", FILES | {"atlas.npz": npz(a=np.eye(3)), "scores.npz": SCORES}))
    assert model.extras is not None
    assert model.scores is not None
    for array in (*model.codes, *model.extras.values(), *model.scores):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("batch", [0, 1, 2, 7, 256, pretrained.CHUNK, pretrained.CHUNK + 1, 3 * pretrained.CHUNK - 5])
def test_any_batch_gives_the_matrix_product(tiny: PretrainedVAE, batch: int) -> None:
    z = np.random.default_rng(batch).standard_normal((batch, D)).astype(np.float32)
    x = np.random.default_rng(batch).integers(0, 2, (batch, PIXELS))
    logits, (loc, log_scale) = tiny.decode(z), tiny.encode(x)
    assert logits.dtype == loc.dtype == log_scale.dtype == np.float32
    np.testing.assert_allclose(logits, z @ LOGITS, atol=1e-5)
    np.testing.assert_allclose(loc, x @ LOC, atol=1e-5)
    np.testing.assert_allclose(log_scale, x @ LOG_SCALE, atol=1e-5)


def test_no_call_of_onnxruntime_exceeds_the_chunk(tiny: PretrainedVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []

    class Counting:
        def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            rows.append(len(feed["z"]))
            return tiny.decoder.run(names, feed)

    counted = pretrained.Networks(D, PIXELS, tiny.encoder, Counting())  # type: ignore[arg-type]
    assert counted.decode(np.zeros((10_000, D))).shape == (10_000, PIXELS)
    assert rows == [32] * 312 + [16]


@given(st.sampled_from(["f2", "f4", "f8", "i4", "u1", "?"]).flatmap(lambda dtype: arrays(dtype, (3, PIXELS))))
def test_numbers_of_any_type_and_layout_are_taken(tiny: PretrainedVAE, x: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        expected = tiny.encode(np.array(x, np.float32))
        found = tiny.encode(np.asfortranarray(x))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(), (D,), (1, D + 1), (0,), (2, 1, D), (D, 3)])
def test_another_shape_is_a_value_error_that_names_both(tiny: PretrainedVAE, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"z has the shape .* it must be \[batch, 2\]"):
        tiny.decode(np.zeros(shape))
    with pytest.raises(ValueError, match=r"x has the shape .* it must be \[batch, 6\]"):
        tiny.encode(np.zeros(shape))


def test_sessions_run_on_one_thread(tiny: PretrainedVAE) -> None:
    for session in (tiny.encoder, tiny.decoder):
        options = session.get_session_options()
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
        assert session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "m")
    (folder / name).unlink()
    refused(folder, name, "is missing")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda blob: blob[: len(blob) // 2],
        lambda blob: b"",
        lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]),
        lambda blob: blob + b"\n",
        lambda blob: b"version https://git-lfs.github.com/spec/v1\n",
    ],
    ids=["truncated", "empty", "one bit", "longer", "pointer"],
)
def test_a_damaged_file_is_named_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Callable[[bytes], bytes]
) -> None:
    folder = write(tmp_path / "m")
    (folder / name).write_bytes(damage(FILES[name]))
    monkeypatch.setattr(pretrained, "InferenceSession", lambda *_, **__: pytest.fail("opened before it was verified"))
    monkeypatch.setattr(pretrained.np, "load", lambda *_, **__: pytest.fail("opened before it was verified"))
    refused(folder, str(folder / name), "SHA-256")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xff", b"[1]", b"null", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path / "m")
    (folder / "manifest.json").write_bytes(content)
    refused(folder, "manifest.json", "JSON")


@pytest.mark.parametrize("key", list(pretrained._KEYS))
def test_a_manifest_without_a_key_is_refused(tmp_path: Path, key: str) -> None:
    refused(write(tmp_path / "m", **{key: None}), "manifest.json", f"lacks the key {key!r}")


@pytest.mark.parametrize(
    ("key", "value"),
    [("latent_dim", "2"), ("latent_dim", True), ("latent_dim", 0), ("pixels", 784.0), ("sha256", []), ("format", 0)],
)
def test_a_manifest_with_a_value_of_another_kind_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    refused(write(tmp_path / "m", **{key: value}), "manifest.json", key)


def test_a_newer_format_asks_for_a_newer_site(tmp_path: Path) -> None:
    refused(write(tmp_path / "m", format=2, sha256=None), "format 2", "update the site")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "a\\b", "..", "", ".hidden", "nul\0", "x" * 99])
def test_a_file_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"outside")
    digests = {name: hashlib.sha256(b"outside").hexdigest()}
    refused(write(tmp_path / "m", sha256=digests), "no file of the folder")


def test_a_manifest_must_list_every_needed_file(tmp_path: Path) -> None:
    files = {name: blob for name, blob in FILES.items() if name not in ("codes.npz", "decoder.bin")}
    refused(write(tmp_path / "m", files), "does not list decoder.bin, codes.npz")


WRONG_NETWORKS = {
    "other input name": ("decoder.onnx", linear("latent", {"logits": LOGITS})),
    "other output name": ("decoder.onnx", linear("z", {"probabilities": LOGITS})),
    "one output more": ("decoder.onnx", linear("z", {"logits": LOGITS, "extra": LOGITS})),
    "outputs in the other order": ("encoder.onnx", linear("x", {"log_scale": LOG_SCALE, "loc": LOC})),
    "one output less": ("encoder.onnx", linear("x", {"loc": LOC})),
    "fewer pixels": ("decoder.onnx", linear("z", {"logits": LOGITS[:, 1:]})),
    "another latent dimension": ("decoder.onnx", linear("z", {"logits": np.ones((D + 1, PIXELS))})),
    "a batch of one only": ("decoder.onnx", linear("z", {"logits": LOGITS}, rows=1)),
    "float64": ("decoder.onnx", linear("z", {"logits": LOGITS}, kind=11)),
    "encoder and decoder exchanged": ("encoder.onnx", FILES["decoder.onnx"]),
}


@pytest.mark.parametrize(("name", "blob"), WRONG_NETWORKS.values(), ids=WRONG_NETWORKS)
def test_a_network_of_another_contract_is_refused(tmp_path: Path, name: str, blob: bytes) -> None:
    refused(write(tmp_path / "m", FILES | {name: blob}), name, "where the site needs")


def test_a_latent_dimension_that_disagrees_with_the_networks_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "m", latent_dim=D + 1), "encoder.onnx", "where the site needs", "[batch, 3]")


def test_a_verified_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "m", FILES | {"decoder.onnx": b"not a protobuf"}), "decoder.onnx", "no network")


@pytest.mark.parametrize(
    "codes",
    [
        b"no zip",
        npz(loc=np.ones((5, D), "f4"), label=np.zeros(5, "u1")),
        npz(loc=np.ones((5, D), "f4"), log_scale=np.ones((4, D), "f4"), label=np.zeros(5, "u1")),
        npz(loc=np.ones((5, D)), log_scale=np.ones((5, D)), label=np.zeros(5, "u1")),
        npz(loc=np.ones((5, 3), "f4"), log_scale=np.ones((5, 3), "f4"), label=np.zeros(5, "u1")),
        npz(loc=np.ones((0, D), "f4"), log_scale=np.ones((0, D), "f4"), label=np.array(0, "u1")),
        npz(loc=np.ones((5, D), object), log_scale=np.ones((5, D), "f4"), label=np.zeros(5, "u1")),
    ],
    ids=["no zip", "array missing", "rows differ", "float64", "other dimension", "no labels", "pickle"],
)
def test_codes_of_another_shape_or_kind_are_refused(tmp_path: Path, codes: bytes) -> None:
    refused(write(tmp_path / "m", FILES | {"codes.npz": codes}), "codes.npz")


def test_scores_are_those_of_the_file(tmp_path: Path) -> None:
    scores = load(write(tmp_path / "m", FILES | {"scores.npz": SCORES})).scores
    assert scores is not None
    assert scores._fields == ("log_p_x", "elbo")
    np.testing.assert_array_equal(scores.log_p_x, LOG_P_X)
    np.testing.assert_array_equal(scores.elbo, ELBO)


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (b"no zip", "no archive"),
        (npz(log_p_x=LOG_P_X), "does not hold log_p_x, elbo [5]"),
        (npz(log_p_x=LOG_P_X, elbo=ELBO, gap=ELBO), "does not hold log_p_x, elbo [5]"),
        (npz(log_p_x=LOG_P_X[:4], elbo=ELBO[:4]), "does not hold log_p_x, elbo [5]"),
        (npz(log_p_x=LOG_P_X, elbo=ELBO[:, None]), "does not hold log_p_x, elbo [5]"),
        (npz(log_p_x=LOG_P_X, elbo=ELBO.astype("f8")), "does not hold log_p_x, elbo [5]"),
        (npz(log_p_x=LOG_P_X, elbo=np.full(5, np.nan, "f4")), "not finite"),
        (npz(log_p_x=np.array([0, 0, -np.inf, 0, 0], "f4"), elbo=ELBO), "not finite"),
        (npz(log_p_x=LOG_P_X.astype(object), elbo=ELBO), "no archive"),
    ],
    ids=["no zip", "one missing", "one more", "fewer rows", "two axes", "float64", "NaN", "infinite", "pickle"],
)
def test_scores_of_another_shape_or_kind_are_refused(tmp_path: Path, scores: bytes, words: str) -> None:
    refused(write(tmp_path / "m", FILES | {"scores.npz": scores}), "scores.npz", words)


def test_scores_that_the_manifest_lists_must_be_there_and_whole(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", FILES | {"scores.npz": SCORES})
    (folder / "scores.npz").write_bytes(SCORES[:-1])
    refused(folder, "scores.npz", "SHA-256")
    (folder / "scores.npz").unlink()
    refused(folder, "scores.npz", "is missing")


def test_models_are_listed_by_latent_dimension_and_found_by_id(tmp_path: Path) -> None:
    assert available(tmp_path / "nowhere") == ()
    write(tmp_path / "big", latent_dim=32)
    write(tmp_path / "small")
    write(tmp_path / ".small.part")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    (tmp_path / "empty").mkdir()
    assert available(tmp_path) == ("small", "big", "broken")
    write(tmp_path / "stamps", pixels=64)
    assert available(tmp_path) == ("small", "stamps", "big", "broken")
    assert sizes(tmp_path) == {"small": PIXELS, "stamps": 64, "big": PIXELS, "broken": None}
    assert load("small", tmp_path).model_id == "small"


@pytest.mark.parametrize("model", ["z9", "", "..", "../small", "/etc", ".small", "small\0", "x" * 1000])
def test_an_unknown_id_names_the_known_ones(tmp_path: Path, model: str) -> None:
    write(tmp_path / "assets" / "small")
    shutil.copytree(tmp_path / "assets" / "small", tmp_path / "small")
    with pytest.raises(AssetError, match=r"it has: small\); name one of those") as caught:
        load(model, tmp_path / "assets")
    assert len(str(caught.value)) < 400


def test_an_id_must_be_the_one_in_the_manifest(tmp_path: Path) -> None:
    write(tmp_path / "z2", model="z32")
    with pytest.raises(AssetError, match="is of the model 'z32'"):
        load("z2", tmp_path)


@pytest.mark.parametrize("model_id", available() or [None])
def test_every_shipped_model_opens(model_id: str | None) -> None:
    if model_id is None:
        pytest.skip("no model is in demo/assets yet")
    model = load(model_id)
    assert len(model.codes.label) == 10_000
    assert model.pixels == 784
    logits = model.decode(model.codes.loc[:8])
    assert logits.shape == (8, 784)
    assert np.isfinite(logits).all()
    length = int.from_bytes(model.decoder_weights()[:4], "little")
    header = json.loads(model.decoder_weights()[4 : 4 + length])
    assert (header["model"], header["latent_dim"], header["pixels"]) == (model_id, model.latent_dim, 784)
