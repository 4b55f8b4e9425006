"""How many cases the fuzz tests try: `python -m benchmarks.fuzz [TIMES]`. Runs tests/test_fuzz.py and keeps its count.

Knows nothing of the cases. With TIMES the tests take that many times as many, others at each run; nothing is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time

from benchmarks import record
from benchmarks.site import ROOT

TESTS = "tests/test_fuzz.py"
_COUNT = re.compile(r"^([\d,]+) cases: (.+)$", re.MULTILINE)


def counted(printed: str) -> dict[str, int] | None:
    """Cases by their kind, from what pytest printed; None where it says of none."""
    found = _COUNT.search(printed)
    if found is None:
        return None
    kinds = {
        kind: int(count.replace(",", "")) for count, _, kind in (part.partition(" ") for part in found[2].split(", "))
    }
    if sum(kinds.values()) != int(found[1].replace(",", "")):
        raise ValueError(f"the kinds do not add up: {found[0]}")
    return kinds


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("times", type=int, nargs="?", default=0, help="so many times as many cases, others each time")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.times <= 1000:
        parser.error("TIMES must be 0 to 1000")
    where = record.setting()
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", TESTS]
    started = time.perf_counter()
    run = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"FUZZ": str(arguments.times)}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    kinds = counted(run.stdout)
    if run.returncode or kinds is None:
        print(run.stdout[-4000:], run.stderr[-2000:], sep="\n", file=sys.stderr)
        return 1
    for kind, count in kinds.items():
        print(f"{kind:12} {count:8,}")
    print(f"{'in all':12} {sum(kinds.values()):8,} cases, none failed, {seconds:.0f} s")
    if not arguments.times:
        record.save(
            "fuzz", "python -m benchmarks.fuzz", where, cases=kinds, total=sum(kinds.values()), seconds=round(seconds)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
