"""Which slips in the numeric floor would its tests miss? `python -m benchmarks.mutation [--module …] [--jobs N]`.

One slip at a time is made in the syntax tree of a module: an operator, a constant, a comparison, a sign, a function
or an axis. NumPy, SciPy, pytest and hypothesis are imported once; each mutant is a fork that puts the mutated module
into `sys.modules` and runs the module's own tests until one fails: those first that killed most so far for the time
they take, then quick before slow, as timed on the module itself. A mutant that hangs or hoards memory is killed.

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
import json
import linecache
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("densities", "integrate", "evidence", "derivation")
MORE_TESTS = {"integrate": ("rules",), "evidence": ("evidence_rules",)}  # of a module, besides its own
_MEMORY = 6 << 30  # bytes a fork may ask for: a slip in the size of a block must not take the machine down
_CRASHED = 99  # exit status of a fork in which pytest itself broke
SLOW = "trained_model"  # tests of the shipped assets, which take seconds each

# Reviewed: none of these changes a number beyond rounding. Module → mutated line, stripped → reason; one that is no
# mutant any more is an error.
_TWO_AXES = "the last axis of a matrix is its axis 1"
_FROZEN = "nothing is assigned to one: a guard, not a number"
_NODES = "more nodes of a rule that is within its tolerance already"
_NEGATIVE = "NumPy takes any negative number for the unknown axis"
_START = "Newton's method starts a little elsewhere and ends at the same zeros"
_RIM = "a node within 0.005 of ±9, of 2e-19 of the weight, there or not"
_CUT = "a row of nodes beyond the reach, which is cut off below"
_FINER = "a few squares more are quartered, for a finer result"
_ORDERS = (8, 12, 20, 36, 72, 144, 288, 576, 1152, 2304, 4608)
_DEEPER = "a needle deeper in its flanks than is promised may be found as well"
_MIRROR = "what is added comes in mirror pairs of one weight"
_BLOCKS = "size of a block: speed and memory only"
EQUIVALENT: dict[str, dict[str, str]] = {
    "densities": {
        "_ROWS = 97": _BLOCKS,
        "_FACTORS = 513": _BLOCKS,
        "logits = logits if logits.dtype != np.float32 else logits.astype(np.float64)": "a precision, not a formula",
        "rows = logits.reshape(-2, logits.shape[-1])": _NEGATIVE,
        "total = np.maximum(chunk, 0).sum(axis=+1, dtype=np.float64)": _TWO_AXES,
        "for first in range(0, chunk.shape[+1], _FACTORS):": _TWO_AXES,
        "total += np.log(np.prod(factors[:, first:first + _FACTORS], axis=+1))": _TWO_AXES,
    },
    "integrate": {
        "_BLOCK = 129": _BLOCKS,
        "_FINE = 17": _NODES,
        **{
            f"HERMITE_ORDERS = {(*_ORDERS[:i], order + 1, *_ORDERS[i + 1 :])}": _NODES
            for i, order in enumerate(_ORDERS)
        },
        "@dataclass(frozen=False)": _FROZEN,
        "array.setflags(write=True)": _FROZEN,
        "both.setflags(write=True)": _FROZEN,
        "@lru_cache(maxsize=33)": "what is kept, not what it is",
        "@lru_cache(maxsize=17)": "what is kept, not what it is",
        "top = np.where(np.isfinite(top), top, 0.1)": "any finite number, where the sum is 0, ∞ or nan",
        "x = np.linspace(-_REACH, _REACH, 4002)": _START,
        "turning = 2 * np.sqrt(order + 0.85)": _START,
        "for _ in range(4):": _START,
        "multiples = np.arange(np.ceil(phase[1] / np.pi - offset), np.floor(phase[-1] / np.pi - offset) + 1)": _RIM,
        "multiples = np.arange(np.ceil(phase[0] / np.pi - offset), np.floor(phase[-2] / np.pi - offset) + 1)": _RIM,
        "side = np.arange(-np.ceil(reach / step) - 2, np.ceil(reach / step) + 2)": _CUT,
        "side = np.arange(-np.ceil(reach / step) - 1, np.ceil(reach / step) + 3)": _CUT,
        "side = np.arange(-np.ceil(reach / step) - 1, np.floor(reach / step) + 2)": _CUT,
        "side = np.arange(-np.floor(reach / step) - 1, np.ceil(reach / step) + 2)": _CUT,
        **{
            "nodes = step * np.concatenate([np.stack(np.meshgrid("
            f"side {a} a, side {b} b), axis=-1).reshape({shape}, 2) for a, b in offsets])": why
            for a, b, shape, why in (
                ("-", "+", -1, "half a step to either side makes one lattice"),
                ("+", "-", -1, "half a step to either side makes one lattice"),
                ("+", "+", -2, _NEGATIVE),
            )
        },
        "mean, squares, moved = (np.inf, 0.1, np.inf)": "the first rule keeps nothing of what was before it",
        "square = (nodes ** 2).sum(axis=+1)": _TWO_AXES,
        "return (np.stack([m.ravel() for m in mesh], axis=+1), product.ravel())": _TWO_AXES,
        "return np.stack([z1.ravel(), z2.ravel()], axis=+1)": _TWO_AXES,
        "after = np.exp(log_sum_exp(quarters.log_mass.reshape(-1, 4), axis=+1) - larger)": _TWO_AXES,
        "after = np.exp(log_sum_exp(quarters.log_mass.reshape(-2, 4), axis=-1) - larger)": _NEGATIVE,
        "values = log_f(points.reshape(-2, 2)).reshape(len(centres), len(nodes))": _NEGATIVE,
        "return (centres.reshape(-2, 2), np.repeat(self.widths / 2, 4))": _NEGATIVE,
        "points = centres[:, None, :] - widths[:, None, None] * nodes": _MIRROR,
        "centres = self.centres[:, None, :] - self.widths[:, None, None] * offsets": "the four in another order",
        "return Cells(*(np.concatenate(pair) for pair in zip(self._parts(), other._parts(), strict=False)))": (
            "three parts on either side"
        ),
        "split = open_cells & (share >= (min(0.01, share.max()) if round_ == 0 else tolerance / 11))": _FINER,
        "open_cells = np.concatenate([open_cells[~split], np.repeat(change > tolerance / 11, 4)])": _FINER,
    },
    "evidence": {
        "_AT_ONCE = 129": _BLOCKS,
        "_ROWS = 9": "nine rows a sum in float32, within the 1e-4 nat that is told",
        "_DEEP = 120.1": _DEEPER,
        "cells = np.argwhere((log_f <= least) | (log_f > log_f.max() - _DEEP))": _DEEPER,
        "cells = np.argwhere((log_f <= least) & (log_f > log_f.min() - _DEEP))": _DEEPER,
        **{
            f"patches = np.stack([log_f[rows {a} i, columns {b} j] "
            "for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=-1)": "a mirrored patch, read at points in mirror pairs"
            for a, b in ("-+", "+-")
        },
        **{
            "def log_evidence(table: DecoderTable, decode: Decode, x: NDArray, *, "
            f"margin: float={margin}, order: int={order}, tolerance: float=0.001) -> AdaptiveIntegral:": _FINER
            for margin, order in ((15.1, 3), (10.0, 4))
        },
        "def _with_neighbours(cells: NDArray[np.intp], breadth: int=2) -> NDArray[np.intp]:": _FINER,
        "@dataclass(frozen=False)": _FROZEN,
        "blocks = np.array_split(np.arange(len(points)), max(2, len(points) // 2048))": _BLOCKS,
        "blocks = np.array_split(np.arange(len(points)), max(1, len(points) // 2049))": _BLOCKS,
        "near = np.stack(np.divmod(np.flatnonzero(rest > least), grid.n), axis=+1)": _TWO_AXES,
        "inside = ring[((ring >= 0) & (ring < grid.n)).all(axis=+1)]": _TWO_AXES,
        "return cells[_between(log_f, cells).max(axis=+1, initial=-np.inf) > least]": _TWO_AXES,
        "promised[inner] = log_sum_exp(values, axis=+1) - np.log(values.shape[-1])": _TWO_AXES,
        "promised[inner] = log_sum_exp(values, axis=-1) - np.log(values.shape[+1])": _TWO_AXES,
        "patches = np.stack([log_f[rows + i, columns + j] for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=+1)": (
            _TWO_AXES
        ),
        "line = np.stack([t * (t - 1) / 2, 1 - t ** 2, t * (t + 1) / 2], axis=+1)": _TWO_AXES,
        "log_joint_values = log_joint(decode, x, np.stack([z1.ravel(), z2.ravel()], axis=+1))": _TWO_AXES,
        "return np.unique((cells[:, None, :] - offsets).reshape(-1, 2), axis=0)": _MIRROR,
        "return np.unique((cells[:, None, :] + offsets).reshape(-2, 2), axis=0)": _NEGATIVE,
        "reconstruction = settled_mean(lambda noise: log_bernoulli(x, decode(loc - scale * noise)), "
        "hermite_rules(len(loc)), tolerance)": _MIRROR,
        "return log_q - log_joint(decode, x, loc - np.exp(log_scale) * noise)": _MIRROR,
    },
    "derivation": {
        "@dataclass(frozen=False)": _FROZEN,
        "return cells[cells.log_mass > self.integral.value - 17]": "squares of a share of exp(−16) more or less",
        "quarters = Cells.integrate(lambda z: log_joint(self.decode, self.x, z), *self.squares.quarters(), order=4)": (
            _NODES
        ),
        "squares = Cells.integrate(log_ratio_times_q, given.squares.centres, given.squares.widths, order=6)": _NODES,
        "column, row = cells[((cells >= 0) & (cells < grid.n)).all(axis=+1)].T": _TWO_AXES,
        "noise = np.stack([e.ravel() for e in np.meshgrid(axis, axis)], axis=+1)": _TWO_AXES,
        "if step.line.relation == '≥' and value[step.line.after or 8] < step.value - tolerance:": (
            "the one line with ≥ has a line before it"
        ),
    },
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
    ast.And: ast.Or,
    ast.Or: ast.And,
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
    def excerpt(self) -> str:
        """The difference, of a pair of long lines no more than what surrounds it."""
        lines = self.difference.splitlines()
        if len(lines) == 2:
            first = next((i for i, (a, b) in enumerate(zip(*lines, strict=False)) if i and a != b), 1)
            around = slice(max(1, first - 80), first + 80)
            lines = [line if len(line) < 240 else f"{line[0]}…{line[around]}…" for line in lines]
        return "\n".join(lines)

    @property
    def mutated(self) -> str:
        """The first line that differs, as the mutant has it."""
        return next((line[1:].strip() for line in self.difference.splitlines() if line.startswith("+")), "")


def _slips(node: ast.AST) -> Iterator[Callable[[], None]]:
    """What can be done to one node of a syntax tree, in place."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in _OPERATORS:
        yield lambda: setattr(node, "op", _OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        yield lambda: setattr(node, "ops", [_OPERATORS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Invert, ast.Not)):
        yield lambda: setattr(node, "op", ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not())
    elif isinstance(node, ast.Constant) and isinstance(value := node.value, bool):
        yield lambda: setattr(node, "value", not value)
    elif isinstance(node, ast.Constant) and isinstance(value, int):
        yield lambda: setattr(node, "value", value + 1)
    elif isinstance(node, ast.Constant) and isinstance(value, float):
        yield lambda: setattr(node, "value", value * 1.5 + 0.1)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield lambda: setattr(node, "attr", _NAMES[node.attr])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min", "abs"):
        func = node.func
        yield lambda: setattr(func, "id", _NAMES[func.id])
    elif isinstance(node, ast.keyword) and node.arg == "axis" and isinstance(node.value, ast.UnaryOp):
        yield lambda: setattr(node, "value", ast.Constant(0))


def unchanged(module: str) -> str:
    """The module as mutants have it, less the slip."""
    return ast.unparse(ast.parse((ROOT / "demo" / f"{module}.py").read_text("utf-8")))


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


@dataclass
class Tests:
    """What is known of a module's tests, by pytest's name for them: seconds each takes, mutants each killed."""

    seconds: dict[str, float] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def rank(self, test: str) -> float:
        """Low for what should run first."""
        return (self.seconds.get(test, 0.0) + 0.01) / (self.kills[test] + 0.2)


class _Watch:
    """A plugin of pytest: runs the tests in the order of their rank, notes seconds and the one that failed."""

    def __init__(self, tests: Tests) -> None:
        self.tests, self.seconds, self.failed = tests, dict[str, float](), ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self.tests.rank(item.nodeid))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = report.nodeid


