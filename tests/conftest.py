"""What every test may ask for. Knows nothing of torch."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from demo import mnist
from demo.components import held

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

if importlib.util.find_spec("hypothesis"):  # it is not there where only what the server installs is
    from hypothesis import settings

    # Speed is measured in benchmarks/ and never in a test.
    settings.register_profile("patient", settings.default, deadline=None)
    settings.load_profile("patient")

_shared = ROOT.parent / "shared" / "mnist"
if not os.environ.get("MNIST_DIR") and _shared.is_dir():
    os.environ["MNIST_DIR"] = str(_shared)


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Of the processes of `pytest -n 2` one has the browser, and a file's tests share what they set up."""
    from xdist.scheduler import LoadScopeScheduling

    class OneBrowser(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else nodeid.partition("::")[0]

    return OneBrowser(config, log)


@pytest.fixture(autouse=True)
def _sessions_count_from_nought(monkeypatch: pytest.MonkeyPatch) -> None:
    """What elements are given bears the numbers 0, 1, … in a test's session; a visitor's begin anywhere."""
    monkeypatch.setattr(held, "_drawn", lambda: 0)


def mnist_or_skip(split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [N, 784] and labels [N]; where they cannot be had the test is skipped, and in CI it fails."""
    try:
        return mnist.load(split)
    except mnist.DataError as error:
        if IN_CI:
            pytest.fail(f"MNIST must be there in CI: {error}")
        pytest.skip(f"needs MNIST: {error}")


@pytest.fixture(scope="session")
def mnist_test() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 10,000 test digits: grey images [10000, 784] and labels [10000], read-only."""
    return mnist_or_skip("test")


@pytest.fixture(scope="session")
def mnist_train() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 60,000 training digits: grey images [60000, 784] and labels [60000], read-only."""
    return mnist_or_skip("train")


@pytest.fixture(scope="session")
def other_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models of images of other sizes (tests/small.py), trained once for all tests that ask."""
    pytest.importorskip("torch")
    from tests import small

    return small.build(tmp_path_factory.mktemp("other"))
