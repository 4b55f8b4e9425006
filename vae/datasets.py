"""Images to learn from, by the name or path of `--dataset`: MNIST, scikit-learn's digits, or files of one's own.

Whatever it is comes out as grey images uint8 [N, pixels], ink = 255, split into training and test. Knows nothing of
torch, networks or training.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from demo import mnist
from demo.mnist import DataError

Grey = NDArray[np.uint8]
MNIST, DIGITS = "mnist", "digits"
NAMES = (MNIST, DIGITS)
TEST_SHARE = 6  # one image in so many is a test image where the data come in one piece
ORDER_SEED = 0  # of the order in which data other than MNIST are taken, so that their last images are of every kind
LARGEST_SIDE = 256  # pixels; beyond it a decoder of linear layers alone is gigabytes

_OURS = (
    "x_train and perhaps y_train, x_test, y_test, or images and perhaps labels (uint8 from 0 to 255 or floats from 0 "
    "to 1, [N, rows, columns] or [N, pixels])"
)
_KEYS = {
    ("train", "images"): ("x_train", "train_images", "train_x", "X_train"),
    ("train", "labels"): ("y_train", "train_labels", "train_y", "Y_train"),
    ("test", "images"): ("x_test", "test_images", "test_x", "X_test"),
    ("test", "labels"): ("y_test", "test_labels", "test_y", "Y_test"),
    ("all", "images"): ("images", "x", "X", "data", "arr_0"),
    ("all", "labels"): ("labels", "label", "y", "target", "arr_1"),
}


class Labelled(NamedTuple):
    """Grey images [N, pixels] and their labels [N], uint8; labels of 0 where the files have none."""

    images: Grey
    labels: Grey


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """One data set: `name` as an asset tells it, rows × columns of an image, and what training and tests see."""

    name: str
    shape: tuple[int, int]
    train: Labelled
    test: Labelled
    split: str  # where the test images come from, for people
    labelled: bool

    def __post_init__(self) -> None:
        for array in (*self.train, *self.test):
            array.setflags(write=False)


def load(dataset: str, shape: str = "square", data_dir: str | None = None, *, download: bool = False) -> Dataset:
    """The data set of that name, or of that file or folder. `shape` is ROWSxCOLUMNS of images that lie in rows.

    `data_dir` is where MNIST lies (see demo.mnist.load). Raises DataError, one line, for what cannot be used.
    """
    if dataset == MNIST:
        return _mnist(data_dir, download)
    if data_dir is not None:
        raise DataError(f"--data-dir is MNIST's folder, but --dataset is {dataset}; leave one of them out")
    if dataset == DIGITS:
        return _digits()
    path = Path(dataset).expanduser()
    try:
        pieces = _pieces(path)
    except OSError as error:
        raise DataError(
            f"--dataset {path} cannot be read ({error.strerror}); name a file or folder of images"
        ) from None
    return _whole(path, pieces, shape)


def require_pixels(data: Dataset, pixels: int, whose: str) -> None:
    """Raises DataError where the images are not of so many pixels."""
    if data.train.images.shape[1] != pixels:
        raise DataError(
            f"{data.name} has images of {data.shape[0]} × {data.shape[1]} pixels, {whose} has {pixels}; "
            "name its own with --dataset"
        )


def fingerprint(images: Grey) -> str:
    """SHA-256 of the grey images and their shape: whether two commands learn from the same."""
    return hashlib.sha256(repr(images.shape).encode() + np.ascontiguousarray(images).tobytes()).hexdigest()


def _mnist(data_dir: str | None, download: bool) -> Dataset:
    with tqdm(desc="MNIST", unit="B", unit_scale=True, delay=0.1, leave=False) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        train, test = (
            Labelled(*mnist.load(split, data_dir, download=download, progress=show)) for split in ("train", "test")
        )
    split = "training without its last images, which validate; codes and test figures from the test images"
    return Dataset("MNIST", (28, 28), train, test, split, labelled=True)


def _digits() -> Dataset:
    """1,797 digits of 8 × 8 pixels with 17 greys, which come with scikit-learn (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits  # seconds to import, and nobody else needs it

    found = load_digits()
    images = np.rint(found.images.reshape(-1, 64) * (255 / 16)).astype(np.uint8)
    return _split("scikit-learn digits", (8, 8), Labelled(images, found.target.astype(np.uint8)), labelled=True)


def _split(name: str, shape: tuple[int, int], whole: Labelled, labelled: bool) -> Dataset:
    """One piece, cut into test and training images in a fixed random order."""
    tests = len(whole.images) // TEST_SHARE
    if tests < 1:
        raise DataError(f"{name} has {len(whole.images)} images; at least {TEST_SHARE} are needed to hold some out")
    order = np.random.default_rng(ORDER_SEED).permutation(len(whole.images))
    test, train = (Labelled(whole.images[part], whole.labels[part]) for part in (order[:tests], order[tests:]))
    split = (
        "put into a fixed random order; the first sixth are the test images, the last images validate, the rest train"
    )
    return Dataset(name, shape, train, test, split, labelled)


# Files of one's own

Piece = dict[str, NDArray[Any]]  # "images" and perhaps "labels", as they lie in the file


def _pieces(path: Path) -> dict[str, Piece]:
    """What a file or folder holds: pieces "train" and "test", or "all" alone."""
    if path.is_dir():
        return _folder(path)
    blob = path.read_bytes()
    if blob[:2] == b"PK":
        return _npz(path, blob)
    if blob[:6] == b"\x93NUMPY":
        raise DataError(f"{path} is a single array of NumPy; save it as .npz (numpy.savez) with {_OURS}")
    return {"all": {"images": _idx(path, blob)} | _labels_beside(path)}


def _idx(path: Path, blob: bytes | None = None) -> NDArray[np.uint8]:
    mend = "name a file of images in MNIST's format (IDX, gz or not) or an .npz"
    raw = path.read_bytes() if blob is None else blob
    try:
        return mnist.read_idx(mnist.inflated(raw, str(path), mend), str(path), mend)
    except MemoryError:
        raise DataError(f"{path} does not fit into memory; {mend}") from None


def _labels_beside(path: Path) -> Piece:
    """The labels that lie beside a file of images under the name that MNIST gives such pairs."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    beside = path.with_name(name)
    return {"labels": _idx(beside)} if name != path.name and beside.is_file() else {}


def _folder(folder: Path) -> dict[str, Piece]:
    """A folder with files named as MNIST names its four (Fashion-MNIST, KMNIST, EMNIST …), or with one .npz."""
    archives = sorted(folder.glob("*.npz"))
    if len(archives) == 1:
        return _npz(archives[0], archives[0].read_bytes())
    pieces: dict[str, Piece] = {}
    for path in sorted(folder.iterdir()):
        kind = re.search(r"(images|labels)[-._]idx\d-ubyte(\.gz)?$", path.name)
        if kind is None or not path.is_file():
            continue
        part = "test" if re.search(r"t10k|test", path.name) else "train" if "train" in path.name else "all"
        piece = pieces.setdefault(part, {})
        if kind[1] in piece and not path.name.endswith(".gz"):
            raise DataError(
                f"{folder} has more than one file of {part} {kind[1]}; name the one to use, or a folder of one set"
            )
        piece.setdefault(kind[1], _idx(path))
    if not any("images" in piece for piece in pieces.values()):
        has = f"{len(archives)} .npz files" if archives else "none of them"
        raise DataError(
            f"{folder} has {has}; a folder of images holds one .npz, or files such as train-images-idx3-ubyte.gz"
        )
    return pieces


def _npz(path: Path, blob: bytes) -> dict[str, Piece]:
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            names = list(archive.files)
            pieces: dict[str, Piece] = {}
            for (part, kind), keys in _KEYS.items():
                if key := next((key for key in keys if key in names), None):
                    pieces.setdefault(part, {})[kind] = archive[key]
            if not pieces and len(names) == 1:
                pieces = {"all": {"images": archive[names[0]]}}
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise DataError(f"{path} cannot be read ({_one_line(error)}); save it anew with numpy.savez") from None
    if not any("images" in piece for piece in pieces.values()):
        raise DataError(f"{path} holds {', '.join(names) or 'nothing'}; it must hold {_OURS}")
    return pieces


def _whole(path: Path, pieces: Mapping[str, Piece], shape: str) -> Dataset:
    """The data set of a file's pieces, checked and made grey."""
    name = re.sub(r"(\.npz|\.gz)$", "", path.resolve().name)
    if "images" in pieces.get("train", {}):
        parts = {part: pieces[part] for part in ("train", "test") if "images" in pieces.get(part, {})}
    else:
        part = next(part for part in ("all", "test") if "images" in pieces.get(part, {}))
        parts = {"all": pieces[part]}
    found, shapes = {}, {}
    for part, piece in parts.items():
        label = str(path) if part == "all" else f"{path} ({part})"
        shapes[part] = image_shape(piece["images"], shape, label)
        found[part] = Labelled(grey(piece["images"], label), _labels(piece, label))
    if len(set(shapes.values())) > 1:
        raise DataError(f"{path} has training images of {shapes['train']} and test images of {shapes['test']} pixels")
    size = next(iter(shapes.values()))
    labelled = all("labels" in piece for piece in parts.values())
    if "test" not in found:
        return _split(name, size, next(iter(found.values())), labelled)
    order = np.random.default_rng(ORDER_SEED).permutation(len(found["train"].images))
    train = Labelled(*(array[order] for array in found["train"]))
    split = "test images as the data set provides them; its training images in a fixed random order, the last validate"
    return Dataset(name, size, train, found["test"], split, labelled)


def image_shape(images: NDArray[Any], shape: str, label: str) -> tuple[int, int]:
    """Rows and columns of images [N, rows, columns], [N, rows, columns, 1] or [N, pixels] with `shape` "square" or
    "20x28". Raises DataError where there are none, or none that fit.
    """
    if images.ndim == 4 and 1 in (images.shape[1], images.shape[3]):
        images = images[..., 0] if images.shape[3] == 1 else images[:, 0]
    if images.ndim not in (2, 3):
        raise DataError(f"{label} has the shape {list(images.shape)}; it must be [N, rows, columns] or [N, pixels]")
    if not images.size:
        raise DataError(f"{label} has no images (its shape is {list(images.shape)}); name a file that has some")
    if images.ndim == 3:
        rows, columns = images.shape[1:]
        if shape != "square" and (rows, columns) != parsed_shape(shape):
            raise DataError(f"{label} has images of {rows} × {columns} pixels, --shape says {shape}; leave it out")
    elif shape == "square":
        rows = columns = math.isqrt(images.shape[1])
        if rows * columns != images.shape[1]:
            raise DataError(
                f"{label} has rows of {images.shape[1]} pixels, which is no square; say --shape ROWSxCOLUMNS"
            )
    else:
        rows, columns = parsed_shape(shape)
        if rows * columns != images.shape[1]:
            raise DataError(f"{label} has rows of {images.shape[1]} pixels, not --shape {shape} = {rows * columns}")
    if max(rows, columns) > LARGEST_SIDE:
        raise DataError(f"{label} has images of {rows} × {columns} pixels; make them {LARGEST_SIDE} a side at most")
    return rows, columns


def parsed_shape(shape: str) -> tuple[int, int]:
    """ "20x28" as (20, 28). Raises DataError for anything else."""
    if not (found := re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", shape)):
        raise DataError(f"--shape is {shape!r}; it must be ROWSxCOLUMNS, such as 20x28")
    return int(found[1]), int(found[2])


def grey(images: NDArray[Any], label: str) -> Grey:
    """Images of uint8 from 0 to 255, of floats from 0 to 1 (rounded to 255ths) or of bool as uint8 [N, pixels].

    Raises DataError for other types, other ranges, and what is no number.
    """
    rows = images.reshape(len(images), -1)
    if rows.dtype == np.bool_:
        return rows.astype(np.uint8) * np.uint8(255)
    if rows.dtype == np.uint8:
        if rows.max() <= 1:
            raise DataError(
                f"{label} is uint8 with no value above {rows.max()}, where ink is 255; "
                "multiply it by 255, or save it as bool or float"
            )
        return np.ascontiguousarray(rows)
    if rows.dtype.kind != "f":
        raise DataError(f"{label} is {rows.dtype}; save it as uint8 from 0 to 255 or as floats from 0 to 1")
    if not np.isfinite(rows).all():
        at = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        raise DataError(f"{label} has NaN or infinite pixels, first in image {at}; mend or drop such images")
    low, high = rows.min(), rows.max()
    if low < 0 or high > 1:
        raise DataError(f"{label} is {rows.dtype} from {low:g} to {high:g}; floats must lie between 0 and 1")
    if high == 0:
        raise DataError(f"{label} has no ink: every pixel is 0")
    return np.rint(rows * 255).astype(np.uint8)


def _labels(piece: Piece, label: str) -> Grey:
    """Labels [N] of uint8, 0 where the piece has none. Raises DataError for others."""
    n = len(piece["images"])
    labels = piece.get("labels")
    if labels is None:
        return np.zeros(n, np.uint8)
    labels = labels.reshape(len(labels), -1)[:, 0] if labels.size == len(labels) and labels.ndim else labels
    if labels.shape != (n,):
        raise DataError(f"{label} has labels of the shape {list(labels.shape)} for {n} images; give one each")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 255:
        raise DataError(
            f"{label} has labels of {labels.dtype} that are not whole numbers from 0 to 255; leave them out"
        )
    return labels.astype(np.uint8)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
