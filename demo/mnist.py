"""The IDX files of MNIST: found, fetched if allowed, verified, read. Knows nothing of models, torch or Streamlit.

Source of the format and the digits: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import math
import os
import struct
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

Progress = Callable[[int, int | None], None]  # bytes of the current file so far, and in all where the server says so


class Idx(NamedTuple):
    """What one of the four files must be: its shape, and the SHA-256 of its uncompressed bytes."""

    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Uncompressed bytes, header and all."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


FILES = {
    "train-images-idx3-ubyte": Idx((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": Idx((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": Idx((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": Idx((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
STALL_SECONDS = 15.0  # a mirror that sends nothing for so long is given up
DEADLINE_SECONDS = 300.0  # as is one that has not sent a whole file by then
GZIP_SLACK = 1 << 16  # bytes by which gzip may make a file larger, generously

_FOLDER = "put the four MNIST files into a folder and pass it as --data-dir or set MNIST_DIR to it"
_REPLACE = "replace it by MNIST's own"


class DataError(Exception):
    """A data file is missing or wrong; the message is one line that names the file and the mend."""


def load(
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    download: bool = False,
    progress: Progress | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Grey images [N, 784], ink = 255, and labels [N], uint8, read-only; N = 60,000 for "train", 10,000 for "test".

    Looks only in `data_dir` if given, else only in $MNIST_DIR if set, else in the user's cache, which `download`
    fills from public mirrors. Raises DataError for whatever is missing, damaged or not MNIST, ValueError for
    another split. `progress` hears of each file that is fetched.
    """
    folder, is_cache = _folder(data_dir)
    arrays = []
    for name in _names(split):
        try:
            raw = _read(folder, name, is_cache)
        except DataError:
            if not (is_cache and download):
                raise
            raw = _download(folder, name, progress)
        arrays.append(read_idx(raw, name))
    images, labels = arrays
    return images.reshape(len(images), -1), labels


def available(split: str, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether `load` would find both files without network. Looks at names only: cheap, verifies nothing."""
    try:
        folder, _ = _folder(data_dir)
    except DataError:
        return False
    return all(any(os.path.isfile(path) for path in _spellings(folder, name)) for name in _names(split))


def binarise(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """x_i ~ Bernoulli(grey_i / 255), the binarisation of the literature. [N, pixels] → [N, pixels] in {0, 1}."""
    return (rng.random(images.shape, dtype=np.float32) * 255 < images).astype(np.float32)


def read_idx(raw: bytes, name: str = "the file", mend: str = _REPLACE) -> NDArray[np.uint8]:
    """Parses IDX bytes: 0, 0, 8 for uint8, the number of axes, big-endian uint32 sizes, row-major values.

    Returns a read-only array of that shape. Raises DataError for anything else; `name` and `mend` are for its message.
    """
    n_axes = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0
    if not 1 <= n_axes <= 8:
        hint = ", as a web page does" if raw.lstrip()[:1] == b"<" else ""
        raise DataError(f"{name} is no IDX file of bytes (it begins with {raw[:8]!r}{hint}); {mend}")
    start = 4 + 4 * n_axes
    shape = struct.unpack_from(f">{n_axes}I", raw.ljust(start, b"\0"), 4)
    size = start + math.prod(shape)
    if len(raw) < start or len(raw) < size:
        raise DataError(f"{name} is cut short ({len(raw)} of {size} bytes); {mend}")
    if size == start:
        raise DataError(f"{name} is empty (its header's shape is {shape}); {mend}")
    if len(raw) > size:
        raise DataError(f"{name} holds {len(raw)} bytes, not the {size} of its header's shape {shape}; {mend}")
    return np.frombuffer(raw, np.uint8)[start:].reshape(shape)


def inflated(blob: bytes, label: str, mend: str = _REPLACE, most: int = -1) -> bytes:
    """The bytes, uncompressed where they are gzip's: they themselves say so, for browsers unpack and keep the name.

    Inflates no further than `most` bytes. Raises DataError for a damaged stream.
    """
    if blob[:2] != b"\x1f\x8b":
        return blob
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(blob)) as stream:
            return stream.read(most)
    except EOFError:
        raise DataError(f"{label} is cut short (its gzip stream has no end); {mend}") from None
    except (OSError, zlib.error) as error:
        raise DataError(f"{label} is damaged ({error}); {mend}") from None


def _names(split: str) -> tuple[str, str]:
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}; it must be 'train' or 'test'")
    prefix = "train" if split == "train" else "t10k"
    return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"


def _folder(data_dir: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """The one folder to look in, and whether it is the cache, which alone may be written to."""
    if data_dir is not None:
        if not os.fspath(data_dir):
            raise DataError("--data-dir is empty; name the folder of the four MNIST files")
        return Path(os.path.expanduser(data_dir)), False
    if os.environ.get("MNIST_DIR"):
        return Path(os.path.expanduser(os.environ["MNIST_DIR"])), False
    candidates = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"), tempfile.gettempdir())
    base = next(path for path in candidates if os.path.isabs(path))  # "~" stays where a user has no home
    return Path(base, "biggest-enemy", "mnist"), True


def _spellings(folder: Path, name: str) -> list[Path]:
    """Where a file may lie: MNIST's name or with a dot (train-images.idx3-ubyte), compressed or not."""
    dotted = name.replace("-idx", ".idx")
    return [folder / spelling for spelling in (f"{name}.gz", name, f"{dotted}.gz", dotted)]


def _read(folder: Path, name: str, is_cache: bool) -> bytes:
    """The verified uncompressed bytes of a file in the folder."""
    try:
        inside = set(os.listdir(folder))
    except FileNotFoundError:
        where = f"nothing is in the cache {folder} yet" if is_cache else f"the folder {folder} does not exist"
        raise DataError(f"{name}.gz is missing, for {where}; {_FOLDER}") from None
    except OSError as error:
        raise DataError(f"{folder} cannot be read as a folder ({error.strerror}); {_FOLDER}") from None
    present = [path for path in _spellings(folder, name) if path.name in inside]
    if not present:
        raise DataError(f"{folder / name} is missing, also as {name}.gz; {_FOLDER}")
    path = next((path for path in present if path.is_file()), present[0])
    try:
        if not path.is_file():
            raise OSError(None, "not a plain file")
        with path.open("rb") as file:
            blob = file.read(FILES[name].size + GZIP_SLACK)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); {_REPLACE}") from None
    return _verified(blob, name, str(path))


