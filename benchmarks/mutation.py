"""Which slips in the numeric floor would its tests miss? `python -m benchmarks.mutation [--module …] [--jobs N]`.

One slip at a time is made in the syntax tree of a module: an operator, a constant, a comparison, a sign, a function
or an axis. NumPy, SciPy, pytest and hypothesis are imported once; each mutant is a fork that puts the mutated module
into `sys.modules` and runs the module's own tests, quick ones first, until one fails. A mutant that hangs is killed.

mutmut 3.8 passes over decorated functions and module constants, which here are properties and tolerances, and
cosmic-ray starts an interpreter and imports SciPy for every mutant: hence a tool of our own.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import difflib
import importlib.util
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("densities", "integrate", "evidence", "derivation")
MORE_TESTS = {"integrate": ("rules",)}  # of a module, besides its own
_CRASHED = 99  # exit status of a fork in which pytest itself broke
SLOW = "trained_model"  # tests of the shipped assets, which take seconds each

# Reviewed: none of these changes a number beyond rounding. Module → mutated line, stripped → reason; one that is no
# mutant any more is an error.
_TWO_AXES = "the last axis of a matrix is its axis 1"
_BLOCKS = "size of a block: speed and memory only"
EQUIVALENT: dict[str, dict[str, str]] = {
    "densities": {
        "_ROWS = 97": _BLOCKS,
        "_FACTORS = 513": _BLOCKS,
        "logits = logits if logits.dtype != np.float32 else logits.astype(np.float64)": "a precision, not a formula",
        "rows = logits.reshape(-2, logits.shape[-1])": "NumPy takes any negative number for the unknown axis",
        "total = np.maximum(chunk, 0).sum(axis=+1, dtype=np.float64)": _TWO_AXES,
        "for first in range(0, chunk.shape[+1], _FACTORS):": _TWO_AXES,
        "total += np.log(np.prod(factors[:, first:first + _FACTORS], axis=+1))": _TWO_AXES,
        "inked = np.einsum('...i,...i->...', x.astype(np.float64, copy=True), logits.astype(np.float64, copy=False))": (
            "a copy of the same numbers"
        ),
        "inked = np.einsum('...i,...i->...', x.astype(np.float64, copy=False), logits.astype(np.float64, copy=True))": (
            "a copy of the same numbers"
        ),
    },
    "integrate": {"_BLOCK = 4097": _BLOCKS},
}

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_NAMES = {
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "exp": "expm1",
    "expm1": "exp",
    "sum": "mean",
    "mean": "sum",
    "prod": "sum",
    "floor": "ceil",
    "ceil": "floor",
    "log_normal": "log_standard_normal",
    "argmax": "argmin",
    "all": "any",
    "any": "all",
    "logaddexp": "maximum",
    "abs": "float",
}


@dataclass(frozen=True)
class Mutant:
    """The source of a module with one slip in it, and the line where it is."""

    module: str
    line: int
    source: str
    original: str

    @property
    def difference(self) -> str:
        lines = difflib.unified_diff(self.original.splitlines(), self.source.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))

    @property
    def mutated(self) -> str:
        """The first line that differs, as the mutant has it."""
        return next((line[1:].strip() for line in self.difference.splitlines() if line.startswith("+")), "")


def _slips(node: ast.AST) -> Iterator[Callable[[], None]]:
    """What can be done to one node of a syntax tree, in place."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        yield lambda: setattr(node, "op", _OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        yield lambda: setattr(node, "ops", [_OPERATORS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert, ast.Not)):
        yield lambda: setattr(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not())
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield lambda: setattr(node, "value", node.value + 1 if isinstance(node.value, int) else node.value * 1.5 + 0.1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield lambda: setattr(node, "attr", _NAMES[node.attr])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min", "abs"):
        func = node.func
        yield lambda: setattr(func, "id", _NAMES[func.id])
    elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.UnaryOp):
        yield lambda: setattr(node, "value", ast.Constant(0))


