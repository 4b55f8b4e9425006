"""What a stranger may send: any address, any message to an element. At least 10,000 cases, and no page falls over.

The cases are the same at every run. FUZZ=n takes n times as many, other ones each time (`--hypothesis-seed` repeats
them); the last test counts them and says so under `pytest -rP`.
"""

from __future__ import annotations

import ast
import json
import math
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from demo import address, digits, walks
from demo.components import codewalk, ellipse, explorer, gallery, held, pad, player, unfolding, weights
from tests.site import FILES, ROOT, open_page

WILD = int(os.environ.get("FUZZ", "0"))
CASES: Counter[str] = Counter()
LEAST = 10_000


def bounded(examples: int) -> settings:
    """So many examples, the same at every run unless FUZZ asks for others."""
    return settings(
        max_examples=examples * max(WILD, 1),
        derandomize=not WILD,
        database=None,
        phases=(
            Phase.explicit,
            Phase.generate,
        ),  # a page's case made smaller takes minutes
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


# --- Texts of the address bar.

MARK = "<img src=x onerror=alert(1)>"
AWKWARD = (
    "", " ", "0", "-0", "-0.0", "+1", "1_0", "１", "²", "𝟙", "٣", "½", "1e999", "-1e999", "nan", "-inf", "0x10",
    "1e-320", "9" * 11, "9" * 12, "9" * 5000, "NaN", "Infinity", "None", "true", "on", "off", "..", "1..", "..1",
    "nan..nan",
    "2..1", "-5..5", "-5..5.0000001", "7_1.25", "7_nan", "7_1~7_2", "0_1", "4096_4", "4097_4", "~", "7_1~", "0123",
    "00",     "\0", "\ud7ff", "\u202e", "{}", "[]", "'", '"', "`", "$", "\\", "%s", "%00", "{0}", MARK, f'"{MARK}',
    "A" * 131, "A" * 130 + "=", "A" * 132, "_" * 131, "-" * 131, "Aé" * 65 + "A", "[a](http://a.test)",
    "www.a.test", "a" * 100_000,
)  # fmt: skip


def texts(fields: tuple[address.Field, ...]) -> st.SearchStrategy[str]:
    """Nonsense, numbers in many spellings, and what fields themselves write with something amiss."""
    written = [field.write(field.default) for field in fields if field.default is not None]
    number = st.one_of(st.integers(), st.floats(), st.floats(-13, 13), st.integers(-2, 10_001)).map(str)
    interval = st.builds("{}{}{}".format, number, st.sampled_from(["..", ".", "_", "~", "…"]), number)
    amounts = st.lists(st.builds("{}_{}".format, number, number), max_size=5).map("~".join)
    packed = st.binary(min_size=97, max_size=99).map(
        lambda raw: digits.pack(np.unpackbits(np.frombuffer(raw, "u1"))[:784])
    )
    amiss = st.builds(
        lambda text, at, put: text[: at % (len(text) + 1)] + put + text[at % (len(text) + 1) :],
        st.sampled_from([*written, "A" * 131, "7_1.25~12_-0.40", "-1.00..2.50"]),
        st.integers(0, 200),
        st.text(max_size=2),
    )
    return st.one_of(st.text(), number, interval, amounts, packed, amiss, st.sampled_from([*AWKWARD, *written]))


def fields_of(name: str) -> tuple[address.Field, ...]:
    """Every field that the page restores, as it runs."""
    found: list[address.Field] = []
    restore = address.restore

    def heard(fields: Any) -> list[str]:
        found.extend(fields)
        return restore(fields)

    address.restore = heard
    try:
        open_page(name)
    finally:
        address.restore = restore
    return tuple({field.key: field for field in found}.values())


def is_sound(value: object) -> bool:
    """Whether it holds no number that is none and nothing of a size that a page could not bear."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return len(value) <= 4096 and all(map(is_sound, value))
    return value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= 131)


def tried(field: address.Field, text: str) -> tuple[str | None, object]:
    """Why the field refuses the text, or None and its value."""
    try:
        return None, field.read(text)
    except ValueError as error:
        return str(error), None


@pytest.mark.parametrize("name", FILES)
def test_a_field_reads_a_sound_value_or_refuses_and_what_it_writes_it_reads(name: str) -> None:
    fields = fields_of(name)
    assert fields

    @bounded(150)
    @given(text=texts(fields))
    def check(text: str) -> None:
        for field in fields:
            CASES["fields"] += 1
            refusal, value = tried(field, text)
            if refusal is not None:
                assert 0 < len(refusal) < 300
                assert MARK not in refusal
                continue
            assert is_sound(value), (field.key, value)
            written = field.write(value)
            assert len(written) < 70_000
            again = field.read(written)
            assert field.write(again) == written, field.key

    check()


@bounded(400)
@given(st.one_of(st.text(), st.sampled_from(AWKWARD)))
def test_a_complaint_has_nothing_that_markdown_acts_on(text: str) -> None:
    CASES["complaints"] += 1
    said = address._short(text)
    assert len(said) <= 40
    assert not re.search(r"[<>\[\]()`$\\*#|:/@&!~{}\n\r]|www\.", said)


# --- Messages to elements.

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 130), st.floats(), st.floats(-13, 13), st.text(max_size=8),
    st.sampled_from([10**400, -(10**400), 2**53, 1e308, -0.0, 5e-324, "x" * 131, "A" * 132, "A" * 131, MARK]),
)  # fmt: skip
jsons = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=4), inner, max_size=4), st.tuples(inner, inner)
    ),
    max_leaves=12,
)
numbers = st.one_of(st.floats(-13, 13), st.integers(-13, 13), scalars)
pairs = st.lists(st.one_of(st.tuples(st.integers(-1, 40), numbers).map(list), jsons), max_size=4)
bits64 = st.binary(min_size=97, max_size=99).map(lambda raw: b64encode(raw).decode())
numbered = st.fixed_dictionaries({"number": scalars, "value": jsons})
near = {
    "explorer": st.lists(numbers, min_size=1, max_size=3) | st.tuples(numbers, numbers, bits64).map(list),
    "gallery": st.integers(-2, 5),
    "player": st.floats(-0.1, 1.1),
    "pad": bits64,
    "ellipse": st.lists(numbers, min_size=3, max_size=5),
    "codewalk": st.tuples(numbers, pairs, pairs).map(list),
    "unfolding": st.integers(-2, 5),
}


def nested(depth: int, kind: Callable[[object], object] = lambda inner: [inner]) -> object:
    value: object = 0.5
    for _ in range(depth):
        value = kind(value)
    return value


DEEP = [
    nested(depth, kind)
    for depth in (300, 900, 3000)
    for kind in (lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: [0.5, inner, []])
]


class Element(NamedTuple):
    """One call of an element as a page makes it, and what must hold of its answer."""

    call: Callable[[], object]
    sound: Callable[[Any], bool]


X = np.zeros(784, np.uint8)
PLANE = ellipse.Ground(np.linspace(-1, 1, 5), np.linspace(-1, 1, 5), np.zeros((5, 5)))
RIVAL = ellipse.Rival((0.0, 0.0, 1.0, 1.0), -2.0)
CODE = codewalk.End(np.zeros(4), "a")
WAY = walks.Directions(np.ones(2), np.eye(4)[:2], 0.0)
ends_heard: list[dict[str, tuple[str, int]]] = []


def within(amounts: walks.Amounts, most: int, reach: float) -> bool:
    return all(1 <= n <= most and abs(a) <= reach for n, a in amounts) and len({n for n, _ in amounts}) == len(amounts)


ELEMENTS = {
    "explorer": Element(
        lambda: explorer.explorer("z2", z=(0.5, 0.5), lattice=None, key="k"),
        lambda v: abs(v.z1) <= 3 and abs(v.z2) <= 3 and (v.pin == "" or digits.unpack(v.pin) is not None),
    ),
    "gallery": Element(
        lambda: gallery.gallery(np.zeros((4, 784), np.uint8), picked=1, key="k"),
        lambda v: type(v) is int and 0 <= v < 4,
    ),
    "player": Element(
        lambda: player.player(
            "z2", [[0.0, 0.0], [1.0, 1.0]], route="straight", frames=5, closed=False, ends=(("3", 0), ("8", 0)),
            tray=("tray", b"--"), drawing=None, t=0.0, on_ends=lambda ends: ends_heard.append(dict(ends)), key="k",
        ),
        lambda v: 0 <= v <= 1,
    ),
    "pad": Element(
        lambda: pad.pad(key="k"), lambda v: v is None or (v.shape == (784,) and set(np.unique(v)) <= {0, 1} and v.any())
    ),
    "ellipse": Element(
        lambda: ellipse.ellipse(
            "z2", X, PLANE, log_p_x=-1.0, encoder=RIVAL, best=RIVAL, revealed=False, given=None,
            exact=lambda q: ellipse.Exact(-1.0, 1.0, None), key="k",
        ),
        lambda v: v is None or (max(map(abs, v[:2])) <= 12 and 1e-4 <= min(v[2:]) <= max(v[2:]) <= 8),
    ),
    "codewalk": Element(
        lambda: codewalk.codewalk(
            "z4", "directions", "straight", CODE, CODE, X, x_name="x", directions=WAY, kl=np.ones(4),
            inactive=np.zeros(4, bool), place=walks.Place(), key="k",
        ),
        lambda v: 0 <= v.t <= 1 and within(v.along, 2, walks.ALONG) and within(v.moved, 4, walks.REACH),
    ),
    "unfolding": Element(
        lambda: unfolding.unfolding(
            b"\x89PNG", columns=2, nodes=1, half_width=3, step=[0, 1, 2], seen=[0, 1, 2], log_p_x=[-3, -2, -1],
            elbo=[-4, -3, -2], picked=1, key="k",
        ),
        lambda v: type(v) is int and 0 <= v < 3,
    ),
}  # fmt: skip


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Elements without Streamlit: its state is a dict "state", and what an element was mounted with lies in "sent"."""
    world: dict[str, dict[str, Any]] = {"state": {}, "sent": {}}
    streamlit = SimpleNamespace(session_state=world["state"])
    for module in (held, player):
        monkeypatch.setattr(module, "st", streamlit)
    for module in (explorer, gallery, player, pad, ellipse, codewalk, unfolding):
        monkeypatch.setattr(module, "_element", lambda **given: world["sent"].update(given))
    monkeypatch.setattr(weights, "_tables", lambda **given: None)
    return world


@pytest.mark.parametrize("name", ELEMENTS)
def test_an_element_believes_what_is_sound_and_nothing_else(name: str, mounted: dict[str, dict[str, Any]]) -> None:
    element = ELEMENTS[name]

    def send(state: object) -> object:
        CASES["messages"] += 1
        mounted["state"].clear()
        first = element.call()
        mounted["state"]["k"] = state
        value = element.call()
        assert element.sound(value), (state, value)
        json.dumps(mounted["sent"]["data"], allow_nan=False)
        assert MARK not in json.dumps(mounted["sent"]["data"])
        return first

    @bounded(450)
    @given(value=jsons | near[name])
    def check(value: object) -> None:
        send({"held": {"number": 0, "value": value}})

    @bounded(150)
    @given(
        state=jsons
        | st.fixed_dictionaries({"held": jsons | st.fixed_dictionaries({"number": scalars, "value": jsons})})
    )
    def check_around(state: object) -> None:
        assert element.sound(send(state))

    check()
    check_around()
    for value in (*DEEP, [[1, 1.0]] * 100_000, "A" * 1_000_000, int("9" * 4000)):
        send({"held": {"number": 0, "value": value}})
        send({"held": {"number": value, "value": 0}})
        send(value)


kinds = st.sampled_from([*player.DIGITS, *player.OTHERS, "prior ", "10", MARK]) | jsons
choices = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.tuples(kinds, st.integers(-1, 10_000) | scalars).map(list) | jsons, max_size=3
)


