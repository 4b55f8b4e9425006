"""The site stands alone: a copy of what the visitor's server gets runs without the workshop and without network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SITE = ("streamlit_app.py", "demo", "requirements.txt")
FORBIDDEN = ("torch", "onnx", "vae", "export", "tests", "benchmarks")

# Runs in the copy. An audit hook stops forbidden imports and any address but loopback, and remembers them, so that
# an attempt that is swallowed counts too. `-I` keeps the caller's folders and PYTHONPATH out of sys.path.
DRIVER = """
import json, sys

forbidden, sought = set(json.loads(sys.argv[1])), []

def stop(what):
    sought.append(what)
    raise ImportError(what)

def hook(event, args):
    if event == "import" and args[0].split(".")[0] in forbidden:
        stop(f"import {args[0]}")
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        if args[1][0] not in ("127.0.0.1", "::1"):
            stop(f"connection to {args[1][0]}")
    if event == "socket.getaddrinfo" and args[0] not in (None, "", "localhost", "127.0.0.1", "::1"):
        stop(f"look-up of {args[0]}")

sys.addaudithook(hook)
sys.path.insert(0, ".")

from streamlit.testing.v1 import AppTest
from demo.pages import PAGES

seen = {}
for page in PAGES:
    at = AppTest.from_file("streamlit_app.py", default_timeout=120)
    if page.url_path:
        at.switch_page(f"demo/pages/{page.file.name}")
    at.run()
    seen[page.title] = {
        "exceptions": [box.value for box in at.exception],
        "errors": [box.value for box in at.error],
        "headings": [box.value for box in at.title],
    }
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
foreign = [name for name in files if name.startswith(sys.argv[2]) and not name.startswith(sys.prefix)]
print("seen:", json.dumps({"pages": seen, "sought": sought, "foreign": foreign}))
"""


def run_alone(folder: Path) -> dict[str, Any]:
    """Runs every page of the copy in `folder`: what each showed, what was sought in vain, files of this checkout."""
    home = folder / "home"
    home.mkdir()
    run = subprocess.run(
        [sys.executable, "-I", "-B", "-c", DRIVER, json.dumps(FORBIDDEN), str(ROOT) + "/"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("seen: ")]
    assert run.returncode == 0, run.stderr[-3000:]
    assert lines, run.stderr[-3000:]
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("seen: "))
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Only what the visitor's server gets."""
    for name in SITE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_every_page_runs_in_a_copy_of_the_site_alone(copy: Path) -> None:
    found = run_alone(copy)
    assert found["sought"] == []
    assert found["foreign"] == []
    assert found["pages"]
    for title, page in found["pages"].items():
        assert page["exceptions"] == [], title
        assert page["errors"] == [], title
        assert page["headings"], title


PLANTED_PAGES = """
from pathlib import Path
from typing import NamedTuple
class Page(NamedTuple):
    title: str
    url_path: str
    file: Path
here = Path(__file__).parent
PAGES = (Page("Home", "", here / "home.py"), Page("Bad", "bad", here / "bad.py"))
"""
PLANTED_APP = """
import streamlit as st
from demo.pages import PAGES
st.navigation([st.Page(p.file, url_path=p.url_path or None, default=not p.url_path) for p in PAGES]).run()
"""


CONNECT = """
import socket
with socket.socket() as knock:
    try:
        knock.connect(("192.0.2.1", 80))
    except ImportError:
        pass
"""
SWALLOW = """
try:
    import vae
except ImportError:
    pass
"""
ASK = """
from urllib.request import urlopen
urlopen("http://example.org", timeout=1)
"""


@pytest.mark.parametrize(
    ("bad", "sought", "exceptions"),
    [
        ("st.write('fine')", [], []),
        ("raise ValueError('planted')", [], ["planted"]),
        ("import torch", ["import torch"], ["import torch"]),
        (SWALLOW, ["import vae"], []),
        (CONNECT, ["connection to 192.0.2.1"], []),
        (ASK, ["look-up of example.org"], ["look-up of example.org"]),
    ],
    ids=["sound", "exception", "torch", "swallowed", "connection", "look-up"],
)
def test_a_site_that_does_not_stand_alone_is_caught(
    tmp_path: Path, bad: str, sought: list[str], exceptions: list[str]
) -> None:
    pages = tmp_path / "demo" / "pages"
    pages.mkdir(parents=True)
    (tmp_path / "streamlit_app.py").write_text(PLANTED_APP, encoding="utf-8")
    (pages / "__init__.py").write_text(PLANTED_PAGES, encoding="utf-8")
    (pages / "home.py").write_text("import streamlit as st\nst.title('Home')\n", encoding="utf-8")
    (pages / "bad.py").write_text(f"import streamlit as st\n{bad}\n", encoding="utf-8")
    found = run_alone(tmp_path)
    assert found["sought"] == sought
    assert found["pages"]["Home"] == {"exceptions": [], "errors": [], "headings": ["Home"]}
    assert found["pages"]["Bad"]["exceptions"] == exceptions


def requirements(name: str) -> list[str]:
    """The lines of a requirements file that pip acts on."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in (line.partition("#")[0].strip() for line in lines) if line]


def test_the_cloud_takes_requirements_txt_and_nothing_else() -> None:
    """It looks beside the entry point for uv.lock, Pipfile and environment.yml first, and takes only one file."""
    names = ("uv.lock", "Pipfile", "Pipfile.lock", "environment.yml", "environment.yaml", "poetry.lock", "pdm.lock")
    assert [name for name in names if (ROOT / name).exists()] == []


def test_the_server_installs_four_pinned_packages() -> None:
    pins = [re.fullmatch(r"([a-z]+)==(\d+(?:\.\d+)+)", line) for line in requirements("requirements.txt")]
    assert all(pins), "each line is name==version"
    assert sorted(pin[1] for pin in pins if pin) == ["numpy", "onnxruntime", "plotly", "streamlit"]


def test_the_workshop_installs_the_site_too() -> None:
    first, *others = requirements("requirements-dev.txt")
    assert first == "-r requirements.txt"
    assert all(re.fullmatch(r"[\w-]+==[\w.+]+", line) for line in others), "each other line is name==version"
