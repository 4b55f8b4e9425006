"""The loading dock: turns a training run into the site's assets. Knows torch, ONNX and the site's loader, no pages."""

from __future__ import annotations

import demo  # noqa: F401  # before onnxruntime: it keeps that silent


class ExportError(Exception):
    """A run cannot be exported, or what was exported differs from it; one line with the numbers or the mend."""
