"""Any images can be learnt from: what a file holds comes out grey and split, or one line says why not."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import export.atlas
from demo import digits, mnist, pictures, pretrained
from demo.mnist import DataError
from export.__main__ import main as export_main
from vae import datasets, evaluate, train
from vae.checkpoint import load_run

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (40, 6, 5), np.uint8)
LABELS = RNG.integers(0, 10, 40).astype(np.uint8)
FLAT = IMAGES.reshape(40, 30)
ORDER = np.random.default_rng(0).permutation(40)


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "kind", ["idx", "idx.gz", "npz", "float npz", "rows", "channel", "one array", "folder", "dots"]
)
def test_one_piece_is_split_the_same_whatever_file_it_lies_in(kind: str, tmp_path: Path) -> None:
    path, shape, labelled = tmp_path / "set.npz", "square", kind != "one array"
    if kind.startswith("idx"):
        pack = gzip.compress if kind == "idx.gz" else bytes
        path = tmp_path / "my-images-idx3-ubyte.gz"  # the bytes say whether they are compressed
        path.write_bytes(pack(idx(IMAGES)))
        (tmp_path / "my-labels-idx1-ubyte.gz").write_bytes(pack(idx(LABELS)))
    elif kind in ("folder", "dots"):
        path, dot = tmp_path, "." if kind == "dots" else "-"
        (tmp_path / f"images{dot}idx3-ubyte").write_bytes(idx(IMAGES))
        (tmp_path / f"labels{dot}idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
        (tmp_path / "README").write_text("no images")
    elif kind == "rows":
        npz(path, x=FLAT, y=LABELS[:, None].astype(np.int64))
        shape = "6x5"
    else:
        arrays = {
            "npz": {"images": IMAGES, "labels": LABELS},
            "float npz": {"X": IMAGES / 255, "y": LABELS.astype(np.int32)},
            "channel": {"data": IMAGES[..., None], "target": LABELS},
            "one array": {"faces": IMAGES},
        }[kind]
        npz(path, **arrays)
    found = datasets.load(str(path), shape)
    assert found.shape == (6, 5)
    np.testing.assert_array_equal(found.test.images, FLAT[ORDER[:6]])
    np.testing.assert_array_equal(found.train.images, FLAT[ORDER[6:]])
    for part, chosen in ((found.test, ORDER[:6]), (found.train, ORDER[6:])):
        np.testing.assert_array_equal(part.labels, LABELS[chosen] if labelled else 0)
        assert part.labels.dtype == np.uint8
    assert found.labelled is labelled
    assert "the first sixth are the test images" in found.split


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_a_test_set_that_the_files_provide_is_kept(kind: str, tmp_path: Path) -> None:
    if kind == "npz":
        path = npz(tmp_path / "s.npz", x_train=IMAGES[:30], y_train=LABELS[:30], x_test=IMAGES[30:], y_test=LABELS[30:])
    else:
        path = tmp_path
        for name, part in (("emnist-train", slice(30)), ("emnist-test", slice(30, None))):
            (path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[part])))
            (path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[part])))
    found = datasets.load(str(path))
    np.testing.assert_array_equal(found.test.images, FLAT[30:])
    np.testing.assert_array_equal(found.test.labels, LABELS[30:])
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(found.train.images, FLAT[:30][order])
    np.testing.assert_array_equal(found.train.labels, LABELS[:30][order])
    assert "as the data set provides them" in found.split


def test_black_and_white_is_ink_and_paper(tmp_path: Path) -> None:
    path = npz(tmp_path / "bits.npz", images=IMAGES > 127)
    assert set(np.unique(datasets.load(str(path)).train.images)) == {0, 255}


def test_mnist_is_mnist(mnist_train: Any, mnist_test: Any) -> None:
    found = datasets.load("mnist")
    assert (found.name, found.shape, found.labelled) == ("MNIST", (28, 28), True)
    for part, (images, labels) in ((found.train, mnist_train), (found.test, mnist_test)):
        np.testing.assert_array_equal(part.images, images)
        np.testing.assert_array_equal(part.labels, labels)
    np.testing.assert_array_equal(evaluate.binarised(found.test.images), digits.binarised_test_set())


def test_the_small_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    found, theirs = datasets.load("digits"), load_digits()
    assert (found.shape, len(found.test.images), len(found.train.images)) == ((8, 8), 299, 1498)
    order = np.random.default_rng(0).permutation(1797)
    whole = np.concatenate([found.test.images, found.train.images])
    np.testing.assert_allclose(whole / 255 * 16, theirs.images.reshape(-1, 64)[order], atol=0.5 * 16 / 255)
    np.testing.assert_array_equal(np.concatenate([found.test.labels, found.train.labels]), theirs.target[order])


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no images": ({"images": IMAGES[:0]}, "square", "has no images"),
    "no pixels": ({"images": IMAGES[:, :0]}, "square", "has no images"),
    "colour": ({"images": np.zeros((4, 6, 5, 3), np.uint8)}, "square", "must be [N, rows, columns] or [N, pixels]"),
    "one axis": ({"images": np.zeros(9, np.uint8)}, "square", "must be [N, rows, columns] or [N, pixels]"),
    "no square": ({"images": FLAT}, "square", "which is no square; say --shape ROWSxCOLUMNS"),
    "other shape": ({"images": FLAT}, "6x6", "rows of 30 pixels, not --shape 6x6 = 36"),
    "shape of rows": ({"images": IMAGES}, "5x6", "images of 6 × 5 pixels, --shape says 5x6"),
    "no shape": ({"images": FLAT}, "thirty", "--shape is 'thirty'"),
    "large": ({"images": np.zeros((2, 300, 2), np.uint8)}, "square", "256 a side at most"),
    "integers": ({"images": IMAGES.astype(np.int64)}, "square", "is int64; save it as uint8"),
    "text": ({"images": np.full((3, 2, 2), "a")}, "square", "is <U1; save it as uint8"),
    "beyond 1": ({"images": IMAGES.astype(np.float32)}, "square", "floats must lie between 0 and 1"),
    "below 0": ({"images": IMAGES / 255 - 0.5}, "square", "floats must lie between 0 and 1"),
    "NaN": (
        {"images": np.where(np.arange(40)[:, None, None] == 7, np.nan, IMAGES / 255)},
        "square",
        "first in image 7",
    ),
    "infinite": ({"images": np.where(IMAGES.max() == IMAGES, np.inf, 0.5)}, "square", "NaN or infinite"),
    "bits as bytes": ({"images": (IMAGES > 127).astype(np.uint8)}, "square", "no value above 1, where ink is 255"),
    "blank": ({"images": np.zeros((9, 4, 4))}, "square", "has no ink"),
    "few": ({"images": IMAGES[:5]}, "square", "at least 6 are needed"),
    "labels": ({"images": IMAGES, "labels": LABELS[:39]}, "square", "labels of the shape [39] for 40 images"),
    "label 256": ({"images": IMAGES, "labels": LABELS + np.int64(256)}, "square", "not whole numbers from 0 to 255"),
    "label 0.5": ({"images": IMAGES, "labels": LABELS / 2}, "square", "not whole numbers from 0 to 255"),
    "pickle": ({"images": np.array([{}], object)}, "square", "cannot be read"),
    "names": ({"left": IMAGES, "right": IMAGES}, "square", "holds left, right; it must hold x_train"),
    "two sizes": ({"x_train": IMAGES, "x_test": IMAGES[:, 1:]}, "square", "of (6, 5) and test images of (5, 5)"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_images_that_cannot_be_used_get_one_sentence(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, shape, words = WRONG[wrong]
    path = npz(tmp_path / "set.npz", **arrays)
    assert train.main(["--dataset", str(path), "--shape", shape, "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "blob", "words"),
    [
        ("missing", None, "cannot be read (No such file or directory)"),
        ("empty.npz", b"", "is no IDX file of bytes"),
        ("page-images-idx3-ubyte", b"<html>", "as a web page does"),
        ("cut-images-idx3-ubyte", idx(IMAGES)[:-1], "is cut short"),
        ("cut-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES))[:-9], "is cut short"),
        ("floats-idx3", b"\0\0\x0d\x01\0\0\0\1\0\0\0\0", "is no IDX file of bytes"),
        ("cut.npz", b"PK\3\4", "cannot be read"),
        ("one.npy", b"\x93NUMPY\1\0", "save it as .npz"),
        ("folder", b"", "a folder of images holds one .npz"),
    ],
)
def test_files_that_cannot_be_used_get_one_sentence(name: str, blob: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif blob is not None:
        path.write_bytes(blob)
    with pytest.raises(DataError) as caught:
        datasets.load(str(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "MNIST's own" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mnists_folder_is_not_taken_for_that_of_other_data() -> None:
    with pytest.raises(DataError, match="leave one of them out"):
        datasets.load("digits", data_dir="/somewhere")


TINY = ["--encoder-width", "16", "--encoder-blocks", "1", "--decoder-width", "16", "--decoder-blocks", "1"]
QUICK = [*TINY, "--epochs", "8", "--learning-rate", "1e-2", "--warmup-steps", "10", "--ema-decay", "0.9"]


def test_the_whole_way_from_images_to_a_model_of_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Train, evaluate, export, re-open: 8 × 8 digits, without a line of code touched."""
    monkeypatch.setattr(export.atlas, "NODES", 3)
    run, assets = tmp_path / "run", tmp_path / "assets"
    options = ["--latent-dim", "2", "--validation-images", "198", *QUICK]
    assert train.main(["--dataset", "digits", "--out", str(run), *options]) == 0
    assert evaluate.main([str(run), "--samples", "20", "--images", "3"]) == 0
    assert export_main([str(run), "--as", "small", "--assets", str(assets)]) == 0
    model = pretrained.load("small", assets)
    manifest = model.manifest
    assert (model.pixels, manifest["shape"]) == (64, [8, 8])
    data = manifest["data"]
    assert (data["dataset"], data["labelled"]) == ("scikit-learn digits", True)
    assert (data["training_images"], data["validation_images"], data["test_images"]) == (1300, 198, 299)
    assert manifest["config"]["dataset"] == "digits"
    found = datasets.load("digits")
    x = mnist.binarise(found.test.images, np.random.default_rng(digits.TEST_SEED))
    np.testing.assert_allclose(model.codes.loc, model.encode(x)[0], atol=1e-6)
    np.testing.assert_array_equal(model.codes.label, found.test.labels)
    assert model.extras is not None
    images = model.decode(np.zeros((3, 2))) > 0
    assert pictures.inked(images).shape == (3, 8, 8, 3)
    with Image.open(io.BytesIO(pictures.sheet(images, scale=1))) as sheet:
        assert sheet.size == (16, 16)
    history = load_run(run)[2]
    assert history[-1]["validation_elbo"] > history[0]["validation_elbo"]
    assert history[-1]["validation_elbo"] > -29, "independent pixels have −27.1, a coin for each −44.4"
    assert json.loads((run / "evaluation.json").read_text())["log_p_x"]["images"] == 3


