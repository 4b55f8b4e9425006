"""MNIST is found, fetched, verified and read; what goes wrong is said in one line. A local server plays the mirrors."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo import mnist

IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + array.tobytes()


DIGITS = np.random.default_rng(0).integers(0, 256, (7, 28, 28), np.uint8)
CLASSES = np.arange(7, dtype=np.uint8)
RAW = {IMAGES: idx(DIGITS), LABELS: idx(CLASSES)}
PACKED = {name: gzip.compress(raw) for name, raw in RAW.items()}


@pytest.fixture(autouse=True)
def _seven_digits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Seven random digits take the place of MNIST's test set, and an empty folder that of the user's cache."""
    if "mnist_test" in request.fixturenames:
        return
    for name, raw in RAW.items():
        shape = mnist.read_idx(raw).shape
        monkeypatch.setitem(mnist.FILES, name, mnist.Idx(shape, hashlib.sha256(raw).hexdigest()))
    monkeypatch.delenv("MNIST_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist, "MIRRORS", ())


def lay(folder: Path, blobs: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, blob in blobs.items():
        (folder / name).write_bytes(blob)
    return folder


def cache(tmp_path: Path) -> Path:
    return tmp_path / "xdg" / "biggest-enemy" / "mnist"


def assert_digits(loaded: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = loaded
    np.testing.assert_array_equal(images, DIGITS.reshape(7, 784))
    np.testing.assert_array_equal(labels, CLASSES)
    assert images.dtype == labels.dtype == np.uint8


def fault(*args: object, **options: object) -> str:
    """The one line that `load` ends with."""
    with pytest.raises(mnist.DataError) as caught:
        mnist.load("test", *args, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message, "after the fault comes the mend"
    return message


# Real files


def test_the_real_test_set(mnist_test: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = mnist_test
    assert images.shape == (10000, 784)
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert images.mean() / 255 == pytest.approx(0.1325, abs=1e-4)
    assert not images.flags.writeable


def test_binarised_digits_are_bernoulli_with_the_grey_as_mean(mnist_test: tuple[np.ndarray, np.ndarray]) -> None:
    grey = mnist_test[0][:2000]
    x = mnist.binarise(grey, np.random.default_rng(3))
    assert x.dtype == np.float32
    assert set(np.unique(x)) == {0, 1}
    assert (x[grey == 0] == 0).all()
    assert (x[grey == 255] == 1).all()
    p = grey / 255
    standard_error = np.sqrt((p * (1 - p)).sum())
    assert abs((x - p).sum()) < 4 * standard_error
    np.testing.assert_array_equal(x, mnist.binarise(grey, np.random.default_rng(3)))


# Where files are looked for


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_every_spelling_is_read(tmp_path: Path, suffix: str, dotted: bool) -> None:
    blobs = {(n.replace("-idx", ".idx") if dotted else n) + suffix: (PACKED if suffix else RAW)[n] for n in RAW}
    folder = lay(tmp_path / "d", blobs)
    assert_digits(mnist.load("test", folder))
    assert mnist.available("test", str(folder))


def test_the_bytes_and_not_the_name_say_what_is_compressed(tmp_path: Path) -> None:
    assert_digits(mnist.load("test", lay(tmp_path / "d", {IMAGES + ".gz": RAW[IMAGES], LABELS: PACKED[LABELS]})))


def test_folder_before_environment_before_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, empty = lay(tmp_path / "good", PACKED), lay(tmp_path / "empty", {})
    lay(cache(tmp_path), {f"{name}.gz": blob for name, blob in PACKED.items()})
    assert_digits(mnist.load("test"))
    monkeypatch.setenv("MNIST_DIR", str(empty))
    assert str(empty / IMAGES) in fault(download=True), "a named folder is never passed over for the cache"
    assert not mnist.available("test")
    assert_digits(mnist.load("test", good))
    monkeypatch.setenv("MNIST_DIR", str(good))
    assert_digits(mnist.load("test"))
    assert str(empty / IMAGES) in fault(empty)
    monkeypatch.setenv("MNIST_DIR", "")
    assert_digits(mnist.load("test"))


def test_a_relative_cache_home_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / ".cache" / "biggest-enemy" / "mnist") in fault()


def test_another_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'valid'"):
        mnist.load("valid")


# Every fault of a file


def _flipped(blob: bytes, at: int = -1) -> bytes:
    damaged = bytearray(blob)
    damaged[at] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize(
    ("filename", "blob", "said"),
    [
        (IMAGES + ".gz", PACKED[IMAGES][:1000], "cut short (its gzip stream has no end)"),
        (IMAGES + ".gz", PACKED[IMAGES][:-3], "cut short"),
        (IMAGES + ".gz", b"\x1f\x8b", "cut short"),
        (IMAGES + ".gz", _flipped(PACKED[IMAGES], 500), "damaged"),
        (IMAGES + ".gz", PACKED[IMAGES] + b"tail", "damaged"),
        (IMAGES, RAW[IMAGES][:1000], f"cut short (1000 of {len(RAW[IMAGES])} bytes)"),
        (IMAGES, RAW[IMAGES][:3], "no IDX file"),
        (IMAGES, RAW[IMAGES][:9], "cut short"),
        (IMAGES, b"", "no IDX file"),
        (IMAGES, _flipped(RAW[IMAGES]), "SHA-256 differs"),
        (IMAGES + ".gz", gzip.compress(_flipped(RAW[IMAGES])), "SHA-256 differs"),
        (IMAGES, RAW[LABELS], "SHA-256 differs"),
        (IMAGES, RAW[IMAGES] + b"\0", "more than"),
        (IMAGES + ".gz", gzip.compress(bytes(10**7)), "more than"),
        (IMAGES, b"\n<!DOCTYPE html><title>404</title>", "as a web page does"),
        (IMAGES + ".gz", b"\x89PNG\r\n\x1a\n" + bytes(50), "no IDX file"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault_and_mend(tmp_path: Path, filename: str, blob: bytes, said: str) -> None:
    folder = lay(tmp_path / "d", {filename: blob, LABELS: RAW[LABELS]})
    message = fault(folder)
    assert str(folder / filename) in message
    assert said in message
    assert "replace it by MNIST's own" in message


def test_missing_files_and_folders(tmp_path: Path) -> None:
    folder = lay(tmp_path / "d", {IMAGES: RAW[IMAGES]})
    message = fault(folder)
    assert f"{folder / LABELS} is missing" in message
    assert "--data-dir" in message
    assert "MNIST_DIR" in message
    assert f"{tmp_path / 'none'} does not exist" in fault(tmp_path / "none")
    assert f"{folder / IMAGES} cannot be read as a folder" in fault(folder / IMAGES)
    assert "--data-dir is empty" in fault("")
    assert not any(mnist.available("test", path) for path in (folder, tmp_path / "none", folder / IMAGES, ""))


def test_an_unreadable_file(tmp_path: Path) -> None:
    folder = lay(tmp_path / "d", RAW)
    (folder / IMAGES).unlink()
    (folder / IMAGES).mkdir()
    assert f"{folder / IMAGES} cannot be read (not a plain file)" in fault(folder)
    (folder / f"{IMAGES}.gz").symlink_to(folder / "gone")
    assert f"{folder / IMAGES}.gz cannot be read" in fault(folder)
    (folder / f"{IMAGES}.gz").unlink()
    (folder / f"{IMAGES}.gz").write_bytes(PACKED[IMAGES])
    assert_digits(mnist.load("test", folder))  # a plain file goes before a folder of that name


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    folder = lay(tmp_path / "d", RAW)
    (folder / IMAGES).chmod(0)
    assert "Permission denied" in fault(folder)


def test_an_inflated_file_is_not_unpacked_to_its_end(tmp_path: Path) -> None:
    """200 MB of zeros in 200 kB: the memory taken stays near that of the file it pretends to be."""
    folder = lay(tmp_path / "d", {IMAGES + ".gz": gzip.compress(bytes(2 * 10**8), 1)})
    tracemalloc.start()
    try:
        fault(folder)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


# The format


@settings(deadline=None)
@given(st.binary(max_size=64) | st.binary(max_size=40).map(lambda tail: b"\0\0\x08" + tail))
def test_any_bytes_are_an_array_or_a_data_error(raw: bytes) -> None:
    try:
        assert idx(mnist.read_idx(raw, "noise")) == raw
    except mnist.DataError as error:
        said = str(error)
    else:
        return
    assert said.startswith("noise ")
    assert "\n" not in said


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple), st.integers(0, 2**32), st.integers(1, 30))
def test_what_is_written_is_read_and_what_is_cut_is_refused(shape: tuple[int, ...], seed: int, cut: int) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(mnist.read_idx(idx(array)), array)
    for wrong in (idx(array)[:-cut], idx(array) + bytes(cut)):
        with pytest.raises(mnist.DataError):
            mnist.read_idx(wrong)


def test_sizes_beyond_any_memory_are_refused() -> None:
    for sizes in ((2**32 - 1,) * 8, (0, 2**32 - 1, 2**32 - 1)):
        with pytest.raises(mnist.DataError):
            mnist.read_idx(b"\0\0\x08" + struct.pack(f">B{len(sizes)}I", len(sizes), *sizes))


# Mirrors

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def good(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def silent_of_length(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(body)


def breaks_off(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) // 2])


def breaks_off_unsaid(request: BaseHTTPRequestHandler, body: bytes) -> None:
    silent_of_length(request, body[: len(body) // 2])


def garbage(request: BaseHTTPRequestHandler, body: bytes) -> None:
    good(request, b"<html>Please log in to this network</html>")


def another_file(request: BaseHTTPRequestHandler, body: bytes) -> None:
    good(request, gzip.compress(_flipped(RAW[IMAGES])))


def endless(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(100):
        request.wfile.write(bytes(10**6))


def absent(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_error(404)


def stalls(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.flush()
    request.server.leave.wait(5)  # type: ignore[attr-defined]


def stalls_halfway(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) // 2])
    request.wfile.flush()
    request.server.leave.wait(5)  # type: ignore[attr-defined]


def drips(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.end_headers()
    for byte in body:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        if request.server.leave.wait(0.05):  # type: ignore[attr-defined]
            return


ANSWERS: dict[str, Answer] = {
    f.__name__: f
    for f in (
        good, silent_of_length, breaks_off, breaks_off_unsaid, garbage, another_file, endless, absent, stalls,
        stalls_halfway, drips,
    )
}  # fmt: skip


class Mirror(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _, kind, filename = self.path.split("/")
        self.server.asked.append(kind)  # type: ignore[attr-defined]
        try:
            ANSWERS[kind](self, PACKED[filename.removesuffix(".gz")])
        except OSError:  # the reader went away, as it should
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Mirror)
        self.asked: list[str] = []
        self.leave = threading.Event()

    def mirrors(self, *kinds: str) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{self.server_port}/{kind}/" for kind in kinds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(mnist, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(mnist, "DEADLINE_SECONDS", 1.0)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.leave.set()
        server.shutdown()
        thread.join()


def test_the_cache_is_filled_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("good"))
    assert "nothing is in the cache" in fault()
    assert not mnist.available("test")
    assert server.asked == [], "nothing is fetched unasked"
    heard: list[tuple[int, int | None]] = []
    assert_digits(mnist.load("test", download=True, progress=lambda done, total: heard.append((done, total))))
    assert heard[-1] == (len(PACKED[LABELS]), len(PACKED[LABELS]))
    assert (len(PACKED[IMAGES]), len(PACKED[IMAGES])) in heard
    assert mnist.available("test")
    assert_digits(mnist.load("test", download=True))
    assert_digits(mnist.load("test"))
    assert server.asked == ["good", "good"]
    assert sorted(os.listdir(cache(tmp_path))) == [f"{IMAGES}.gz", f"{LABELS}.gz"]


@pytest.mark.parametrize("bad", sorted(set(ANSWERS) - {"good", "silent_of_length"}))
def test_a_bad_mirror_leaves_nothing_and_the_next_is_asked(
    bad: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors(bad))
    message = fault(download=True)
    assert f"{IMAGES}.gz could not be downloaded (127.0.0.1:{server.server_port}: " in message
    assert "--data-dir" in message
    assert not cache(tmp_path).exists() or not os.listdir(cache(tmp_path))
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors(bad, "good"))
    assert_digits(mnist.load("test", download=True))
    assert server.asked[:3] == [bad, bad, "good"]


def test_a_mirror_need_not_say_the_length(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("silent_of_length"))
    heard: list[int | None] = []
    assert_digits(mnist.load("test", download=True, progress=lambda done, total: heard.append(total)))
    assert set(heard) == {None}


def test_all_mirrors_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as closed:
        port = closed.server_port
    monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{port}/a/", f"http://127.0.0.1:{port}/b/"))
    message = fault(download=True)
    assert message.count(f"127.0.0.1:{port}: ") == 2
    assert "put the four MNIST files into a folder" in message


def test_a_damaged_file_in_the_cache_is_fetched_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("good"))
    lay(cache(tmp_path), {f"{IMAGES}.gz": PACKED[IMAGES][:100], LABELS: RAW[LABELS]})
    assert "cut short" in fault()
    assert_digits(mnist.load("test", download=True))
    assert_digits(mnist.load("test"))
    assert server.asked == ["good"], "the whole file is kept"


def test_a_full_disk_leaves_no_part(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("good"))
    monkeypatch.setattr(os, "replace", full)
    message = fault(download=True)
    assert f"{cache(tmp_path) / IMAGES}.gz cannot be written (No space left on device)" in message
    assert os.listdir(cache(tmp_path)) == []


def test_a_cache_that_cannot_be_made(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("good"))
    (tmp_path / "xdg").write_text("a file where the cache should be")
    assert "cannot be written (Not a directory)" in fault(download=True)


def test_stopping_a_download_leaves_no_part(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "MIRRORS", server.mirrors("good"))
    with pytest.raises(KeyboardInterrupt):
        mnist.load("test", download=True, progress=stop)
    assert not cache(tmp_path).exists() or not os.listdir(cache(tmp_path))