def _verified(blob: bytes, name: str, label: str) -> bytes:
    """The uncompressed bytes of `blob` if they are MNIST's file `name`; inflates no further than those reach."""
    expected = FILES[name]
    raw = inflated(blob, label, most=expected.size + 1)
    if len(raw) == expected.size and hashlib.sha256(raw).hexdigest() == expected.sha256:
        return raw
    if len(raw) > expected.size:
        raise DataError(f"{label} is not MNIST's {name} (it holds more than {expected.size} bytes); {_REPLACE}")
    read_idx(raw, label)
    raise DataError(
        f"{label} is not MNIST's {name} (its SHA-256 differs; Fashion-MNIST bears the same names); {_REPLACE}"
    )


def _download(folder: Path, name: str, progress: Progress | None) -> bytes:
    """Fetches one file into the cache from the first mirror whose bytes are right; returns them uncompressed."""
    faults = []
    for mirror in MIRRORS:
        host = urlsplit(mirror).netloc
        try:
            blob = _fetch(f"{mirror}{name}.gz", FILES[name].size + GZIP_SLACK, progress)
            raw = _verified(blob, name, "its file")
        except (OSError, http.client.HTTPException, DataError) as error:
            reason = (str(error) or type(error).__name__).removesuffix(f"; {_REPLACE}")
            faults.append(f"{host}: {' '.join(reason.split())}")
            continue
        _store(folder, f"{name}.gz", blob)
        return raw
    raise DataError(f"{name}.gz could not be downloaded ({', '.join(faults)}); {_FOLDER}")


def _fetch(url: str, limit: int, progress: Progress | None) -> bytes:
    """The body at `url`, at most `limit` bytes; OSError where the server fails, stalls, drips or sends more."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    body = bytearray()
    with urllib.request.urlopen(url, timeout=STALL_SECONDS) as response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() and len(length) < 16 else None
        while chunk := response.read1(1 << 16):
            body += chunk
            if len(body) > limit or (total or 0) > limit:
                raise OSError(f"more than the {limit} bytes expected")
            if time.monotonic() > deadline:
                raise TimeoutError(f"slower than {DEADLINE_SECONDS:g} s")
            if progress is not None:
                progress(len(body), total)
    if total is not None and len(body) < total:
        raise OSError(f"broke off at {len(body)} of {total} bytes")
    return bytes(body)


def _store(folder: Path, filename: str, blob: bytes) -> None:
    """Writes verified bytes beside their place and renames: readers, and other writers, never meet half a file."""
    part = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=filename, suffix=".part", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(blob)
        os.replace(part, folder / filename)
    except OSError as error:
        raise DataError(f"{folder / filename} cannot be written ({error.strerror}); make room or {_FOLDER}") from None
    finally:
        if part is not None:
            Path(part).unlink(missing_ok=True)
