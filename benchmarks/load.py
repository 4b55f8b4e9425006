"""Many visitors at once: `python -m benchmarks.load`. Knows the site's websocket and a few of its widgets, no browser.

Each visitor is a tab: it opens the home page, thinks for one to five seconds, acts, waits for the end of the run, and
so on. An action is, on three turns of ten and on every page without one of its own (`ACTS`), a page picked at random
from all; else the page's own: the plane moved, samples drawn again, an end of the walk changed, a new x of its own
to be explained (no two visitors share one, so no cache helps). A visitor remembers what the server sent, as a browser
does. Timed is from the sending of an action to the end of its run, without a browser's drawing and without a network.

An error is an exception box, an error box, a run that fails, a socket that closes or no answer within `PATIENCE`.
Only a server that this program starts on loopback, and ends, is spoken to. `--soak` lets visitors come and go and
compares the memory of the last two minutes with that of the second and third; the first is the arriving. The visitors
share the server's machine. A run with the default options is kept in benchmarks/figures/ for the README.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from benchmarks import record
from benchmarks.explorer import percentile
from benchmarks.site import ROOT, Site, SiteError, serve
from demo.pages import PAGES

COMMAND = "python -m benchmarks.load"
LEVELS = (1, 10, 30, 60)
THINKS = (1.0, 5.0)  # seconds between an answer and the next action, uniform
WANDERS = 0.3  # of the turns on a page with an action of its own
STAYS = (20.0, 90.0)  # seconds of a visit in the soak
SOAK = 15.0  # minutes of the soak that counts
PATIENCE = 30.0
LIMITED, P95_MS, VISITOR_MB, GROWTH = 30, 600, 5, 1.05  # issue 6: visitors, their p95, memory per further visitor, soak
THREADS = "options.intra_op_num_threads = options.inter_op_num_threads = 1"  # the line of demo/pretrained.py


class VisitError(Exception):
    """What a visitor of a working site must not see; the first argument is its kind."""


class Answer(NamedTuple):
    """One action: its kind, when it was sent (perf_counter), seconds until its run ended, and the error or None."""

    kind: str
    sent: float
    seconds: float
    error: str | None = None


@dataclass
class Visitor:
    """One tab: its socket, the widgets of the page it is on by key or label, what it has set there and its cache."""

    socket: ClientConnection
    rng: random.Random
    page: str = ""
    query: str = ""
    shown: dict[str, tuple[str, Any]] = field(default_factory=dict)  # name → (kind, the element's message)
    kept: dict[str, WidgetState] = field(default_factory=dict)
    cache: dict[str, ForwardMsg] = field(default_factory=dict)

    async def run(self, *changes: WidgetState, to: str | None = None) -> None:
        """Sends the changes, or asks for another page, and returns at the end of the run. Raises VisitError."""
        message = BackMsg()
        rerun = message.rerun_script
        rerun.context_info.color_scheme = "light"
        rerun.context_info.url = "http://127.0.0.1/"
        if to is not None:
            self.page, self.query, self.kept = to, "", {}
            rerun.page_name = to
        else:
            rerun.page_name = self.page
        rerun.query_string = self.query
        rerun.cached_message_hashes.extend(self.cache)
        for change in changes:
            if change.WhichOneof("value") == "trigger_value":
                rerun.widget_states.widgets.append(change)
            else:
                self.kept[change.id] = change
        rerun.widget_states.widgets.extend(self.kept.values())
        try:
            await self.socket.send(message.SerializeToString())
            async with asyncio.timeout(PATIENCE):
                await self._listen()
        except TimeoutError:
            raise VisitError("no answer", f"within {PATIENCE:g} s") from None
        except (OSError, WebSocketException) as error:
            raise VisitError("socket closed", str(error)) from error

    async def _listen(self) -> None:
        """Takes messages until the run ends."""
        fault: VisitError | None = None
        while True:
            message = ForwardMsg.FromString(await self.socket.recv(decode=False))
            if message.metadata.cacheable and message.hash:
                self.cache[message.hash] = message
            if message.WhichOneof("type") == "ref_hash":
                message = self.cache[message.ref_hash]
            match message.WhichOneof("type"):
                case "new_session":
                    self.shown, fault = {}, None
                case "page_info_changed":
                    self.query = message.page_info_changed.query_string
                case "page_not_found":
                    fault = VisitError("page not found", self.page)
                case "delta" if message.delta.WhichOneof("type") == "new_element":
                    fault = self._see(message.delta.new_element) or fault
                case "script_finished":
                    if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                        continue
                    if fault is not None:
                        raise fault
                    if message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
                        raise VisitError("run failed", ForwardMsg.ScriptFinishedStatus.Name(message.script_finished))
                    return

    def _see(self, element: Element) -> VisitError | None:
        """Keeps a widget; what a box of an error says."""
        kind = str(element.WhichOneof("type"))
        inner: Any = getattr(element, kind)
        if kind == "exception":
            return VisitError("exception box", f"{inner.type}: {inner.message}")
        if kind == "alert" and inner.format == inner.ERROR:
            return VisitError("error box", inner.body)
        if identity := getattr(inner, "id", ""):
            key = identity.split("-", 2)[-1]  # $$ID-hash-key
            self.shown[getattr(inner, "label", "") if key == "None" else key] = (kind, inner)
        return None

    def widget(self, name: str) -> Any:
        """The message of a widget by its key, or by its label where it has none. Raises VisitError."""
        if name not in self.shown:
            raise VisitError("widget missing", f"{name} on the page {self.page or 'home'}")
        return self.shown[name][1]

    def press(self, name: str) -> WidgetState:
        return WidgetState(id=self.widget(name).id, trigger_value=True)

    def type_number(self, name: str) -> WidgetState:
        widget = self.widget(name)
        return WidgetState(id=widget.id, double_value=self.rng.randint(int(widget.min), int(widget.max)))

    def move(self, name: str) -> WidgetState:
        """The hand lets go of the plane at a new z, in the words of demo/components/held.py."""
        widget = self.widget(name)
        number = _find(json.loads(widget.json), "number")
        z = [round(self.rng.uniform(-2.5, 2.5), 3) for _ in range(2)]
        return WidgetState(id=widget.id, json_value=json.dumps({"held": {"number": number, "value": z}}))


def _find(tree: Any, key: str) -> Any:
    """The value of a key of a JSON object, also where the object lies as text in another."""
    if isinstance(tree, str):
        with contextlib.suppress(ValueError):
            return _find(json.loads(tree), key)
        return None
    if isinstance(tree, dict) and key in tree:
        return tree[key]
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return next((found for found in (_find(value, key) for value in inner) if found is not None), None)


class Act(NamedTuple):
    """What is done on a page: its name in the report and the change it makes."""

    kind: str
    change: Callable[[Visitor], WidgetState]


ACTS = {
    "": Act("the plane moved", lambda visitor: visitor.move("explorer")),
    "sample": Act("samples drawn again", lambda visitor: visitor.press("Draw again")),
    "interpolate": Act("another end of the walk", lambda visitor: visitor.press("another_a")),
    "evidence": Act("a new x to explain", lambda visitor: visitor.type_number("seed")),
}
OPENED, TURNED = "the site opened", "another page"
PATHS = tuple(page.url_path for page in PAGES)


def tab(url: str) -> connect:
    """The socket of a site on loopback, as a browser's tab opens it. Raises ValueError for any other address."""
    if not url.startswith("http://127.0.0.1:"):
        raise ValueError(f"{url} is not on loopback")
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    streamlit = [Subprotocol("streamlit")]
    return connect(address, subprotocols=streamlit, max_size=None, proxy=None, compression=None, open_timeout=PATIENCE)


