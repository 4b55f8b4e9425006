"""Imports point one way. The table says what each module may import; a module of the site that is not in it fails.

Next to each test stands its own test: a tree with a planted violation, and an import that does leak.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("demo", "vae", "export", "streamlit_app", "benchmarks", "tests")


class Layer(NamedTuple):
    """What a module may import: modules of ours (each with what lies below it) and packages of others."""

    ours: frozenset[str]
    others: frozenset[str]


def layer(ours: str = "", others: str = "") -> Layer:
    return Layer(frozenset(ours.split()), frozenset(others.split()))


FLOOR = (
    "demo.densities demo.integrate demo.evidence demo.derivation demo.toys demo.paths demo.digits demo.mnist "
    "demo.estimators demo.contest demo.units demo.colours demo.pictures demo.walks demo.framing"
)
BELOW_PAGES = (
    f"{FLOOR} demo.receipts demo.pretrained demo.ends demo.figures demo.drawings demo.address demo.cache demo.layout "
    "demo.ledger demo.links demo.drawn demo.components demo.published demo.training"
)

# "name.*" stands for every module below that package. The standard library is free to all.
TABLE = {
    "demo": layer(),
    "demo.densities": layer("", "numpy"),
    "demo.integrate": layer("demo.densities", "numpy"),
    "demo.evidence": layer("demo.densities demo.integrate", "numpy"),
    "demo.derivation": layer("demo.densities demo.integrate demo.evidence", "numpy"),
    "demo.estimators": layer("demo.densities demo.integrate demo.evidence", "numpy"),
    "demo.contest": layer("demo.densities demo.integrate demo.evidence", "numpy"),
    "demo.units": layer("", "numpy"),
    "demo.toys": layer("demo.densities demo.integrate", "numpy"),
    "demo.paths": layer("demo.densities", "numpy"),
    "demo.walks": layer("demo.densities demo.paths", "numpy"),
    "demo.mnist": layer("", "numpy"),
    "demo.digits": layer("demo.densities demo.mnist", "numpy"),
    "demo.colours": layer(),
    "demo.framing": layer("", "numpy"),
    "demo.pictures": layer("demo.colours", "numpy PIL"),
    "demo.pretrained": layer("", "numpy onnxruntime"),
    "demo.ends": layer("demo.densities demo.digits demo.pretrained", "numpy"),
    "demo.published": layer(),
    "demo.memory": layer(),
    "demo.training": layer("demo.pretrained", "numpy"),
    "demo.figures": layer("demo.figures"),
    "demo.figures.*": layer("demo.colours demo.figures", "numpy plotly"),
    "demo.drawings": layer("demo.colours demo.pictures", "numpy"),
    "demo.receipts": layer(),
    "demo.receipts.again": layer("", "numpy"),  # shares no code with what it checks
    "demo.receipts.*": layer(f"{FLOOR} demo.receipts", "numpy"),
    "demo.address": layer("demo.digits", "numpy streamlit"),
    "demo.cache": layer(f"{FLOOR} demo.pretrained demo.ends demo.training demo.figures demo.memory", "numpy streamlit"),
    "demo.layout": layer(f"{FLOOR} demo.pretrained demo.figures demo.cache demo.components", "streamlit"),
    "demo.ledger": layer("demo.receipts demo.address demo.layout", "streamlit"),
    "demo.links": layer("demo.address demo.components", "streamlit"),
    "demo.drawn": layer(
        f"{FLOOR} demo.pretrained demo.address demo.cache demo.layout demo.components", "numpy streamlit"
    ),
    "demo.components": layer(),
    "demo.components.*": layer("demo.components demo.colours demo.framing demo.paths demo.walks", "numpy streamlit"),
    "demo.lenses": layer(),
    "demo.lenses.*": layer(f"{BELOW_PAGES} demo.lenses", "numpy streamlit"),
    "demo.pages": layer(),
    "demo.pages.*": layer(f"{BELOW_PAGES} demo.lenses demo.pages", "numpy streamlit"),
    "streamlit_app": layer("demo.pages", "streamlit"),
    "vae": layer(),
    "vae.datasets": layer("demo.mnist", "numpy tqdm sklearn"),
    "vae.evaluate": layer(f"{FLOOR} demo.pretrained vae", "numpy torch tqdm"),  # what is shipped is what is scored
    "vae.engine": layer("vae.checkpoint", "torch lightning_fabric"),
    "vae.*": layer(f"{FLOOR} vae", "numpy torch tqdm"),
    "export": layer("demo"),
    "export.site": layer(f"{FLOOR} demo.components.tables demo.ends demo.pretrained export", "numpy"),
    "export.shell": layer("demo.colours demo.components.tables"),
    "export.training": layer("demo.pretrained demo.training export", "numpy PIL"),
    "export.*": layer(f"{FLOOR} demo.pretrained vae export", "numpy torch tqdm onnx onnxscript onnxruntime"),
}


def rule(module: str) -> Layer | None:
    """The module's row, or that of the nearest package above it; None where the table does not know it."""
    if module in TABLE:
        return TABLE[module]
    parents = [module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1)]
    return next((TABLE[f"{parent}.*"] for parent in parents if f"{parent}.*" in TABLE), None)


