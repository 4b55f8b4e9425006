"""The server tells nobody of its machine, its models or its visitors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from demo import pretrained
from tests.conftest import ROOT

# What would silence onnxruntime by itself, and where it would keep what it has not told yet.
SILENT, HOMES = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"), ("HOME", "XDG_CACHE_HOME", "TMPDIR")
OPENED = """
import os
from demo import pretrained
vae = pretrained.load(pretrained.available()[0])
vae.decode([[0.0] * vae.latent_dim])
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.skipif(not pretrained.available(), reason="demo/assets has no model yet")
def test_a_model_that_is_opened_leaves_nothing_in_the_home_directory(tmp_path: Path) -> None:
    """onnxruntime keeps an identity of the machine and a queue of what it will send in the home directory."""
    clean = {name: value for name, value in os.environ.items() if name not in (*SILENT, *HOMES)}
    homes = dict.fromkeys(HOMES, str(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", OPENED], env=clean | homes, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["1"]
    assert sorted(tmp_path.rglob("*")) == []


def test_who_wants_to_tell_may() -> None:
    command = [sys.executable, "-c", "import demo, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    run = subprocess.run(
        command, env=os.environ | {"ORT_DISABLE_TELEMETRY": "0"}, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["0"]


def test_nothing_imports_onnxruntime_before_it_is_told() -> None:
    """`demo/__init__.py` runs before any module of demo, so before the one that imports onnxruntime."""
    run = subprocess.run(
        [sys.executable, "-c", "import sys, demo; print('onnxruntime' in sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.split() == ["False"]
    first = (ROOT / "streamlit_app.py").read_text(encoding="utf-8")
    assert "onnxruntime" not in first


@pytest.mark.parametrize("package", ["export", "benchmarks"])
def test_the_workshop_is_silent_too(package: str) -> None:
    command = [sys.executable, "-c", f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"]
    clean = {name: value for name, value in os.environ.items() if name not in SILENT}
    assert subprocess.run(command, env=clean, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split() == [
        "1"
    ]


def test_the_image_starts_as_a_user_without_rights_and_asks_no_network() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    said = {line.split()[0]: line.partition(" ")[2].strip() for line in lines if line and line[0] not in " #"}
    assert int(said["USER"]) > 0
    command = json.loads(said["CMD"])
    assert command[:3] == ["streamlit", "run", "streamlit_app.py"]
    options = dict(argument.removeprefix("--").split("=") for argument in command[3:])
    assert options["browser.serverAddress"], "or it asks checkip.amazonaws.com"
    assert options["server.port"] == said["EXPOSE"]
    check = json.loads(said["HEALTHCHECK"].partition(" CMD ")[2])
    assert f":{said['EXPOSE']}/_stcore/health" in check[-1]
    compile(check[-1], "HEALTHCHECK", "exec")
    settings = (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert re.search(r"^gatherUsageStats = false$", settings, re.MULTILINE)


def test_what_the_image_copies_is_let_through_to_it() -> None:
    """.dockerignore leaves out all but what is named; a copy of what it leaves out fails only when it is built."""
    copied = {
        name
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ")
        for name in line.split()[1:-1]
    }
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    assert copied == {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)
