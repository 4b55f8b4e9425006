"""The tables of what benchmarks measured, from benchmarks/figures/NAME.json. Knows not how a figure was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from export import ExportError

DASH = "–"


def block(folder: Path, name: str) -> str:
    """The Markdown for one file of figures; one sentence where nothing was measured yet. Raises ExportError."""
    path = folder / f"{name}.json"
    if not path.exists():
        return "Not measured yet."
    try:
        found = json.loads(path.read_bytes())
        lines = [*TABLES[name](found), "", _setting(found)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ExportError(f"{path} cannot be read ({type(error).__name__}: {error}); measure it again") from error
    return "\n".join(lines)


def _setting(found: Mapping[str, Any]) -> str:
    busy = "" if found["load_before"] is None else f"; load before: {found['load_before']:.2f}"
    return f"`{found['command']}`, {found['date']}, {found['machine']}{busy}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 0) -> list[str]:
    """Lines of a Markdown table whose first `words` columns are words, the others numbers."""
    rule = ["---" if i < words else "--:" for i in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def _load(found: Mapping[str, Any]) -> list[str]:
    limits = found["limits"]
    rows = []
    for at in found["levels"]:
        further = at["mb_per_further_visitor"]
        rows.append(
            [
                str(at["visitors"]),
                f"{at['actions']:,}",
                f"{at['median_ms']:.0f}",
                f"{at['p95_ms']:.0f}" + (f" (≤ {limits['p95_ms']})" if at["visitors"] == limits["visitors"] else ""),
                f"{at['errors']} (0)",
                f"{at['peak_mb']:.0f}",
                DASH if further is None else f"{further:.1f} (≤ {limits['mb_per_further_visitor']})".replace("-", "−"),
                f"{at['cpu']:.0%}",
            ]
        )
    head = ("Visitors", "actions", "median, ms", "p95, ms", "errors", "peak, MB", "MB a further visitor", "CPU")
    return _table(head, rows)


def _soak(found: Mapping[str, Any]) -> list[str]:
    growth, limit = found["last_mb"] / found["first_mb"] - 1, found["limits"]["growth"] - 1
    minutes = " ".join(f"{held:.0f}" for held in found["mb_by_minute"])
    return [
        f"{found['visitors']} at a time for {found['minutes']:g} minutes, {found['visits']} visits, "
        f"{found['actions']:,} actions, p95 {found['p95_ms']:.0f} ms, {found['errors']} errors. Memory: "
        f"{found['first_mb']:.0f} MB in {found['first_minutes']}, {found['last_mb']:.0f} MB in the last two: "
        f"{growth:+.1%} (limit {limit:+.0%}).".replace("-", "−"),
        "",
        f"MB minute by minute: {minutes}.",
    ]


def _fuzz(found: Mapping[str, Any]) -> list[str]:
    rows = [[kind, f"{count:,}"] for kind, count in found["cases"].items()]
    return _table(("Cases", "tried"), [*rows, ["in all, none failed", f"{found['total']:,}"]], words=1)


def _page(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for figure in found["figures"]:
        value, limit, unit = figure["value"], figure["limit"], figure["unit"]
        digits = 0 if value >= 100 or (not unit and float(value).is_integer()) else 2
        shown = f"{value:.{digits}f} {unit}".strip()
        rows.append([figure["what"], shown, DASH if limit is None else f"≤ {limit:g} {unit}".strip()])
    return _table(("What", "measured", "limit"), rows, words=1)


def _training(found: Mapping[str, Any]) -> list[str]:
    rows = []
    for at in found["lines"]:
        row = [f"{at['minutes']:.2g}", at["name"], f"{at['images_a_second']:,}", str(at["epochs"]), f"{at['best']:.2f}"]
        if at["name"] == "ours":
            rows.append([*row, DASH, DASH, DASH])
            continue
        ours, times = at["ours_seconds"], at["times"]
        row += [f"{at['seconds_to_best']:.0f}", "never" if ours is None else f"{ours:.0f}"]
        rows.append([*row, DASH if times is None else f"{times:.1f}"])
    limit = found["limits"]["times"]
    head = ("Minutes", "trainer", "images a second", "epochs", "best −log p(x) ≤", "after, s", "ours after, s")
    lines = _table((*head, f"times as fast (≥ {limit})"), rows)
    return [*lines, "", *(f"Ours: `{command}`." for command in found["ours"])]


def _decoder(found: Mapping[str, Any]) -> list[str]:
    limits, largest = found["limits"], max(at["batch"] for at in found["rows"])
    names = tuple(found["rows"][0]["times"])
    rows = []
    for at in found["rows"]:
        times = [f"{at['times'][name]:.1f}" for name in names]
        if at["batch"] == 1:
            times[names.index("torch eager")] += f" (≥ {limits['times']})"
        share = f"{at['share']:.0%}" + (f" (≥ {limits['share']:.0%})" if at["batch"] == largest else "")
        rows.append([at["model"], str(at["batch"]), f"{at['us_a_picture']:.1f}", *times, share])
    head = ("Model", "batch", "onnxruntime, µs a picture", *(f"{name}, times that" for name in names))
    peak = f"The peak: {found['peak']['gflops']} Gflop/s, a product of 1024 × 1024 by {found['peak']['by']}."
    return [*_table((*head, "share of the peak"), rows, words=1), "", peak]


TABLES: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "load": _load,
    "soak": _soak,
    "fuzz": _fuzz,
    "page": _page,
    "training": _training,
    "decoder": _decoder,
}
