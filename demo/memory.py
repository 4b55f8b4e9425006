"""How the C library keeps memory for a server of many threads. Knows nothing of what the memory is for.

Every visitor's run has a thread of its own. glibc gives threads heaps of their own, up to eight a core, and each keeps
what its largest moment took: 60 visitors held 280 MB more than one. Few heaps hold less and are no slower, because
Python's own lock lets the threads ask one after the other. Those that are there before the site's first line runs
stay, five beside the main one under `streamlit run`, and later threads take turns in them; so none may keep much.
What the large computations leave behind lies between what is still in use and does not go back by itself: 100 to
230 MB after a quarter of an hour (LOG.md, benchmarks/load.py).
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of malloc.h
MB = 1 << 20
SECONDS = 5.0  # between two times that memory is given back; each takes some milliseconds

_turns = threading.BoundedSemaphore(os.cpu_count() or 1)
_given_back = [0.0]  # time.monotonic() of the last time


def share_one_heap() -> bool:
    """Threads make no further heap from now on, and of what is free at a heap's end all but 2 MB goes back.

    False where the C library is no glibc. `malloc_trim` does not reach the end of any heap but the main one: with
    32 MB allowed there, 20 visitors left 10 MB in each. Arrays of 16 MB and more get pages of their own; smaller ones
    would cost more in page faults than they spare.
    """
    if not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, 16 * MB), (_TRIM_THRESHOLD, 2 * MB))
    return min(mallopt(name, value) for name, value in settings) == 1


@contextmanager
def in_turn() -> Iterator[None]:
    """Of the blocks under this as many run at a time as there are cores; every few seconds one gives memory back.

    Nothing inside may wait for what another such block computes, so what is cached is asked for before.
    """
    with _turns:
        yield
    now = time.monotonic()
    if now - _given_back[0] >= SECONDS:
        _given_back[0] = now
        give_back()


def give_back() -> bool:
    """Free pages between those in use go back to the system; False where none did or the C library is no glibc."""
    return _is_glibc() and ctypes.CDLL(None).malloc_trim(0) == 1


@cache
def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
