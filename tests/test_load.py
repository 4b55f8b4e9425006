"""Visitors over the websocket: what they do is answered, what goes wrong is counted. No test here takes a time."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import load, record
from benchmarks.load import (
    ACTS,
    OPENED,
    TURNED,
    Act,
    Answer,
    Load,
    by_minute,
    drive,
    growth,
    high,
    kinds,
    missed,
    row,
    said,
    site_of,
)
from benchmarks.site import ROOT, Site, serve

FAULTY = """
import os

import streamlit as st


def home():
    st.title("Home")
    if st.button("Divide", key="divide"):
        1 / 0
    if st.button("Stop", key="stop"):
        st.error("The model is missing.")
    if st.button("Leave", key="leave"):
        os._exit(3)
    if st.button("Again", key="again"):
        st.rerun()


st.navigation([st.Page(home, default=True)], position="hidden").run()
"""


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Visitors who hardly think and always act on the page that they are on."""
    monkeypatch.setattr(load, "THINKS", (0.01, 0.05))
    monkeypatch.setattr(load, "WANDERS", 0.0)


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    (tmp_path / "streamlit_app.py").write_text(FAULTY)
    return tmp_path


def pressed(root: Path, key: str) -> Load:
    with serve(root) as site:
        return drive(site, 2, 2.0, acts={"": Act(key, lambda visitor: visitor.press(key))}, paths=("",))


def test_two_visitors_of_the_site_are_answered_without_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "THINKS", (0.01, 0.05))
    with serve() as site:
        load.warm(site)  # also: every action finds its widget, and no page errs
        found = drive(site, 2, 4.0)
    assert not found.errors, said([found])
    assert {OPENED, *(answer.kind for answer in found.answers)} - {OPENED} <= {TURNED} | {a.kind for a in ACTS.values()}
    assert sum(answer.kind == OPENED for answer in found.answers) == 2
    assert len(found.milliseconds()) + 2 == len(found.answers)
    assert min(found.milliseconds()) > 0


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("key", "error"), [("divide", "exception box: ZeroDivisionError"), ("stop", "error box: The model is missing.")]
)
def test_an_error_that_a_page_shows_is_counted(faulty: Path, key: str, error: str) -> None:
    found = pressed(faulty, key)
    assert found.errors
    assert all(answer.kind == key and (answer.error or "").startswith(error) for answer in found.errors), found.errors
    assert not found.milliseconds(key)  # what failed is not timed
    assert error in said([found])


@pytest.mark.usefixtures("hurried")
def test_a_server_that_dies_is_an_error(faulty: Path) -> None:
    found = pressed(faulty, "leave")
    assert any("socket closed" in (answer.error or "") for answer in found.errors), found.errors


@pytest.mark.usefixtures("hurried")
def test_a_run_that_starts_anew_is_waited_for(faulty: Path) -> None:
    found = pressed(faulty, "again")
    assert not found.errors, said([found])
    assert found.milliseconds("again")


@pytest.mark.usefixtures("hurried")
def test_a_widget_that_is_gone_and_a_page_that_is_none_are_errors(faulty: Path) -> None:
    with serve(faulty) as site:
        gone = drive(site, 1, 1.0, acts={"": Act("gone", lambda visitor: visitor.press("gone"))}, paths=("",))
        lost = drive(site, 1, 1.0, acts={}, paths=("", "nowhere"))
    assert any("widget missing: gone" in (answer.error or "") for answer in gone.errors), gone.errors
    assert any("page not found: nowhere" in (answer.error or "") for answer in lost.errors), lost.errors


def test_the_plane_that_was_moved_stays_moved() -> None:
    """The hand's message is one that the server hears: it comes back in the address."""
    import asyncio
    import random

    async def moved(site: Site) -> str:
        async with load.tab(site.url) as socket:
            visitor = load.Visitor(socket, random.Random(1))
            await visitor.run(to="")
            await visitor.run(visitor.move("explorer"))
            return visitor.query

    with serve() as site:
        query = asyncio.run(moved(site))
    assert "z1=" in query
    assert "z2=" in query