def _run_tests(module: str, source: str, watch: _Watch) -> int:
    """In a fork: pytest's exit status for the module's own tests, with `source` for the module."""
    import pytest

    name = f"demo.{module}"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    file, mutated = str(spec.origin), importlib.util.module_from_spec(spec)
    sys.modules[name] = mutated
    setattr(sys.modules["demo"], module, mutated)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # what inspect.getsource reads
    try:
        exec(compile(source, file, "exec"), mutated.__dict__)
    except Exception:
        return 1  # it cannot even be imported
    files = [str(ROOT / "tests" / f"test_{name}.py") for name in (module, *MORE_TESTS.get(module, ()))]
    known = "ignore::pytest.PytestAssertRewriteWarning"  # hypothesis is imported already
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-W", known, "-k", f"not {SLOW}", *files]
    return int(pytest.main(arguments, plugins=[watch]))


def survives(module: str, source: str, limit: float, tests: Tests) -> bool:
    """Whether all tests pass within `limit` seconds. What the run says of the tests is added to `tests`."""
    with tempfile.TemporaryFile("w+") as told:
        passed = _passes(module, source, limit, _Watch(tests), told)
        told.seek(0)
        seconds, failed = json.loads(told.read() or '[{}, ""]')
    tests.seconds = seconds | tests.seconds
    if failed:
        tests.kills[failed] += 1
    return passed