async def visit(
    url: str, answers: list[Answer], rng: random.Random, until: float, acts: dict[str, Act], paths: tuple[str, ...]
) -> None:
    """One visitor from opening the site to `until` (perf_counter); one that meets an error goes on with a new tab."""
    while time.perf_counter() < until:
        kind, sent = OPENED, time.perf_counter()
        try:
            async with tab(url) as socket:
                visitor = Visitor(socket, rng)
                await visitor.run(to="")
                answers.append(Answer(kind, sent, time.perf_counter() - sent))
                while time.perf_counter() < until:
                    await asyncio.sleep(rng.uniform(*THINKS))
                    act, sent = acts.get(visitor.page), time.perf_counter()
                    if act is None or rng.random() < WANDERS:
                        kind = TURNED
                        await visitor.run(to=rng.choice([path for path in paths if path != visitor.page] or paths))
                    else:
                        kind = act.kind
                        await visitor.run(act.change(visitor))
                    answers.append(Answer(kind, sent, time.perf_counter() - sent))
        except VisitError as error:
            answers.append(Answer(kind, sent, time.perf_counter() - sent, ": ".join(map(str, error.args))))
        except (OSError, WebSocketException) as error:
            answers.append(Answer(kind, sent, time.perf_counter() - sent, f"socket closed: {error!r}"))
            await asyncio.sleep(THINKS[0])


