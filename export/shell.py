"""The static page without its models: what is copied, which of the elements' modules it reaches, its colours.

Knows nothing of networks or of the folder it is written into.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from demo import colours
from demo.components import tables

STATIC = Path(__file__).parent / "static"
JS = Path(tables.__file__).parent / "js"
CONFIG = Path(__file__).resolve().parents[1] / ".streamlit" / "config.toml"

_OF_ELEMENTS = re.compile(r"""["']\.\./js/(\w+\.js)["']""")
_SIBLING = re.compile(r"""from\s+["']\./(\w+\.js)["']""")


def shell() -> Iterator[tuple[str, bytes]]:
    """The page itself: export/static/ as it is, the modules and sheets it reaches, and the theme's colours."""
    for path in sorted(path for path in STATIC.rglob("*") if path.is_file()):
        yield path.relative_to(STATIC).as_posix(), path.read_bytes()
    for path in sorted(reached()):
        yield f"js/{path.name}", path.read_bytes()
        if (sheet := path.with_suffix(".css")).exists():
            yield f"js/{sheet.name}", sheet.read_bytes()
    yield "js/base.css", (JS / "base.css").read_bytes()
    yield "theme.css", theme(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]).encode()


def reached() -> set[Path]:
    """The elements' modules that the shell imports, and what these import."""
    found: set[Path] = set()

    def visit(names: list[str]) -> None:
        for path in {JS / name for name in names} - found:
            found.add(path)
            visit(_SIBLING.findall(path.read_text(encoding="utf-8")))

    for path in STATIC.rglob("*.js"):
        visit(_OF_ELEMENTS.findall(path.read_text(encoding="utf-8")))
    return found


def theme(config: Mapping[str, Any]) -> str:
    """The theme of .streamlit/config.toml and the symbols' colours as CSS variables, under the names Streamlit uses."""

    def block(name: str, symbols: Mapping[str, str]) -> str:
        own = config[name]
        rows = {f"--st-{_dashed(key)}": value for key, value in own.items()}
        rows |= {f"--c-{symbol}": colour for symbol, colour in symbols.items()}
        return (
            ":root { color-scheme: " + name + "; " + " ".join(f"{key}: {value};" for key, value in rows.items()) + " }"
        )

    light, dark = block("light", colours.LIGHT), block("dark", colours.DARK)
    return f"/* Written by export/site.py. */\n{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"


def _dashed(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