def _passes(module: str, source: str, limit: float, watch: _Watch, told: IO[str]) -> bool:
    child = os.fork()
    if child == 0:
        status = _CRASHED
        with contextlib.suppress(BaseException):
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            sys.stdout = sys.stderr = io.StringIO()
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            status = _run_tests(module, source, watch)
            json.dump((watch.seconds, watch.failed), told)
            told.flush()
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
    import hypothesis
    import pytest  # noqa: F401
    import scipy.integrate
    import scipy.optimize
    import scipy.stats  # noqa: F401

    hypothesis.settings.register_profile("mutation", deadline=None, derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")  # a busy machine is no kill
    survivors = 0
    for module in arguments.module:
        start, tests = time.monotonic(), Tests()
        if not survives(module, unchanged(module), 600, tests):  # the same path as a mutant's, so that no kill is false
            sys.exit(f"tests/test_{module}.py fails before anything is changed")
        limit = arguments.limit or 3 * (time.monotonic() - start) + 5
        every = mutants(module)
        same = reviewed(module, every)
        of = every[:: arguments.every]
        tried = [m for m in of if m not in same]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(
                tqdm(
                    pool.map(lambda m, limit=limit, tests=tests: survives(m.module, m.source, limit, tests), tried),
                    total=len(tried),
                    desc=module,
                    file=sys.stderr,
                )
            )
        left = [m for m, alive in zip(tried, results, strict=True) if alive]
        survivors += len(left)
        print(f"{module}: {len(tried) - len(left)} killed, {len(left)} survived, {len(of) - len(tried)} equivalent")
        for m in left:
            print(f"demo/{m.module}.py:{m.line}\n{m.excerpt}", flush=True)
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