class Load(NamedTuple):
    """What came of some visitors: their answers, seconds, memory over time [(s, MB)] and the server's CPU seconds."""

    visitors: int
    answers: list[Answer]
    seconds: float
    memory: list[tuple[float, float]]
    cpu: float

    @property
    def errors(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.error is not None]

    def milliseconds(self, *kinds: str) -> list[float]:
        """Of the answers without error of those kinds; of all but the opening where none is named."""
        return [
            1000 * answer.seconds
            for answer in self.answers
            if answer.error is None and (answer.kind in kinds if kinds else answer.kind != OPENED)
        ]

    @property
    def peak(self) -> float:
        return max((held for _, held in self.memory), default=float("nan"))


def drive(
    site: Site,
    visitors: int,
    seconds: float,
    *,
    seed: int = 0,
    stays: tuple[float, float] | None = None,
    acts: dict[str, Act] = ACTS,
    paths: tuple[str, ...] = PATHS,
) -> Load:
    """So many visitors for so long; they arrive one by one within a think time, so no two keep step.

    `stays`: each leaves after so many seconds, uniform, and another comes.
    """

    async def seat(number: int, until: float) -> None:
        rng = random.Random(f"{seed} {visitors} {number}")
        await asyncio.sleep(rng.uniform(0, min(THINKS[1], seconds / 2)))
        while (now := time.perf_counter()) < until:
            leaves = until if stays is None else min(until, now + rng.uniform(*stays))
            await visit(site.url, answers, rng, leaves, acts, paths)

    async def watch() -> None:
        while True:
            memory.extend((time.perf_counter() - start, held) for held in resident(site.pid))
            await asyncio.sleep(0.5)

    async def all_of_them() -> None:
        watcher = asyncio.create_task(watch())
        try:
            await asyncio.gather(*(seat(number, start + seconds) for number in range(visitors)))
        finally:
            watcher.cancel()

    answers: list[Answer] = []
    memory: list[tuple[float, float]] = []
    start, cpu = time.perf_counter(), used(site.pid)
    asyncio.run(all_of_them())
    return Load(visitors, answers, time.perf_counter() - start, memory, used(site.pid) - cpu)


def resident(pid: int) -> list[float]:
    """Megabytes of memory that a process holds; empty where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []
    return [float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")]


def used(pid: int) -> float:
    """CPU seconds of a process so far, NaN where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def warm(site: Site) -> None:
    """Every page once and every action five times by one visitor. Raises SiteError where any of them errs."""

    async def tour() -> None:
        async with tab(site.url) as socket:
            visitor = Visitor(socket, random.Random("warm"))
            for path in PATHS:
                await visitor.run(to=path)
                for _ in range(5 if path in ACTS else 0):
                    await visitor.run(ACTS[path].change(visitor))

    try:
        asyncio.run(tour())
    except (VisitError, OSError, WebSocketException) as error:
        raise SiteError(f"the first visitor met an error: {': '.join(map(str, error.args))}") from error


@contextlib.contextmanager
def site_of(threads: int) -> Iterator[Path]:
    """The root of a site whose onnxruntime sessions have so many threads: this one, or for other than 1 a copy."""
    if threads == 1:
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in ("demo", ".streamlit"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "streamlit_app.py", copy)
        opened = copy / "demo" / "pretrained.py"
        code = opened.read_text()
        if THREADS not in code:
            raise SiteError(f"demo/pretrained.py has no line {THREADS!r}; the threads cannot be changed")
        opened.write_text(code.replace(THREADS, THREADS.replace("= 1", f"= {threads}")))
        yield copy


