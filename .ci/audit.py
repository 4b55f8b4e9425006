"""Known weaknesses of what a server installs: `python .ci/audit.py`. Knows nothing of the site but requirements.txt.

pip-audit asks an advisory database of each package, with all that it brings along. It ends with 0 also where the
database answered for none of them, so its word for "clean" is not taken: every package must have been looked up.
Ends with 1 where a weakness is known, and with 0 where none is or where nobody could be asked, which is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 600.0  # seconds; pip-audit resolves the requirements in an environment of its own


class Verdict(NamedTuple):
    """What to print and whether the run fails."""

    sentence: str
    fails: bool


def judge(report: str, fault: str = "") -> Verdict:
    """What pip-audit's `-f json` says; `fault`: the last words of its standard error, for where it says nothing."""
    try:
        packages = json.loads(report)["dependencies"]
        known = {package["name"]: package["vulns"] for package in packages if "skip_reason" not in package}
        skipped = [package["name"] for package in packages if "skip_reason" in package]
        weak = [
            f"{name}: {weakness['id']} (mended in {', '.join(weakness['fix_versions']) or 'no version'})"
            for name, weaknesses in known.items()
            for weakness in weaknesses
        ]
    except (ValueError, KeyError, TypeError):
        return Verdict(f"not audited: pip-audit gave no report ({fault or 'and no reason'})", fails=False)
    unasked = f"not audited: the database did not answer for {len(skipped)} of {len(packages)} packages"
    if len(skipped) < len(packages):
        unasked += f" ({', '.join(skipped)})"
    if weak:
        also = f"; {unasked}" if skipped else ""
        return Verdict(f"known weaknesses: {'; '.join(weak)}{also}", fails=True)
    if skipped or not packages:
        return Verdict(unasked, fails=False)
    return Verdict(f"audited: no weakness is known of {len(packages)} packages", fails=False)


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "-r", str(ROOT / "requirements.txt"), "-f", "json"]
    command += ["--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        report, told = done.stdout, done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        report, told = "", [f"no answer within {PATIENCE:g} s"]
    verdict = judge(report, told[-1] if told else "")
    print(verdict.sentence)
    return int(verdict.fails)


if __name__ == "__main__":
    sys.exit(main())
