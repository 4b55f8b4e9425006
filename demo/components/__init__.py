"""Client-side elements: what must move at the speed of a hand. Knows nothing of models, files of weights or pages.

Each element is `js/NAME.js` (an ES module that node can import and test), `js/NAME.css` and a Python function that
validates what goes in and what comes out. The browser gets one module: the files an element imports are put before it
(Streamlit mounts inline modules from a blob: address, where relative imports cannot resolve).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

JS = Path(__file__).parent / "js"
_COMMENT = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
_IMPORT = re.compile(r"^import\s+\{[^}]*\}\s+from\s+[\"']\./(\w+)\.js[\"'];?\n", re.MULTILINE)


def bundle(name: str) -> str:
    """`js/NAME.js` with every module it imports put before it, once each, depth first; lines of comment stay here."""
    order: list[str] = []

    def visit(module: str) -> None:
        if module not in order:
            for imported in _IMPORT.findall((JS / f"{module}.js").read_text(encoding="utf-8")):
                visit(imported)
            order.append(module)

    visit(name)
    parts = []
    for module in order:
        text = _IMPORT.sub("", (JS / f"{module}.js").read_text(encoding="utf-8"))
        if module != name:
            text = re.sub(r"^export (?=(async )?(function|class|const|let)\b)", "", text, flags=re.MULTILINE)
        parts.append(text)
    return _COMMENT.sub("", "\n".join(parts))


def style(name: str) -> str:
    """`js/base.css`, shared by all elements, followed by the element's own sheet."""
    return "\n".join((JS / f"{sheet}.css").read_text(encoding="utf-8") for sheet in ("base", name))


def sealed(data: dict[str, Any]) -> tuple[dict[str, Any]]:
    """An element's data as Streamlit should send them; the browser finds them in `data[0]`.

    In a bare dict Streamlit looks for data frames and imports pandas for it, 0.9 s of a server's first run.
    """
    return (data,)
