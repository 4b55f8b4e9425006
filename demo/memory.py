"""How the C library keeps memory for a server of many threads. Knows nothing of what the memory is for.

Every visitor's run has a thread of its own. glibc gives threads heaps of their own, up to eight a core, and each keeps
what its largest moment took: 60 visitors held 280 MB more than one. One heap for all held 140 MB more and was no
slower, because Python's own lock lets them ask one after the other (LOG.md, benchmarks/load.py).
"""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of malloc.h
MB = 1 << 20


def share_one_heap() -> bool:
    """Threads share one heap from now on, and what is free at its end goes back; False where the C library is no glibc.

    Arrays of 16 MB and more get pages of their own; smaller ones would cost more in page faults than they spare.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, 16 * MB), (_TRIM_THRESHOLD, 32 * MB))
    return min(mallopt(name, value) for name, value in settings) == 1
