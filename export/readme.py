"""The tables of README.md: results of the manifests, equations with their tests, what benchmarks measured:
`python -m export.readme [--check]`.

Knows nothing of torch or ONNX, nor how a figure was found: a manifest says so, and what it lacks stays a dash.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from export import ExportError, equations, figures

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
EQUATIONS = ("<!-- equations:begin -->", "<!-- equations:end -->")
MEASURED = ROOT / "benchmarks" / "figures"
MEND = "export the model again with: python -m export RUN --as ID"
DASH = "–"

HEAD = ("Model", "Latent dimensions", "Parameters", "−log p(x)", "by", "ELBO", "KL(q ‖ posterior)", "Test data")


def manifests(assets: Path) -> list[dict[str, Any]]:
    """Every manifest below `assets`, by latent dimension. Raises ExportError for one that cannot be read."""
    found = []
    for path in assets.glob("[!.]*/manifest.json"):
        try:
            manifest = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ExportError(f"{path} cannot be read ({' '.join(str(error).split())[:100]}); {MEND}") from error
        if not isinstance(manifest, dict):
            raise ExportError(f"{path} holds no JSON object; {MEND}")
        found.append(manifest | {"model": path.parent.name})
    return sorted(found, key=lambda m: (m.get("latent_dim") or float("inf"), m["model"]))


def table(found: list[dict[str, Any]]) -> str:
    """The block between the markers: a Markdown table, one row a model, and one line on how to read it."""
    if not found:
        return "No model has been exported yet."
    rows = [HEAD, ("---", "--:", "--:", "--:", "---", "--:", "--:", "---"), *map(_row, found)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(
        [
            *lines,
            "",
            "Mean over the test images ± its standard error; lower −log p(x) is better; “≤” marks a bound.",
        ]
    )


def _row(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    test, data, parameters = (_mapping(manifest.get(key)) for key in ("test", "data", "parameters"))
    exact = _mapping(test.get("log_p_x"))
    bound = _mapping(test.get("importance_weighted"))
    count = sum(n for n in parameters.values() if isinstance(n, int))
    nll = _figure(exact, -1) if exact else f"≤ {_figure(bound, -1)}" if bound else DASH
    return (
        f"`{manifest['model']}`",
        str(manifest.get("latent_dim", DASH)),
        f"{count:,}" if count else DASH,
        nll,
        _method(exact or bound),
        _figure(_mapping(test.get("elbo"))),
        _figure(_mapping(test.get("gap"))),
        _data(data, exact or bound),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _figure(figure: Mapping[str, Any], sign: int = 1) -> str:
    """ "126.31 ± 0.28", with a true minus sign; a dash where there is no value."""
    value, error = figure.get("value"), figure.get("standard_error")
    if not isinstance(value, int | float):
        return DASH
    shown = f"{sign * value:.2f}".replace("-", "−")
    return f"{shown} ± {error:.2f}" if isinstance(error, int | float) else shown


def _method(figure: Mapping[str, Any]) -> str:
    """The figure's own words, with the number of its samples and how many of them count, where it has samples."""
    method = str(figure.get("method", DASH)).replace("|", "\\|")
    samples = figure.get("samples")
    effective = _mapping(figure.get("effective_sample_size")).get("median")
    if isinstance(samples, int):
        method += f", {samples:,} samples"
    if isinstance(effective, int | float):
        method += f" (effective: {effective:.0f} at the median)"
    return method


def _data(data: Mapping[str, Any], figure: Mapping[str, Any]) -> str:
    images = figure.get("images", data.get("test_images"))
    parts = [str(data["dataset"])] if "dataset" in data else []
    parts += [f"{images:,} test images"] if isinstance(images, int) else []
    parts += [f"binarised once, {data['binarisation']}"] if "binarisation" in data else []
    parts += [f"seed {data['seed']}"] if "seed" in data else []
    return ", ".join(parts).replace("|", "\\|") or DASH


def renewed(readme: str, block: str, begin: str = BEGIN, end: str = END) -> str:
    """The text of README.md with `block` between its markers. Raises ExportError where they are not there once each."""
    if readme.count(begin) != 1 or readme.count(end) != 1 or readme.index(begin) > readme.index(end):
        raise ExportError(f"README.md needs the lines {begin} and {end}, once each and in this order")
    before, rest = readme.split(begin)
    return f"{before}{begin}\n{block}\n{end}{rest.split(end)[1]}"


def measured(name: str) -> tuple[str, str]:
    """The markers of a benchmark's block."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.readme", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the table is out of date")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="file to renew (default: README.md)")
    parser.add_argument("--assets", type=Path, default=ROOT / "demo" / "assets", help="folder of the models")
    arguments = parser.parse_args(argv)
    try:
        old = arguments.readme.read_text(encoding="utf-8")
        new = renewed(old, table(manifests(arguments.assets)))
        if EQUATIONS[0] in old:
            new = renewed(new, equations.table(), *EQUATIONS)
        for name in figures.TABLES:
            begin, end = measured(name)
            if begin in old:
                new = renewed(new, figures.block(MEASURED, name), begin, end)
        if old == new:
            print(f"{arguments.readme}: the results are those of the manifests")
        elif arguments.check:
            raise ExportError(f"{arguments.readme} differs from the manifests; run: python -m export.readme")
        else:
            arguments.readme.write_text(new, encoding="utf-8")
            print(f"{arguments.readme}: results renewed")
    except OSError as error:
        print(f"error: {arguments.readme} cannot be used ({error.strerror})", file=sys.stderr)
        return 1
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