HEADINGS = (
    "visitors  actions   a s  median ms   p95 ms  limit  opening p95  errors  limit  "
    "memory MB  per further  limit   CPU"
)


def row(load: Load, first: Load) -> str:
    """A line of the table; memory per further visitor is the peak's excess over the first level's."""
    took, opened = load.milliseconds(), load.milliseconds(OPENED)
    further = load.visitors - first.visitors
    each = f"{(load.peak - first.peak) / further:11.2f}  {VISITOR_MB:5}" if further else f"{'':18}"
    limit = P95_MS if load.visitors == LIMITED else ""
    return (
        f"{load.visitors:8}  {len(took):7}  {len(took) / load.seconds:4.1f}  {middle(took):9.0f}  {high(took):7.0f}  "
        f"{limit:>5}  {high(opened):11.0f}  {len(load.errors):6}  {0:5}  "
        f"{load.peak:9.0f}  {each}  {load.cpu / load.seconds:4.0%}"
    )


def middle(values: list[float]) -> float:
    """The median, NaN of none."""
    return statistics.median(values) if values else float("nan")


def high(values: list[float]) -> float:
    """The 95th percentile, NaN of none."""
    return percentile(values, 0.95) if values else float("nan")


def missed(load: Load, first: Load) -> list[str]:
    """The limits that a load does not keep."""
    found = []
    took = load.milliseconds()
    if not took or (load.visitors == LIMITED and high(took) > P95_MS):
        found.append(f"p95 at {load.visitors} visitors")
    if load.errors:
        found.append(f"errors at {load.visitors} visitors")
    further = load.visitors - first.visitors
    if further and load.peak - first.peak > VISITOR_MB * further:
        found.append(f"memory per further visitor at {load.visitors}")
    return found


def kinds(loads: list[Load]) -> str:
    """Each kind of action in all loads together: its share, median and p95."""
    counted = Counter(answer.kind for load in loads for answer in load.answers)
    lines = []
    for kind, count in counted.most_common():
        took = [ms for load in loads for ms in load.milliseconds(kind)]
        if took:
            found = f"median {middle(took):5.0f} ms  p95 {high(took):5.0f} ms"
            lines.append(f"{kind:24} {count / sum(counted.values()):5.0%}  {found}")
    return "\n".join(lines)


def said(loads: list[Load]) -> str:
    """The errors, each once with its number."""
    counted = Counter(f"{answer.kind}: {answer.error}"[:200] for load in loads for answer in load.errors)
    return "\n".join(f"error, {count} times: {what}" for what, count in counted.most_common(8))


def table(root: Path, levels: list[int], seconds: float) -> tuple[list[dict[str, Any]], list[str]]:
    """Drives so many visitors at once and prints a row each; what is kept of them, and the limits that they miss."""
    loads: list[Load] = []
    over: list[str] = []
    with serve(root) as site:
        warm(site)
        print(f"memory once warm: {sum(resident(site.pid)):.0f} MB\n{HEADINGS}")
        for visitors in levels:
            loads.append(drive(site, visitors, seconds))
            print(row(loads[-1], loads[0]), flush=True)
            over += missed(loads[-1], loads[0])
    print(*filter(None, (kinds(loads), said(loads))), sep="\n", flush=True)
    return [level(load, loads[0]) for load in loads], over


def level(load: Load, first: Load) -> dict[str, Any]:
    """What is kept of a number of visitors."""
    took, opened, further = load.milliseconds(), load.milliseconds(OPENED), load.visitors - first.visitors
    return {
        "visitors": load.visitors,
        "actions": len(took),
        "median_ms": round(middle(took), 1),
        "p95_ms": round(high(took), 1),
        "opening_p95_ms": round(high(opened), 1),
        "errors": len(load.errors),
        "peak_mb": round(load.peak, 1),
        "mb_per_further_visitor": round((load.peak - first.peak) / further, 2) if further else None,
        "cpu": round(load.cpu / load.seconds, 3),
    }


def by_minute(memory: list[tuple[float, float]]) -> list[float]:
    """Mean memory of each minute, MB, NaN where none was read; what is left of a minute at the end joins the last."""
    minutes = max(1, int(max((at for at, _ in memory), default=0.0) / 60 + 0.1))
    held: list[list[float]] = [[] for _ in range(minutes)]
    for at, megabytes in memory:
        held[min(int(at / 60), minutes - 1)].append(megabytes)
    return [statistics.fmean(minute) if minute else float("nan") for minute in held]


