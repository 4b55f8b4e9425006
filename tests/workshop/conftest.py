"""Tests of training and export. Where torch is absent, as on the visitor's server, they are skipped and say so."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

if HAS_TORCH:
    import torch

    torch.set_num_threads(1)  # sums in one order: bit-identical weights are asserted here


class Unimportable(pytest.Module):
    """A test module that is not imported, for it needs torch; it is reported as skipped."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip("needs torch (pip install -r requirements-dev.txt)", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if HAS_TORCH:
        return None
    return Unimportable.from_parent(parent, path=module_path)