def modules(root: Path) -> dict[str, Path]:
    """Dotted name → file of everything the table speaks of."""
    files = [
        root / "streamlit_app.py",
        *(path for top in ("demo", "vae", "export") for path in root.glob(f"{top}/**/*.py")),
    ]
    found = {}
    for path in sorted(filter(Path.exists, files)):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, module) of each import in the file, wherever it stands; also __import__("x") and import_module("x")."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=aliases):
                yield from ((node.lineno, alias.name) for alias in aliases)
            case ast.ImportFrom(module=source, names=aliases, level=level):
                if level:
                    base = package.split(".")[: package.count(".") + 2 - level]
                    source = ".".join([*base, source] if source else base)
                assert source is not None
                for alias in aliases:
                    inner = f"{source}.{alias.name}"
                    yield node.lineno, inner if inner in known else source
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                yield node.lineno, target


def violations(root: Path) -> list[str]:
    """One line for each import that the table does not allow, and for each module that it does not know."""
    files = modules(root)
    found = []
    for name, path in files.items():
        row = rule(name)
        if row is None:
            found.append(f"{name} is not in the table of tests/test_layers.py; say there what it may import")
            continue
        for line, target in imports(name, path, files.keys() | TABLE.keys()):
            top = target.split(".")[0]
            if top in OURS:
                parts = target.split(".")
                allowed = any(".".join(parts[:n]) in row.ours for n in range(1, len(parts) + 1))
                allowed = allowed or target == name.split(".")[0] != name  # a package's own front is loaded anyway
            else:
                allowed = top in row.others or top in sys.stdlib_module_names
            if not allowed:
                found.append(f"{path.relative_to(root)}:{line}: {name} may not import {target}")
    return found


def test_imports_point_one_way() -> None:
    assert violations(ROOT) == []


def test_the_table_itself_has_no_way_round() -> None:
    rows = {name.removesuffix(".*"): row for name, row in TABLE.items()}  # a package and what lies below it: the wider
    list(TopologicalSorter({name: row.ours - {name} for name, row in rows.items()}).static_order())


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


SOUND = {
    "streamlit_app.py": "import streamlit as st\nfrom demo.pages import PAGES\n",
    "demo/__init__.py": "",
    "demo/densities.py": "import math\nimport numpy as np\n",
    "demo/integrate.py": "import numpy as np\n",
    "demo/evidence.py": "from demo import densities\nfrom .integrate import Grid\n",
    "demo/pretrained.py": "from onnxruntime import InferenceSession\n",
    "demo/cache.py": "import streamlit as st\nimport demo.pretrained\nfrom demo.evidence import account\n",
    "demo/components/__init__.py": "",
    "demo/components/pad.py": "import streamlit as st\nfrom demo.components import bundle\nfrom . import held\n",
    "demo/components/held.py": "",
    "demo/pages/__init__.py": "from dataclasses import dataclass\n",
    "demo/pages/home.py": "from demo import cache, evidence\nfrom demo.components.pad import pad\n",
    "vae/__init__.py": "",
    "vae/train.py": "import torch\nfrom vae.config import Config\nfrom demo import mnist\n",
    "export/__init__.py": "",
    "export/model.py": "import onnx\nfrom demo.pretrained import load\nfrom vae.checkpoint import load_run\n",
}