def growth(minutes: list[float]) -> tuple[float, float]:
    """Memory of the first minutes and of the last, MB: the second and third, for in the first the visitors arrive,
    and the last two. NaN where there are fewer than five.
    """
    if len(minutes) < 5:
        return float("nan"), float("nan")
    return statistics.fmean(minutes[1:3]), statistics.fmean(minutes[-2:])


def soak(site: Site, visitors: int, minutes: float) -> dict[str, Any]:
    """Visitors come and go; prints and returns what became of memory and errors, and whether they kept their limits."""
    load = drive(site, visitors, 60 * minutes, seed=1, stays=STAYS)
    took, visits = load.milliseconds(), sum(answer.kind == OPENED for answer in load.answers)
    print(
        f"\nsoak: {minutes:g} minutes, {visitors} at a time, {visits} visits of {STAYS[0]:g} to {STAYS[1]:g} s, "
        f"{len(took)} actions, median {middle(took):.0f} ms, p95 {high(took):.0f} ms"
    )
    held = by_minute(load.memory)
    first, last = growth(held)
    kept = last / first <= GROWTH and not load.errors
    print(
        f"errors {len(load.errors)} (limit 0); memory, mean of minutes 2 and 3 {first:.0f} MB, "
        f"of the last two {last:.0f} MB: {last / first - 1:+.1%} (limit {GROWTH - 1:+.0%})  "
        f"{'within' if kept else 'OVER'}"
    )
    print("memory minute by minute, MB:", *(f"{megabytes:.0f}" for megabytes in held))
    print(*filter(None, (kinds([load]), said([load]))), sep="\n", flush=True)
    return {
        "minutes": minutes,
        "visitors": visitors,
        "visits": visits,
        "actions": len(took),
        "median_ms": round(middle(took), 1),
        "p95_ms": round(high(took), 1),
        "errors": len(load.errors),
        "mb_by_minute": [round(megabytes, 1) for megabytes in held],
        "first_minutes": "minutes 2 and 3",
        "first_mb": round(first, 1),
        "last_mb": round(last, 1),
        "kept": kept,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, nargs="*", default=list(LEVELS), help="at once (default: 1 10 30 60)")
    parser.add_argument("--seconds", type=float, default=60, help="each number of visitors stays (default: 60)")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES", help="then visitors that come and go")
    parser.add_argument("--threads", type=int, default=1, help="of the onnxruntime sessions (default: 1, the site's)")
    arguments = parser.parse_args(argv)
    levels = sorted(set(arguments.visitors))
    if not all(1 <= visitors <= 200 for visitors in levels) or not 1 <= arguments.threads <= 16:
        parser.error("--visitors must be 1 to 200 and --threads 1 to 16")
    if not 5 <= arguments.seconds <= 600 or not (arguments.soak == 0 or 5 <= arguments.soak <= 60):
        parser.error("--seconds must be 5 to 600 and --soak 5 to 60 minutes")
    whole = levels == list(LEVELS) and arguments.seconds == parser.get_default("seconds") and arguments.threads == 1
    limits = {"visitors": LIMITED, "p95_ms": P95_MS, "mb_per_further_visitor": VISITOR_MB, "growth": GROWTH}
    where = record.setting()
    print(f"{where['machine']}; load {where['load_before']}; threads of onnxruntime: {arguments.threads}")
    over = []
    try:
        with site_of(arguments.threads) as root:
            if levels:
                found, over = table(root, levels, arguments.seconds)
                if whole:
                    record.save("load", COMMAND, where, limits=limits, seconds=arguments.seconds, levels=found)
            if arguments.soak:
                where = record.setting()
                with serve(root) as site:  # a new one: what the levels left behind would hide a growth
                    warm(site)
                    soaked = soak(site, LIMITED, arguments.soak)
                over += [] if soaked["kept"] else ["soak"]
                if arguments.soak >= SOAK and arguments.threads == 1:
                    record.save("soak", f"{COMMAND} --soak {arguments.soak:g}", where, limits=limits, **soaked)
    except SiteError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("not kept:", ", ".join(over)) if over else print("every limit kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