def test_a_file_that_moved_can_be_named_again_and_changed_images_are_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export.atlas, "NODES", 3)
    path, moved, run = npz(tmp_path / "faces.npz", x=IMAGES), tmp_path / "moved.npz", tmp_path / "run"
    options = ["--out", str(run), "--validation-images", "8", "--latent-dim", "3", *TINY, "--epochs", "1"]
    assert train.main(["--dataset", str(path), *options]) == 0
    npz(path, x=255 - IMAGES)
    assert train.main(["--dataset", str(path), *options]) == 1
    assert "was trained on other images of" in capsys.readouterr().err
    npz(moved, x=IMAGES)
    path.unlink()
    assert evaluate.main([str(run), "--samples", "5"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert evaluate.main([str(run), "--samples", "5", "--dataset", str(moved)]) == 0
    assert evaluate.main([str(run), "--samples", "5", "--dataset", "digits"]) == 1
    assert "8 × 8 pixels, the model of" in capsys.readouterr().err
    assert export_main([str(run), "--as", "faces", "--assets", str(tmp_path), "--dataset", str(moved)]) == 0
    manifest = pretrained.load("faces", tmp_path).manifest
    assert (manifest["shape"], manifest["config"]["dataset"], manifest["data"]["labelled"]) == (
        [6, 5],
        "faces.npz",
        False,
    )


def test_images_of_other_sizes_have_no_convolutions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--validation-images", "198", "--architecture", "conv"]
    assert train.main(["--dataset", "digits", "--out", str(tmp_path), *options]) == 1
    assert "needs images of 28 × 28 = 784 pixels, these have 64; use --architecture mlp" in capsys.readouterr().err


def test_a_data_set_is_read_only() -> None:
    found = datasets.load("digits")
    assert not any(array.flags.writeable for array in (*found.train, *found.test))
    assert dataclasses.replace(found).name == found.name
