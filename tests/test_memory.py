"""Large computations wait their turn and give memory back now and then; where there is no glibc, they only wait."""

from __future__ import annotations

import ast
import ctypes
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from demo import memory
from tests.conftest import ROOT

CORES = os.cpu_count() or 1
PATIENCE = 60.0  # seconds for what happens at once; only a fault takes them
GLIBC = platform.libc_ver()[0] == "glibc"


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which memory is given back; the clock of `memory` stands at its attribute `now`."""
    times: list[float] = []
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(memory, "time", clock)
    monkeypatch.setattr(memory, "_given_back", [0.0])
    monkeypatch.setattr(memory, "give_back", lambda: times.append(clock.now))
    return times


@pytest.fixture
def other_libc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without glibc, whose C library must be left alone."""

    def closed(name: object) -> None:
        raise OSError(f"{name} cannot be opened here")

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", closed)
    memory._is_glibc.cache_clear()
    yield
    memory._is_glibc.cache_clear()


@pytest.mark.usefixtures("given_back")
def test_as_many_blocks_run_as_there_are_cores_and_the_others_wait() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    full = threading.Barrier(CORES + 1)  # met by so many blocks at the same time, and by this test
    leave, further = threading.Event(), threading.Event()

    def first() -> None:
        nonlocal inside, most
        with memory.in_turn():
            with lock:
                inside += 1
                most = max(most, inside)
            full.wait(PATIENCE)
            leave.wait(PATIENCE)
            with lock:
                inside -= 1

    def late() -> None:
        nonlocal most
        with memory.in_turn():
            with lock:
                most = max(most, inside + 1)
            further.set()

    threads = [threading.Thread(target=first) for _ in range(CORES)]
    for thread in threads:
        thread.start()
    full.wait(PATIENCE)
    threads.append(threading.Thread(target=late))
    threads[-1].start()
    came_in = further.wait(0.2)  # where nobody waits it is a matter of microseconds
    leave.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not came_in
    assert further.is_set()
    assert most == CORES


@pytest.mark.usefixtures("given_back")
def test_a_block_that_fails_makes_room_for_the_next() -> None:
    def fail() -> None:
        for _ in range(CORES + 1):
            with pytest.raises(ZeroDivisionError), memory.in_turn():
                raise ZeroDivisionError
        done.set()

    done = threading.Event()
    threading.Thread(target=fail, daemon=True).start()
    assert done.wait(PATIENCE), "a turn was never given back"


def test_memory_is_given_back_at_most_every_five_seconds(given_back: list[float]) -> None:
    for now in (1000.0, 1000.1, 1004.9, 1005.0, 1009.9, 1200.0):
        memory.time.now = now  # type: ignore[attr-defined]
        with memory.in_turn():
            assert now not in given_back, "a block leaves nothing behind before it ends"
    assert given_back == [1000.0, 1005.0, 1200.0]
    assert memory.SECONDS == 5


@pytest.mark.usefixtures("other_libc")
def test_without_glibc_blocks_run_and_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_given_back", [-memory.SECONDS])
    ran = []
    with memory.in_turn():
        ran.append(True)
    assert ran
    assert memory._given_back[0] >= 0, "the time to give memory back had come"
    assert memory.give_back() is memory.share_one_heap() is False


# 80 MB in blocks of 100 kB, of which every fiftieth stays: what is free lies between what is still in use.
LEFT_BEHIND = """
import os
from pathlib import Path
from demo import memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
memory.share_one_heap()
blocks = [bytearray(100_000) for _ in range(800)]
kept = blocks[49::50]
full = resident()
del blocks
before = resident()
said = memory.give_back()
print(full - before, before - resident(), said)
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc gives pages between blocks back")
def test_what_lies_between_blocks_in_use_goes_back() -> None:
    command = [sys.executable, "-c", LEFT_BEHIND]
    by_itself, asked, said = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert float(by_itself) < 8, "so there is something to give back"
    assert float(asked) > 60
    assert said == "True"


# A thread that was there before the site, and so has a heap of its own, takes 20 MB in blocks of 100 kB and frees them.
AT_THE_END = """
import ctypes, os, sys, threading
from pathlib import Path
from demo import memory
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
def hold():
    first = bytearray(1000)
    there.set()
    go.wait()
    blocks = [bytearray(b"x" * 100_000) for _ in range(200)]
    full = resident()
    del blocks
    freed.append(full - resident())
there, go, freed = threading.Event(), threading.Event(), []
thread = threading.Thread(target=hold)
thread.start()
there.wait()
memory.share_one_heap()
if sys.argv[1] == "32 MB may stay":
    assert ctypes.CDLL(None).mallopt(memory._TRIM_THRESHOLD, 32 << 20)
go.set()
thread.join()
print(freed[0])
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc has several heaps")
def test_the_end_of_a_heap_that_was_there_before_goes_back() -> None:
    def freed(how: str) -> float:
        command = [sys.executable, "-c", AT_THE_END, how]
        return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)

    assert freed("as the site has it") > 16
    assert freed("32 MB may stay") < 4  # so the threshold is what does it


# --- Nothing inside a turn waits for another turn.


def waits_inside(source: str) -> list[str]:
    """Calls, within a turn, of functions of the same module that Streamlit caches, and turns within turns."""
    tree = ast.parse(source)
    shared = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("cache_" in ast.unparse(coat) for coat in node.decorator_list)
    }
    turns = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any("in_turn" in ast.unparse(item) for item in node.items)
    ]
    inside = [call for turn in turns for line in turn.body for call in ast.walk(line) if isinstance(call, ast.Call)]
    names = [ast.unparse(call.func) for call in inside]
    return [name for name in names if name in shared or name == "_encoded" or name.endswith("in_turn")]


def test_no_turn_waits_for_another() -> None:
    source = (ROOT / "demo" / "cache.py").read_text(encoding="utf-8")
    assert source.count("with memory.in_turn():") > 5
    assert waits_inside(source) == []
    elsewhere = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "demo").rglob("*.py")
        if "in_turn" in path.read_text(encoding="utf-8")
    ]
    assert sorted(elsewhere) == ["demo/cache.py", "demo/memory.py"]


@pytest.mark.parametrize(
    "line", ["return slow(table(x))", "with memory.in_turn(): pass", "_encoded(x)", "f = lambda: table(x)"]
)
def test_a_turn_that_waits_is_seen(line: str) -> None:
    source = f"@st.cache_data\ndef table(x): ...\ndef slow(x):\n    with memory.in_turn():\n        {line}\n"
    assert waits_inside(source)
