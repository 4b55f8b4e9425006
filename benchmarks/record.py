"""Keeps what a benchmark measured: `benchmarks/figures/NAME.json`, from which `python -m export.readme` writes tables.

Knows neither what is measured nor how a table looks.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "figures"


def machine() -> str:
    """The processor, its cores, the memory and the Python, in words; without /proc a little less."""
    cpu, memory = platform.machine(), ""
    with contextlib.suppress(OSError, StopIteration):
        memory = f", {int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB"
        cpu = _first("/proc/cpuinfo", "model name")  # which ARM does not tell
    return f"{os.cpu_count()} cores of {cpu}{memory}, Python {platform.python_version()}"


def _first(path: str, name: str) -> str:
    """What stands after the colon of the first line that begins so."""
    lines = Path(path).read_text().splitlines()
    return next(" ".join(line.partition(":")[2].split()) for line in lines if line.startswith(name))


def setting() -> dict[str, Any]:
    """Where and when: to be asked before the measurement, for it tells what else the machine was doing."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load_before": None if busy is None else round(busy, 2),
    }


def save(name: str, command: str, where: dict[str, Any], **measured: Any) -> bool:
    """Writes what was measured beside its setting and the command that measures it again; False, and a file of before
    stays as it is, where one of the figures could not be measured (NaN).
    """
    path = FOLDER / f"{name}.json"
    content = {"command": command, **where, **measured}
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        print(f"{path.name} is not written: one of its figures could not be measured")
        return False
    FOLDER.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"written: {FOLDER.name}/{path.name}; python -m export.readme brings it into the README")
    return True
