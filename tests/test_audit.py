"""What pip-audit's report is taken for. Nothing is asked of a network here."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT


def opened() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


audit = opened()
CLEAN = {"name": "numpy", "version": "2.4.6", "vulns": []}
WEAK = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [
        {"id": "PYSEC-2022-10", "fix_versions": ["9.0.1"], "aliases": ["CVE-2022-24303"], "description": "…"},
        {"id": "PYSEC-2022-11", "fix_versions": [], "aliases": [], "description": "…"},
    ],
}
# The very words of a run on a machine whose requests are refused; that run ended with 0.
SKIPPED = {
    "name": "streamlit",
    "skip_reason": "Dependency not found on PyPI and could not be audited: streamlit (1.67.0)",
}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_all_looked_up_and_none_weak_is_clean() -> None:
    verdict = audit.judge(report(CLEAN, {**CLEAN, "name": "plotly"}))
    assert verdict == ("audited: no weakness is known of 2 packages", False)


def test_a_weakness_fails_and_is_named_with_its_mend() -> None:
    verdict = audit.judge(report(CLEAN, WEAK))
    assert verdict.fails
    assert "pillow: PYSEC-2022-10 (mended in 9.0.1); pillow: PYSEC-2022-11 (mended in no version)" in verdict.sentence
    assert "not audited" not in verdict.sentence


def test_a_weakness_fails_also_where_others_were_not_looked_up() -> None:
    verdict = audit.judge(report(SKIPPED, WEAK))
    assert verdict.fails
    assert "PYSEC-2022-10" in verdict.sentence
    assert "not audited: the database did not answer for 1 of 2 packages (streamlit)" in verdict.sentence


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ([SKIPPED], "not audited: the database did not answer for 1 of 1 packages"),
        ([SKIPPED, {**SKIPPED, "name": "numpy"}], "not audited: the database did not answer for 2 of 2 packages"),
        ([SKIPPED, CLEAN], "not audited: the database did not answer for 1 of 2 packages (streamlit)"),
        ([], "not audited: the database did not answer for 0 of 0 packages"),
    ],
)
def test_what_was_not_looked_up_is_not_clean(packages: list[dict[str, Any]], said: str) -> None:
    assert audit.judge(report(*packages)) == (said, False)


@pytest.mark.parametrize("broken", ["", "No known vulnerabilities found", "[]", "{}", '{"dependencies": [{}]}'])
def test_no_report_is_not_clean(broken: str) -> None:
    verdict = audit.judge(broken, "ERROR: Could not connect to PyPI's vulnerability feed")
    assert verdict.sentence.startswith("not audited: pip-audit gave no report (ERROR: Could not connect")
    assert not verdict.fails
    assert audit.judge(broken).sentence == "not audited: pip-audit gave no report (and no reason)"


@pytest.mark.parametrize(("packages", "status"), [([CLEAN], 0), ([WEAK], 1), ([SKIPPED], 0)])
def test_one_line_is_printed_and_a_weakness_alone_fails(
    packages: list[dict[str, Any]], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[1:3] == ["-m", "pip_audit"]
        return subprocess.CompletedProcess(command, 1, report(*packages), "No known vulnerabilities found")

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main() == status
    assert capsys.readouterr().out == audit.judge(report(*packages)).sentence + "\n"


def test_no_answer_in_time_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main() == 0
    assert capsys.readouterr().out == "not audited: pip-audit gave no report (no answer within 600 s)\n"


def test_the_run_has_the_step_and_its_package_is_pinned() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^step \"pip-audit\" python \.ci/audit\.py$", steps, re.MULTILINE)
    assert re.search(r"^pip-audit==\S+$", (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"), re.MULTILINE)