def test_ends_are_heard_where_they_are_some_and_never_else(mounted: dict[str, dict[str, Any]]) -> None:
    @bounded(900)
    @given(number=st.integers(0, 9) | scalars, ends=choices | jsons)
    def check(number: object, ends: object) -> None:
        hear(number, ends)

    def hear(number: object, ends: object) -> None:
        CASES["messages"] += 1
        ends_heard.clear()
        mounted["state"].clear()
        mounted["state"]["k"] = {"chosen": {"number": number, "ends": ends}}
        ELEMENTS["player"].call()
        json.dumps(mounted["sent"]["data"], allow_nan=False)
        mounted["sent"]["on_chosen_change"]()
        for heard in ends_heard:
            assert set(heard) <= {"a", "b"}
            assert all(
                kind in (*player.DIGITS, *player.OTHERS) and 0 <= n <= player.MOST_NUMBER for kind, n in heard.values()
            )

    check()
    for deep in DEEP:
        for ends in ({"a": deep}, {"a": [deep, 1]}, {"a": ["3", deep]}):
            hear(1, ends)


# --- Whole pages.


def shown(app: AppTest) -> str:
    """What the page puts on the screen as text, but for what it says of the link, which repeats the visitor's words."""
    kinds = (app.markdown, app.latex, app.caption, app.metric)
    return " ".join(f"{getattr(e, 'label', '')} {e.value}" for kind in kinds for e in kind)