def test_a_sound_tree_has_no_violation(tmp_path: Path) -> None:
    assert violations(plant(tmp_path, SOUND)) == []


@pytest.mark.parametrize(
    ("file", "text", "module", "target"),
    [
        ("demo/densities.py", "import scipy.special", "demo.densities", "scipy.special"),
        ("demo/densities.py", "from demo.evidence import account", "demo.densities", "demo.evidence"),
        ("demo/densities.py", "from . import evidence", "demo.densities", "demo.evidence"),
        ("demo/evidence.py", "def f():\n    import streamlit", "demo.evidence", "streamlit"),
        ("demo/evidence.py", "from demo.pretrained import load", "demo.evidence", "demo.pretrained"),
        ("demo/cache.py", "import onnxruntime as ort", "demo.cache", "onnxruntime"),
        ("demo/cache.py", "from demo.pages import home", "demo.cache", "demo.pages.home"),
        ("demo/components/pad.py", "from demo import cache", "demo.components.pad", "demo.cache"),
        ("demo/components/pad.py", "from .. import cache", "demo.components.pad", "demo.cache"),
        ("demo/pages/home.py", "import plotly.graph_objects as go", "demo.pages.home", "plotly.graph_objects"),
        ("demo/pages/home.py", "if TYPE_CHECKING:\n    from torch import Tensor", "demo.pages.home", "torch"),
        ("demo/pages/home.py", "import importlib\nimportlib.import_module('torch')", "demo.pages.home", "torch"),
        ("demo/pages/home.py", "__import__('vae.train')", "demo.pages.home", "vae.train"),
        ("demo/pages/home.py", "from export import ExportError", "demo.pages.home", "export"),
        ("demo/pretrained.py", "from tests import conftest", "demo.pretrained", "tests"),
        ("streamlit_app.py", "from demo import cache", "streamlit_app", "demo.cache"),
        ("vae/train.py", "import streamlit", "vae.train", "streamlit"),
        ("vae/train.py", "from demo import pretrained", "vae.train", "demo.pretrained"),
        ("vae/train.py", "from export.model import export_run", "vae.train", "export.model"),
        ("vae/new/deep.py", "import plotly", "vae.new.deep", "plotly"),
        ("export/model.py", "from demo.cache import table", "export.model", "demo.cache"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, file: str, text: str, module: str, target: str) -> None:
    root = plant(tmp_path, SOUND | {file: text + "\n"})
    line = 1 + text.count("\n")
    assert violations(root) == [f"{file}:{line}: {module} may not import {target}"]


@pytest.mark.parametrize("file", ["demo/utils.py", "demo/extra/__init__.py"])
def test_a_module_outside_the_table_is_caught(tmp_path: Path, file: str) -> None:
    (message,) = violations(plant(tmp_path, SOUND | {file: "import math\n"}))
    assert message.startswith(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert "is not in the table" in message


def leaks(names: list[str], package: str) -> str | None:
    """The first of the modules whose import, in a fresh process and this order, loads the package; None for none."""
    script = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"    if {package!r} in sys.modules:\n"
        "        print('leak:', name)\n"
        "        break\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    leak = [line.removeprefix("leak: ") for line in run.stdout.splitlines() if line.startswith("leak: ")]
    return leak[0] if leak else None


def site_modules() -> list[str]:
    """Every module of the site but the pages, which tests/test_standalone.py runs where torch cannot be had."""
    return [name for name in modules(ROOT) if name.startswith("demo") and not name.startswith("demo.pages.")]


def test_no_module_of_the_site_loads_torch() -> None:
    assert leaks(site_modules(), "torch") is None


def test_the_floor_does_not_load_streamlit() -> None:
    floor = [
        name
        for name in site_modules()
        if name in FLOOR.split() or name.startswith(("demo.receipts", "demo.pretrained", "demo.figures"))
    ]
    assert len(floor) >= 5
    assert leaks(floor, "streamlit") is None


def test_a_leak_is_seen() -> None:
    assert leaks(["demo", "demo.mnist", "streamlit"], "streamlit") == "streamlit"
    if importlib.util.find_spec("torch") is None:
        pytest.skip("that torch would be seen too needs torch")
    assert leaks(["demo", "torch"], "torch") == "torch"