def mutants(module: str) -> list[Mutant]:
    """Every slip in a module, annotations and docstrings apart."""
    tree = ast.parse((ROOT / "demo" / f"{module}.py").read_text("utf-8"))
    original = ast.unparse(tree)
    found = []
    nodes = list(ast.walk(tree))
    skipped = {
        id(inner)
        for node in nodes
        for name in ("annotation", "returns")
        if isinstance(getattr(node, name, None), ast.AST)
        for inner in ast.walk(getattr(node, name))
    }
    for index, node in enumerate(nodes):
        if id(node) in skipped:
            continue
        for which in range(len(list(_slips(node)))):
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[index]
            list(_slips(target))[which]()
            line = getattr(node, "lineno", 0)
            found.append(Mutant(module, line, ast.unparse(ast.fix_missing_locations(changed)), original))
    return [m for m in found if m.source != original]


def reviewed(module: str, of: list[Mutant]) -> list[Mutant]:
    """The mutants that EQUIVALENT lists. Raises KeyError for a line of it that none of them has."""
    listed = EQUIVALENT.get(module, {})
    if stale := set(listed) - {mutant.mutated for mutant in of}:
        raise KeyError(f"EQUIVALENT is stale: demo/{module}.py has no mutant {sorted(stale)[0]!r}")
    return [mutant for mutant in of if mutant.mutated in listed]


def _run_tests(module: str, source: str | None) -> int:
    """In a fork: pytest's exit status for the module's own tests, with `source` for the module."""
    import pytest

    if source is not None:
        name = f"demo.{module}"
        spec = importlib.util.find_spec(name)
        assert spec is not None
        mutated = importlib.util.module_from_spec(spec)
        sys.modules[name] = mutated
        setattr(sys.modules["demo"], module, mutated)
        try:
            exec(compile(source, str(spec.origin), "exec"), mutated.__dict__)
        except Exception:
            return 1  # it cannot even be imported
    files = [str(ROOT / "tests" / f"test_{name}.py") for name in (module, *MORE_TESTS.get(module, ()))]
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-k", f"not {SLOW}", *files]
    return int(pytest.main(arguments))


def survives(module: str, source: str | None, limit: float) -> bool:
    """Whether all tests pass within `limit` seconds."""
    child = os.fork()
    if child == 0:
        status = _CRASHED
        with contextlib.suppress(BaseException):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            sys.stdout = sys.stderr = io.StringIO()
            status = _run_tests(module, source)
        os._exit(status)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status) == _CRASHED:
                raise RuntimeError(f"the run of the tests of {module} itself broke; no mutant can be judged")
            return status == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--module", nargs="+", choices=MODULES, default=MODULES)
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time (default: 1)")
    parser.add_argument(
        "--limit", type=float, default=0, help="seconds a mutant (default: 3 times the whole tests + 5)"
    )
    parser.add_argument("--every", type=int, default=1, help="only every n-th mutant (default: all)")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    import scipy.integrate
    import scipy.optimize
    import scipy.stats  # noqa: F401

    survivors = 0
    for module in arguments.module:
        start = time.monotonic()
        if not survives(module, None, 600):
            sys.exit(f"tests/test_{module}.py fails before anything is changed")
        limit = arguments.limit or 3 * (time.monotonic() - start) + 5
        every = mutants(module)
        same = reviewed(module, every)
        of = every[:: arguments.every]
        tried = [m for m in of if m not in same]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(
                tqdm(
                    pool.map(lambda m, limit=limit: survives(m.module, m.source, limit), tried),
                    total=len(tried),
                    desc=module,
                    file=sys.stderr,
                )
            )
        left = [m for m, alive in zip(tried, results, strict=True) if alive]
        survivors += len(left)
        print(f"{module}: {len(tried) - len(left)} killed, {len(left)} survived, {len(of) - len(tried)} equivalent")
        for m in left:
            print(f"demo/{m.module}.py:{m.line}\n{m.difference}", flush=True)
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