@pytest.mark.parametrize("url", ["http://example.org:80", "http://127.0.0.1.example.org:80", "https://127.0.0.1:1"])
def test_only_loopback_is_spoken_to(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        load.tab(url)


def test_limits_are_judged() -> None:
    quick = Load(1, [Answer("act", 0, 0.1)] * 20, 10, [(0, 400.0)], 1)
    thirty = quick._replace(visitors=30, memory=[(0, 400.0), (1, 400 + 29 * 5.0), (2, 410.0)])
    assert missed(quick, quick) == missed(thirty, quick) == []
    slow = thirty._replace(answers=[Answer("act", 0, 0.1)] * 18 + [Answer("act", 0, 0.7)] * 2)
    assert missed(slow, quick) == ["p95 at 30 visitors"]
    assert missed(slow._replace(visitors=60), quick) == []  # no limit is set for 60
    heavy = thirty._replace(memory=[(0, 400 + 29 * 5.0 + 1)])
    assert missed(heavy, quick) == ["memory per further visitor at 30"]
    failed = thirty._replace(answers=[*quick.answers, Answer("act", 0, 30.0, "no answer: within 30 s")])
    assert missed(failed, quick) == ["errors at 30 visitors"]
    assert missed(quick._replace(answers=[]), quick) == ["p95 at 1 visitors"]


def test_rows_and_kinds_show_what_was_measured() -> None:
    answers = [Answer(OPENED, 0, 0.5), *(Answer("act", 0, i / 1000) for i in range(1, 101))]
    first = Load(1, answers[:2], 10, [(0, 400.0)], 1)
    found = Load(30, answers, 10, [(0, 400.0), (1, 458.0)], 5)
    assert high(found.milliseconds()) == pytest.approx(95, abs=1)
    assert row(found, first).split() == [
        "30",
        "100",
        "10.0",
        "50",
        "95",
        "600",
        "500",
        "0",
        "0",
        "458",
        "2.00",
        "5",
        "50%",
    ]
    assert "act" in kinds([found])
    assert "99%" in kinds([found])


def test_another_number_of_threads_is_a_copy_of_the_site() -> None:
    with site_of(1) as root:
        assert root == ROOT
    with site_of(2) as root:
        ours, theirs = ((at / "demo" / "pretrained.py").read_text() for at in (ROOT, root))
        assert theirs == ours.replace(load.THREADS, load.THREADS.replace("= 1", "= 2")) != ours
    assert not root.exists()


# Sixteen threads hold a block each at the same time; how many heaps does the C library then have?
HEAPS = """
import ctypes, sys, threading
from demo import memory
if sys.argv[1] == "shared":
    assert memory.share_one_heap()
barrier = threading.Barrier(16)
def hold():
    barrier.wait()
    block = bytearray(100_000)
    barrier.wait()
threads = [threading.Thread(target=hold) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's memory is set")
def test_threads_share_one_heap() -> None:
    def heaps(how: str) -> int:
        command = [sys.executable, "-c", HEAPS, how]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.count("<heap ")

    assert heaps("shared") <= 2
    assert heaps("as it is") > 2  # so the count means something


def test_memory_is_told_minute_by_minute() -> None:
    even = [(0.5 * i, 100.0 + i // 120) for i in range(240)]  # two minutes: 100, then 101
    assert by_minute(even) == [100, 101]
    assert by_minute([*even, (120.0, 341.0), (150.0, 341.0)]) == [100, pytest.approx((120 * 101 + 2 * 341) / 122)]
    assert by_minute([(0.0, 1.0), (59.9, 3.0), (60.0, 5.0), (119.0, 7.0)]) == [2, 6]
    assert by_minute([(0.0, 1.0), (20.0, 3.0)]) == [2], "less than a minute is one"
    assert by_minute([(1.0, 1.0), (61.0, 2.0), (115.0, 4.0)]) == [1, 3], "the last look comes a little early"


def test_growth_is_from_minutes_two_and_three_to_the_last_two() -> None:
    assert growth([900, 10, 30, 700, 5, 7]) == (20, 6)
    assert growth([900, 10, 30, 40, 60]) == (20, 50)
    assert all(map(math.isnan, growth([1, 2, 3, 4]))), "the last would be the first"


def test_memory_that_nobody_tells_is_no_number_and_no_fault() -> None:
    """Where there is no /proc; and a machine that slept through a minute."""
    assert all(map(math.isnan, by_minute([])))
    assert all(map(math.isnan, growth(by_minute([]))))
    found = by_minute([(1.0, 1.0), (130.0, 3.0), (178.0, 3.0)])
    assert (found[0], math.isnan(found[1]), found[2]) == (1, True, 3)


@pytest.mark.parametrize("wrong", ["--soak=3", "--soak=61", "--seconds=4", "--visitors=0", "--threads=17"])
def test_what_cannot_be_judged_is_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load.main([wrong])
    assert wrong.split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ([], {"load": 60}),
        (["--soak", "15"], {"load": 60, "soak": 30}),
        (["--soak", "14"], {"load": 60}),
        (["--seconds", "30"], {}),
        (["--visitors", "1", "30"], {}),
        (["--visitors", "--soak", "20"], {"soak": 30}),
        (["--threads", "2", "--soak", "15"], {}),
    ],
)
def test_only_a_whole_run_is_kept(
    options: list[str], kept: dict[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody visits here: what a run would find is planted."""

    def planted(_: Site, visitors: int, seconds: float, **__: object) -> Load:
        memory = [(at, 400.0) for at in range(5, int(seconds), 10)]
        return Load(visitors, [Answer(OPENED, 0, 0.3), Answer("act", 0, 0.1)], seconds, memory, 1)

    monkeypatch.setattr(record, "FOLDER", tmp_path)
    monkeypatch.setattr(load, "serve", lambda root: contextlib.nullcontext(Site("http://127.0.0.1:1", os.getpid(), 0)))
    monkeypatch.setattr(load, "warm", lambda site: None)
    monkeypatch.setattr(load, "drive", planted)
    assert load.main(options) == 0
    found = {path.stem: json.loads(path.read_bytes()) for path in tmp_path.iterdir()}
    assert {name: (of.get("levels") or [of])[-1]["visitors"] for name, of in found.items()} == kept
    if "soak" in found:
        assert found["soak"]["command"] == f"{load.COMMAND} --soak {options[-1]}"
        assert found["soak"]["mb_by_minute"] == [400] * int(options[-1])
