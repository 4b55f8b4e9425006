"""What benchmarks keep of a measurement, and the tables of it in the README. No test here measures anything."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import fuzz, impression, load, page, record
from benchmarks.impression import Transfer, Wire, worst_window
from benchmarks.load import OPENED, Answer, Load
from export import ExportError, figures
from tests import test_fuzz

WHERE = {"date": "2026-11-25", "machine": "2 cores of a kind", "load_before": 0.25}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "FOLDER", tmp_path / "figures")
    return tmp_path / "figures"


def cells(block: str) -> list[list[str]]:
    """The rows of the Markdown table, its head first."""
    lines = [line for line in block.splitlines() if line.startswith("|")]
    assert set(lines[1]) <= set("|-: ")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]
    assert {len(row) for row in rows} == {lines[1].count("|") - 1}
    return rows


# --- What is kept.


def test_what_is_kept_says_how_where_and_when(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert record.save("page", "python -m benchmarks.page", WHERE, figures=["é"])
    text = (folder / "page.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"command": "python -m benchmarks.page", **WHERE, "figures": ["é"]}
    assert text.endswith("}\n")
    assert "page.json" in capsys.readouterr().out


@pytest.mark.parametrize("missing", [float("nan"), float("inf")])
def test_what_could_not_be_measured_is_not_kept_and_what_was_kept_stays(
    folder: Path, missing: float, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not record.save("load", "c", WHERE, levels=[{"cpu": missing}])
    assert not (folder / "load.json").exists()
    assert record.save("load", "c", WHERE, levels=[])
    before = (folder / "load.json").read_bytes()
    capsys.readouterr()
    assert not record.save("load", "c", WHERE, levels=[{"cpu": missing}])
    assert "not written" in capsys.readouterr().out
    assert (folder / "load.json").read_bytes() == before


def test_the_setting_is_told_also_where_the_system_tells_little(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/cpuinfo": "model name\t: A  Processor\nmodel name\t: B\n",
        "/proc/meminfo": "MemTotal:  8388608 kB\n",
    }
    monkeypatch.setattr(record.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(record.os, "getloadavg", lambda: (1.234, 9.0, 9.0))
    monkeypatch.setattr(record.platform, "machine", lambda: "chip64")
    monkeypatch.setattr(record.platform, "python_version", lambda: "3.0")

    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(record.Path, "read_text", read)
    found = record.setting()
    assert found["machine"] == "4 cores of A Processor, 8 GiB, Python 3.0"
    assert found["load_before"] == 1.23
    assert abs((date.fromisoformat(found["date"]) - date.today()).days) <= 1
    files["/proc/cpuinfo"] = "processor : 0\n"
    assert record.machine() == "4 cores of chip64, 8 GiB, Python 3.0"
    files.clear()
    assert record.machine() == "4 cores of chip64, Python 3.0"
    monkeypatch.delattr(record.os, "getloadavg")
    assert record.setting()["load_before"] is None


# --- What is shown of it.


def sample_load(visitors: int, memory: float, seconds: float = 0.1) -> Load:
    answers = [Answer(OPENED, 0, 0.5), *[Answer("act", 0, seconds)] * 1500]
    return Load(visitors, answers, 60, [(0, memory)], 30)


def test_levels_become_rows_with_their_limits(folder: Path) -> None:
    loads = [sample_load(1, 400), sample_load(10, 399), sample_load(30, 458, 0.7)]
    limits = {"visitors": 30, "p95_ms": 600, "mb_per_further_visitor": 5, "growth": 1.05}
    kept = [load.level(found, loads[0]) for found in loads]
    assert kept[0] == {
        "visitors": 1, "actions": 1500, "median_ms": 100, "p95_ms": 100, "opening_p95_ms": 500, "errors": 0,
        "peak_mb": 400, "mb_per_further_visitor": None, "cpu": 0.5,
    }  # fmt: skip
    assert [level["mb_per_further_visitor"] for level in kept] == [None, -0.11, 2]
    record.save("load", load.COMMAND, WHERE, limits=limits, levels=kept)
    block = figures.block(folder, "load")
    head, *rows = cells(block)
    assert head[0] == "Visitors"
    assert rows == [
        ["1", "1,500", "100", "100", "0 (0)", "400", "–", "50%"],
        ["10", "1,500", "100", "100", "0 (0)", "399", "−0.1 (≤ 5)", "50%"],
        ["30", "1,500", "700", "700 (≤ 600)", "0 (0)", "458", "2.0 (≤ 5)", "50%"],
    ]
    assert block.endswith("`python -m benchmarks.load`, 2026-11-25, 2 cores of a kind; load before: 0.25.")


@pytest.mark.parametrize(
    ("last", "growth", "kept"), [(441.0, "+5.0%", True), (444.0, "+5.7%", False), (399.0, "−5.0%", True)]
)
def test_a_soak_is_told_in_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, last: float, growth: str, kept: bool
) -> None:
    minutes = [300.0, 410.0, 430.0, 500.0, last - 1, last + 1]
    memory = [(60 * i + at, held) for i, held in enumerate(minutes) for at in (5, 55)]
    answers = [*[Answer(OPENED, 0, 0.5)] * 40, *[Answer("act", 0, 0.2)] * 2000]
    monkeypatch.setattr(load, "drive", lambda *_, **__: Load(30, answers, 360, memory, 90))
    soaked = load.soak(SimpleNamespace(), 30, 6)  # type: ignore[arg-type]
    assert soaked["kept"] is kept
    assert (soaked["first_mb"], soaked["last_mb"], soaked["mb_by_minute"]) == (420, last, minutes)
    record.save("soak", "c", WHERE | {"load_before": None}, limits={"growth": load.GROWTH}, **soaked)
    assert figures.block(folder, "soak").splitlines() == [
        "30 at a time for 6 minutes, 40 visits, 2,000 actions, p95 200 ms, 0 errors. Memory: 420 MB in minutes 2 and "
        f"3, {last:.0f} MB in the last two: {growth} (limit +5%).",
        "",
        f"MB minute by minute: 300 410 430 500 {last - 1:.0f} {last + 1:.0f}.",
        "",
        "`c`, 2026-11-25, 2 cores of a kind.",
    ]


def test_a_soak_with_an_error_is_not_within_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = [(60.0 * i + 30, 400.0) for i in range(6)]
    for error in (None, "socket closed"):
        answers = [Answer("act", 0, 0.2), Answer("act", 0, 0.2, error)]
        monkeypatch.setattr(load, "drive", lambda *_, found=answers, **__: Load(30, found, 360, memory, 90))
        assert load.soak(SimpleNamespace(), 30, 6)["kept"] is (error is None)  # type: ignore[arg-type]


def test_cases_are_told_by_kind(folder: Path) -> None:
    record.save("fuzz", "c", WHERE, cases={"fields": 9000, "pages": 1234}, total=10_234, seconds=5)
    assert cells(figures.block(folder, "fuzz")) == [
        ["Cases", "tried"], ["fields", "9,000"], ["pages", "1,234"], ["in all, none failed", "10,234"],
    ]  # fmt: skip


def test_figures_of_the_page_keep_the_decimals_that_say_something(folder: Path) -> None:
    found = [
        page.Figure("start", 1.2345, "s", 4), page.Figure("click", 149.6, "ms", 150), page.Figure("size", 3.0, "MB"),
        page.Figure("files of Plotly", 0.0, "", 0), page.Figure("shift", 0.0123, "", 0.05),
    ]  # fmt: skip
    record.save("page", "c", WHERE, figures=[figure._asdict() for figure in found])
    assert cells(figures.block(folder, "page")) == [
        ["What", "measured", "limit"], ["start", "1.23 s", "≤ 4 s"], ["click", "150 ms", "≤ 150 ms"],
        ["size", "3.00 MB", "–"], ["files of Plotly", "0", "≤ 0"], ["shift", "0.01", "≤ 0.05"],
    ]  # fmt: skip


def test_training_is_told_beside_what_others_would_pick(folder: Path) -> None:
    at = {"minutes": 2.0, "images_a_second": 20_088, "epochs": 44, "seconds": 120.9, "nll": 95.0, "best": 94.92}
    lines = [
        at | {"name": "example", "seconds_to_best": 118.2, "ours_seconds": 35.6, "times": 3.32},
        at | {"name": "pythae", "seconds_to_best": 120.9, "ours_seconds": None, "times": None},
        at | {"name": "ours", "minutes": 2 / 3},
    ]
    record.save("training", "c", WHERE, limits={"times": 3}, ours=["python -m vae.train --out RUN"], lines=lines)
    block = figures.block(folder, "training")
    head, *rows = cells(block)
    assert head[-1] == "times as fast (≥ 3)"
    assert rows == [
        ["2", "example", "20,088", "44", "94.92", "118", "36", "3.3"],
        ["2", "pythae", "20,088", "44", "94.92", "121", "never", "–"],
        ["0.67", "ours", "20,088", "44", "94.92", "–", "–", "–"],
    ]
    assert "Ours: `python -m vae.train --out RUN`." in block.splitlines()


def test_decoders_are_told_beside_the_machines_peak(folder: Path) -> None:
    at = {"model": "z2", "us_a_picture": 93.44, "times": {"torch eager": 2.44, "NumPy": 3.0}, "share": 0.123}
    rows = [at | {"batch": 1}, at | {"batch": 64}, at | {"batch": 1024, "share": 0.711}]
    record.save("decoder", "c", WHERE, limits={"times": 2, "share": 0.6}, peak={"gflops": 156, "by": "X"}, rows=rows)
    block = figures.block(folder, "decoder")
    head, *found = cells(block)
    assert head[3:] == ["torch eager, times that", "NumPy, times that", "share of the peak"]
    assert found == [
        ["z2", "1", "93.4", "2.4 (≥ 2)", "3.0", "12%"],
        ["z2", "64", "93.4", "2.4", "3.0", "12%"],
        ["z2", "1024", "93.4", "2.4", "3.0", "71% (≥ 60%)"],
    ]
    assert "The peak: 156 Gflop/s, a product of 1024 × 1024 by X." in block.splitlines()


@pytest.mark.parametrize("name", figures.TABLES)
def test_what_was_not_measured_is_said_and_what_is_broken_is_one_clear_line(tmp_path: Path, name: str) -> None:
    assert figures.block(tmp_path, name) == "Not measured yet."
    ruined = {
        "levels": [3],
        "cases": [],
        "figures": 7,
        "last_mb": 1,
        "first_mb": 0,
        "limits": {"growth": 1},
        "lines": [1],
    }
    for content in ("{", "[]", "7", "{}", json.dumps(WHERE), json.dumps(WHERE | ruined), "\xff"):
        (tmp_path / f"{name}.json").write_bytes(content.encode("latin-1"))
        with pytest.raises(ExportError, match=r"measure it again$"):
            figures.block(tmp_path, name)


# --- The count of the fuzz tests.


def test_the_line_that_the_fuzz_tests_print_is_the_one_that_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(test_fuzz, "CASES", Counter({"fields": 9000, "messages": 1234, "pages": 7}))
    items = [SimpleNamespace(name=str(i), path="") for i in range(20)]
    request = SimpleNamespace(session=SimpleNamespace(items=items), path="")
    test_fuzz.test_so_many_cases_were_tried(request)  # type: ignore[arg-type]
    around = "....  [100%]\n--- Captured stdout call ---\n{}3 passed in 9 s\n"
    assert fuzz.counted(around.format(capsys.readouterr().out)) == {"fields": 9000, "messages": 1234, "pages": 7}


def test_no_count_and_a_wrong_one_are_told() -> None:
    assert fuzz.counted("10 passed in 3 s\nin all 20 cases: few") is None
    with pytest.raises(ValueError, match="add up"):
        fuzz.counted("11 cases: 4 fields, 6 pages\n")
    with pytest.raises(ValueError, match="add up"):
        fuzz.counted("10 cases: 4 pages, 6 pages\n")


@pytest.mark.parametrize(("times", "fails", "kept"), [(0, False, True), (3, False, False), (0, True, False)])
def test_only_the_cases_of_every_run_are_kept_and_only_where_none_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, times: int, fails: bool, kept: bool
) -> None:
    asked: list[str] = []

    def pytest_ran(_: object, env: dict[str, str], **__: object) -> SimpleNamespace:
        asked.append(env["FUZZ"])
        return SimpleNamespace(returncode=int(fails), stdout="10 cases: 4 fields, 6 pages\n", stderr="")

    monkeypatch.setattr(fuzz.subprocess, "run", pytest_ran)
    assert fuzz.main([str(times)] * bool(times)) == int(fails)
    assert asked == [str(times)]
    assert (folder / "fuzz.json").exists() is kept
    if kept:
        found = json.loads((folder / "fuzz.json").read_bytes())
        assert (found["cases"], found["total"]) == ({"fields": 4, "pages": 6}, 10)


# --- The first page's bytes and shifts.


class DevTools:
    """Chromium's side: hears what is enabled and tells the events that a test plants."""

    def __init__(self, bodies: dict[str, dict[str, Any]] | None = None) -> None:
        self.heard: dict[str, Callable[[dict[str, Any]], None]] = {}
        self.enabled_with: set[str] = set()
        self.bodies = bodies or {}

    def on(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self.heard[event.removeprefix("Network.")] = handler

    def send(self, method: str, parameters: dict[str, str] | None = None) -> dict[str, Any]:
        if method == "Network.enable":
            self.enabled_with = set(self.heard)
            return {}
        assert method == "Network.getResponseBody"
        assert parameters is not None
        return self.bodies[parameters["requestId"]]

    def tell(self, event: str, **content: object) -> None:
        self.heard[event](content)


def test_frames_of_the_socket_are_weighed_as_they_came() -> None:
    devtools = DevTools()
    wire = Wire(devtools)  # type: ignore[arg-type]
    assert devtools.enabled_with == {"webSocketFrameReceived", "webSocketFrameSent"}, "nothing is missed"
    devtools.tell("webSocketFrameReceived", response={"opcode": 2, "payloadData": b64encode(bytes(300)).decode()})
    devtools.tell("webSocketFrameReceived", response={"opcode": 1, "payloadData": "abcde"})
    devtools.tell("webSocketFrameSent", response={"opcode": 2, "payloadData": "AAAA"})
    assert (wire.received, wire.sent) == (305, 1)


PLAIN = ("let a = 1;\n" * 500).encode()
PACKED = len((zip_ := zlib.compressobj(6, wbits=31)).compress(PLAIN) + zip_.flush())  # gzip, by zlib itself
FILES: dict[str, tuple[str, str, dict[str, str], int]] = {
    "script": ("http://h/a/index.Ab.js", "text/javascript", {}, len(PLAIN) + 200),
    "packed": ("http://h/plotly.min.js", "text/javascript", {"Content-Encoding": "gzip"}, 900),
    "picture": ("http://h/plotly/x.png", "image/png", {}, 4000),
    "short": ("http://h/short.css", "text/css", {}, 300),
    "page": ("http://h/", "text/html", {"content-length": "5"}, len(PLAIN) + 100),
}


@pytest.fixture
def transfer() -> Transfer:
    bodies = {
        "script": {"body": PLAIN.decode(), "base64Encoded": False},
        "page": {"body": b64encode(PLAIN).decode(), "base64Encoded": True},
    }  # of no other is the body asked for
    devtools = DevTools(bodies)
    found = Transfer(devtools)  # type: ignore[arg-type]
    assert devtools.enabled_with >= {"responseReceived", "loadingFinished", "webSocketFrameReceived"}
    for request, (url, kind, headers, size) in FILES.items():
        response = {"url": url, "mimeType": kind, "headers": headers}
        devtools.tell("responseReceived", requestId=request, response=response)
        devtools.tell("loadingFinished", requestId=request, encodedDataLength=float(size))
    devtools.tell("loadingFinished", requestId="one whose head was never seen", encodedDataLength=1e9)
    return found


def test_files_are_weighed_as_they_came(transfer: Transfer) -> None:
    assert transfer.http == sum(size for *_, size in FILES.values())
    assert transfer.named("lotly") == ["http://h/plotly.min.js"], "by the file's name, not the folder's"


def test_a_proxy_packs_what_is_text_and_not_packed_yet(transfer: Transfer) -> None:
    assert transfer.behind_a_proxy() == transfer.http - 2 * (len(PLAIN) - PACKED)
    assert transfer.behind_a_proxy() < transfer.http / 2


EVERY_900_MS = [(900.0 * i, 1.0) for i in range(12)]


@pytest.mark.parametrize(
    ("shifts", "worst"),
    [
        ([], 0),
        ([(10.0, 0.5)], 0.5),
        ([(0.0, 1.0), (999.0, 2.0), (1998.0, 4.0)], 7),  # less than a second apart: one window
        ([(0.0, 1.0), (1000.0, 2.0), (1999.0, 4.0)], 6),  # a whole second ends it
        ([(0.0, 8.0), (3000.0, 2.0), (3100.0, 4.0), (9000.0, 1.0)], 8),  # the worst, neither the last nor the sum
        (EVERY_900_MS, 6),  # 0 to 4.5 s; the next begin a window of their own
        ([(0.0, 1.0), (999.0, 1.0), (1998.0, 1.0), (2997.0, 1.0), (3996.0, 1.0), (4995.0, 1.0), (5000.0, 1.0)], 6),
    ],
)
def test_the_layout_shift_is_that_of_the_worst_window(shifts: list[tuple[float, float]], worst: float) -> None:
    assert worst_window(shifts) == pytest.approx(worst)


def test_the_windows_of_a_first_visit_are_a_laptop_and_a_phone() -> None:
    assert impression.PHONE["width"] < 500 <= impression.VIEW["width"]
