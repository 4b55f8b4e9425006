"""README.md says what is so: its commands, its results and its tree."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from demo.pages import PAGES
from export import ExportError, equations, figures, readme

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    "pip install -r requirements.txt && streamlit run streamlit_app.py",
    "pip install -r requirements-dev.txt && pytest",
)


def read() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stands_alone_on_its_line(command: str) -> None:
    assert command in [line.strip() for line in read().splitlines()]


def test_the_results_are_those_of_the_manifests() -> None:
    assert read() == readme.renewed(read(), readme.table(readme.manifests(ROOT / "demo" / "assets")))


@pytest.mark.parametrize("name", figures.TABLES)
def test_what_was_measured_is_what_is_kept(name: str) -> None:
    begin, end = readme.measured(name)
    assert read() == readme.renewed(read(), figures.block(readme.MEASURED, name), begin, end)


def test_the_version_stands_in_one_place_and_the_changelog_tells_of_it() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.+?)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)[0] == version


def tracked() -> list[str]:
    """Files that git knows; without git the test is skipped, and in CI it fails."""
    try:
        run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            pytest.fail(f"needs git and a clone: {error}")
        pytest.skip(f"needs git and a clone: {error}")
    return [name for name in run.stdout.split("\0") if name]


def named(text: str) -> set[str]:
    """Paths in the first column of the tables: | `path` | what it is |."""
    return set(re.findall(r"^\| `([^`]+)` \|", text.replace(results(text), ""), re.MULTILINE))


def results(text: str) -> str:
    return text[text.index(readme.BEGIN) : text.index(readme.END)]


def wanted(files: list[str]) -> set[str]:
    """Every top-level file and folder but the README itself, and every module and folder of demo/."""
    top = {name.split("/")[0] + "/" * ("/" in name) for name in files} - {"README.md"}
    demo = [name.split("/") for name in files if name.startswith("demo/") and not name.endswith("/__init__.py")]
    return top | {"/".join(parts[:2]) + "/" * (len(parts) > 2) for parts in demo}


def test_every_equation_has_a_page_and_tests_that_exist() -> None:
    """All fourteen, pages of the site, functions of the tests; and the README has the table as it is now."""
    assert [equation.number for equation in equations.EQUATIONS] == list(range(1, 15))
    pages = {page.name for page in PAGES}
    for equation in equations.EQUATIONS:
        assert equation.pages
        assert set(equation.pages) <= pages, equation
        for test in equation.tests:
            file, _, function = test.partition("::")
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
        assert equation.tests
    begin, end = readme.EQUATIONS
    assert read().split(begin)[1].split(end)[0].strip() == equations.table()


def test_the_tree_names_what_there_is() -> None:
    assert wanted(tracked()) - named(read()) == set()


def test_the_tree_names_nothing_that_is_not_there() -> None:
    parts = [name.split("/") for name in tracked()]
    there = {"/".join(path) for path in parts} | {"/".join(p[:n]) + "/" for p in parts for n in range(1, len(p))}
    assert named(read()) - there == set()


def test_a_tree_is_read_as_it_is_drawn() -> None:
    text = f"| `a.py` | `b.py` |\n| where | `c.py` |\n{readme.BEGIN}\n| `z2` | 2 |\n{readme.END}\n| `d/` | x |\n"
    assert named(text) == {"a.py", "d/"}
    assert wanted(
        ["LICENSE", "README.md", "a/b.py", "demo/__init__.py", "demo/x.py", "demo/pages/y.py", ".ci/run"]
    ) == {
        "LICENSE",
        "a/",
        ".ci/",
        "demo/",
        "demo/x.py",
        "demo/pages/",
    }


# The generator.

FULL: dict[str, Any] = {
    "latent_dim": 2,
    "data": {
        "dataset": "MNIST",
        "test_images": 10000,
        "binarisation": "dynamic: x_i ~ Bernoulli(grey_i / 255)",
        "seed": 0,
    },
    "test": {
        "log_p_x": {"value": -126.3149, "standard_error": 0.284, "images": 10000, "method": "quadrature"},
        "elbo": {"value": -129.0, "standard_error": 0.291, "images": 10000, "method": "closed-form KL"},
        "gap": {"value": 2.685, "standard_error": 0.01},
        "importance_weighted": {"value": -126.4, "standard_error": 0.28, "samples": 1000},
    },
    "parameters": {"encoder": 1000000, "decoder": 234567},
}
BOUND: dict[str, Any] = FULL | {
    "latent_dim": 32,
    "test": {
        "importance_weighted": {
            "value": -84.6,
            "standard_error": 0.27,
            "images": 500,
            "method": "proposal q(z|x)",
            "samples": 1000,
            "effective_sample_size": {"mean": 14.0, "median": 12.4, "least": 1.1},
        },
    },
}


def assets(folder: Path, **models: object) -> Path:
    for name, manifest in models.items():
        (folder / name).mkdir()
        (folder / name / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def cells(folder: Path) -> list[list[str]]:
    lines = readme.table(readme.manifests(folder)).splitlines()
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")][2:]


def test_figures_come_from_the_manifests_by_latent_dimension(tmp_path: Path) -> None:
    rows = [[cell.strip() for cell in row] for row in cells(assets(tmp_path, z32=BOUND, z2=FULL))]
    data = "test images, binarised once, dynamic: x_i ~ Bernoulli(grey_i / 255), seed 0"
    exact = ["`z2`", "2", "1,234,567", "126.31 ± 0.28", "quadrature", "−129.00 ± 0.29", "2.69 ± 0.01"]
    method = "proposal q(z\\|x), 1,000 samples (effective: 12 at the median)"
    bound = ["`z32`", "32", "1,234,567", "≤ 84.60 ± 0.27", method, "–", "–"]
    assert rows == [[*exact, f"MNIST, 10,000 {data}"], [*bound, f"MNIST, 500 {data}"]]


def test_what_a_manifest_lacks_is_a_dash(tmp_path: Path) -> None:
    (row,) = cells(assets(tmp_path, bare={}))
    assert [cell.strip() for cell in row] == ["`bare`", *["–"] * (len(readme.HEAD) - 1)]
    (tmp_path / ".z2.part").mkdir()
    (tmp_path / ".z2.part" / "manifest.json").write_text("half", encoding="utf-8")
    assert len(cells(tmp_path)) == 1, "what an export left unfinished is no model"


def test_no_models_no_table(tmp_path: Path) -> None:
    assert "No model" in readme.table(readme.manifests(tmp_path))


def test_the_command_renews_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "assets").mkdir()
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n", encoding="utf-8")
    options = ["--readme", str(page), "--assets", str(assets(tmp_path / "assets", z2=FULL))]
    assert readme.main([*options, "--check"]) == 1
    assert "differs" in capsys.readouterr().err
    assert "old" in page.read_text(encoding="utf-8")
    assert readme.main(options) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(f"{readme.END}\nafter\n")
    assert "126.31 ± 0.28" in text
    assert readme.main([*options, "--check"]) == 0


@pytest.mark.parametrize("text", ["", "{0}", "{1} {0}", "{0} {0} {1}"])
def test_a_page_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ExportError, match="once each"):
        readme.renewed(text.format(readme.BEGIN, readme.END), "block")


@pytest.mark.parametrize("content", ["{", "[]", "7"])
def test_a_broken_manifest_is_one_clear_line(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = assets(tmp_path, z2={})
    (folder / "z2" / "manifest.json").write_text(content, encoding="utf-8")
    (tmp_path / "README.md").write_text(f"{readme.BEGIN}{readme.END}", encoding="utf-8")
    assert readme.main(["--readme", str(tmp_path / "README.md"), "--assets", str(folder)]) == 1
    error = capsys.readouterr().err
    assert "manifest.json" in error
    assert error.count("\n") == 1
    assert readme.main(["--readme", str(tmp_path / "none.md"), "--assets", str(tmp_path)]) == 1