def check_page(app: AppTest) -> None:
    assert not app.exception, [(e.message, e.stack_trace) for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    assert app.title
    assert not re.search(r"\b(nan|NaN|inf|Infinity|undefined)\b", shown(app))
    assert not [e for e in app.markdown if e.proto.allow_html]
    for block in app.get("html"):
        assert "onerror" not in block.proto.body
    for element in app.get("bidi_component"):
        assert "onerror" not in element.proto.json
        json.loads(
            element.proto.json or "0", parse_constant=lambda name: pytest.fail(f"{name} was sent to the browser")
        )


@pytest.mark.parametrize("name", FILES)
def test_any_address_shows_the_page(name: str) -> None:
    fields = fields_of(name)
    sound = {field.key: [field.write(field.default)] for field in fields if field.default is not None}
    sound |= {"lens": ["identity", "contest", "sampling", "grid", "bayes", "dimensions"], "receipts": ["off"]}
    values = {field.key: texts((field,)).filter(lambda text: len(text) < 5000) for field in fields}
    query = st.fixed_dictionaries(
        {}, optional={k: v | st.sampled_from(sound.get(k, [MARK])) for k, v in values.items()}
    )

    @bounded(6)
    @given(query=query)
    @example(dict.fromkeys(values, MARK))
    def check(query: dict[str, str]) -> None:
        assume("\0" not in "".join(query.values()))
        CASES["pages"] += 1
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
        if name != "home":
            app.switch_page(FILES[name])
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        check_page(app)
        check_page(app.run())  # the address that it wrote itself

    check()


@pytest.mark.parametrize("name", FILES)
def test_a_forged_number_is_drawn_back_into_its_range(name: str) -> None:
    """Widgets are Streamlit's, and so is this check; the site relies on it for what costs memory and time."""
    app = open_page(name)
    for kind in ("number_input", "slider"):
        for widget in list(getattr(app, kind)):
            low, high, many = widget.min, widget.max, isinstance(widget.value, list | tuple)
            if not isinstance(low, int | float):
                continue
            for forged in (-1e18, 1e18):
                CASES["pages"] += 1
                found = next((w for w in getattr(app, kind) if w.key == widget.key), None)
                if found is None or found.disabled:
                    continue
                found.set_value([forged, forged] if many else forged)
                check_page(app.run())
                value = app.session_state[widget.key]
                assert all(low <= v <= high for v in (value if many else [value]) if v is not None), widget.key


BOXES = [
    [], {}, "x", 7, [[]], ["x"], [{}], [{"x": []}], [{"x": [1]}], [{"x": "12", "y": "34"}],
    [{"x": [1, None], "y": [1, 2]}],
    [{"x": [float("nan")] * 2, "y": [0, 1]}], [{"x": [MARK, MARK]}],
    [{"x": [[1], [2]], "y": [0, 1]}], [{"x": {"a": 1}, "y": [0, 1]}],
]  # fmt: skip


def test_a_region_that_nobody_drew_is_none() -> None:
    app = open_page("enemy")

    def region() -> list[tuple[float, float]]:
        return [app.session_state["a1"], app.session_state["a2"]]

    def draw(boxes: object) -> None:
        CASES["pages"] += 1
        ends = " ".join(f"{low:.2f}..{high:.2f}" for low, high in region())
        app.session_state[f"before {app.session_state['toy']} {ends}"] = {"selection": {"box": boxes}}
        check_page(app.run())

    before = region()
    for boxes in BOXES:
        draw(boxes)
        assert region() == before
    draw([{"x": [1, -2], "y": [70, 0.25]}])
    assert region() == [(-2.0, 1.0), (0.2, 5.0)], "what somebody did draw counts"


# --- What a page calls HTML.

_REACHED = {"state", "session_state", "query_params", "context"}


def reached(source: str) -> list[str]:
    """Lines of a module on which HTML is asked for with something a visitor sets, or in a way that needs no element."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if any(k.arg in ("unsafe_allow_html", "unsafe_allow_javascript") for k in node.keywords):
            found.append(f"{node.lineno}: {name} with HTML inside")
        elif name in ("html", "iframe") and isinstance(node.func, ast.Attribute):
            names = {getattr(n, "id", getattr(n, "attr", None)) for a in node.args for n in ast.walk(a)}
            found += [f"{node.lineno}: {name} of {', '.join(sorted(names & _REACHED))}"] if names & _REACHED else []
    return found


def test_no_page_makes_html_of_what_a_visitor_sets() -> None:
    for path in sorted((ROOT / "demo").rglob("*.py")):
        assert not reached(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "source",
    ["st.html(f'<b>{state.x}</b>')", "st.markdown(x, unsafe_allow_html=True)", "st.html(st.query_params['x'])"],
)
def test_html_of_what_a_visitor_sets_is_seen(source: str) -> None:
    assert reached(source)


def test_what_is_cached_is_keyed_by_all_of_it() -> None:
    """Streamlit keys a large array or frame by a sample of it (CVE-2026-10804); texts, bytes and numbers by all."""
    whole = {"str", "bytes", "int", "float", "bool", "None"}
    cached = 0
    for path in sorted((ROOT / "demo").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or "cache_" not in "".join(map(ast.unparse, node.decorator_list)):
                continue
            cached += 1
            for argument in node.args.args + node.args.kwonlyargs:
                assert argument.annotation is not None, (path, node.name)
                named = set(re.findall(r"\w+", ast.unparse(argument.annotation))) - {"tuple", "Literal"}
                assert named <= whole, f"{path.name}: {node.name} is keyed by {argument.arg}: {named - whole}"
    assert cached > 15


def test_so_many_cases_were_tried(request: pytest.FixtureRequest) -> None:
    whole = {item.name.split("[")[0] for item in request.session.items if item.path == request.path}
    if len(whole) < 9:
        pytest.skip("counts the whole file only")
    print(f"{CASES.total():,} cases: {', '.join(f'{n:,} {kind}' for kind, n in CASES.items())}")
    assert CASES.total() >= LEAST
