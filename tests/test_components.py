"""Gallery, player and pad, as Python sees them: what goes out, what is believed of what comes back, who wins.

The JavaScript is tested by node (tests/js) and in a browser (tests/browser); here its MNIST-like drawing is compared
with NumPy.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest

from demo.components import JS, bundle, gallery, pad, player, style, tables
from tests.conftest import IN_CI

ELEMENTS = ("gallery", "player", "pad")
X = (np.arange(784) % 5 == 0).astype(np.uint8)
PACKED = base64.b64encode(np.packbits(X).tobytes()).decode()


def node(*arguments: str, stdin: str = "") -> str:
    """What node prints; where it is missing the test is skipped, and in CI it fails."""
    program = shutil.which("node")
    if program is None:
        (pytest.fail if IN_CI else pytest.skip)("needs node")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What the browser gets.


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_bundle_is_one_valid_module(name: str, tmp_path: Path) -> None:
    module = tmp_path / f"{name}.mjs"
    module.write_text(bundle(name), encoding="utf-8")
    node("--check", str(module))
    assert "import {" not in bundle(name)
    assert bundle(name).count("export default") == 1
    assert style(name).startswith((JS / "base.css").read_text(encoding="utf-8"))


def test_the_check_of_a_bundle_can_fail(tmp_path: Path) -> None:
    module = tmp_path / "twice.mjs"
    module.write_text("const a = 1;\nconst a = 2;\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="SyntaxError"):
        node("--check", str(module))


# Who wins: the page or the hand. The element is a gallery of three; the app keeps what it was told in `given`.


def naive() -> None:
    import numpy as np
    import streamlit as st

    from demo.components.gallery import gallery

    images = np.full((3, 784), st.session_state.get("shade", 0), np.uint8)
    st.text(gallery(images, picked=st.session_state.get("given", 0), key="g"))


def echoing() -> None:
    import numpy as np
    import streamlit as st

    from demo.components.gallery import gallery

    st.session_state.setdefault("given", 0)
    if st.session_state.get("shown", True):
        st.session_state.given = gallery(np.zeros((3, 784), np.uint8), picked=st.session_state.given, key="g")
    st.text(st.session_state.given)


def shown(at: AppTest) -> str:
    at.run()
    assert not at.exception
    return at.text[0].value


def send(at: AppTest, number: object, value: object, key: str = "g") -> None:
    at.session_state[key] = {"held": {"number": number, "value": value}}


def sent(at: AppTest) -> dict[str, Any]:
    """What the browser was last given."""
    (data,) = json.loads(at.get("bidi_component")[0].proto.json)
    return data


@pytest.mark.parametrize("app", [naive, echoing])
def test_the_hand_wins_until_the_page_says_something_new(app: Callable[[], None]) -> None:
    at = AppTest.from_function(app)
    assert shown(at) == "0"
    send(at, 0, 2)
    assert [shown(at), shown(at)] == ["2", "2"]
    assert sent(at)["base"] == 0, "the message did not change, so the pictures are not sent again"
    at.session_state["given"] = 1
    assert shown(at) == "1"
    assert (sent(at)["base"], sent(at)["number"]) == (1, 1)
    assert shown(at) == "1", "an answer to the older value is not heard"
    send(at, 1, 0)
    assert [shown(at), shown(at)] == ["0", "0"]


def test_with_new_pictures_the_page_counts() -> None:
    at = AppTest.from_function(naive)
    shown(at)
    send(at, 0, 2)
    assert shown(at) == "2"
    at.session_state["shade"] = 9
    assert shown(at) == "0"
    assert sent(at)["number"] == 1


def test_an_element_that_left_and_came_back_starts_from_the_page() -> None:
    at = AppTest.from_function(echoing)
    shown(at)
    send(at, 0, 2)
    assert shown(at) == "2"
    at.session_state["shown"] = False
    assert shown(at) == "2"
    assert "g" not in at.session_state, "Streamlit forgets what an absent element said"
    at.session_state["shown"] = True
    assert shown(at) == "2"
    assert sent(at)["base"] == 2


@pytest.mark.parametrize("value", [3, -1, 1.0, "1", True, None, [1], {"index": 1}, 10**30])
def test_a_pick_that_is_none_is_not_believed(value: object) -> None:
    at = AppTest.from_function(naive)
    shown(at)
    send(at, 0, 1)
    assert shown(at) == "1"
    send(at, 0, value)
    assert shown(at) == "1"


def test_a_message_that_nobody_could_have_sent_changes_nothing() -> None:
    """An answer to a value that the page has not set yet: what the hand chose before stays, also when it goes."""
    at = AppTest.from_function(naive)
    shown(at)
    send(at, 0, 2)
    assert shown(at) == "2"
    for number in (1, 999, 2**70, -1):
        send(at, number, 1)
        assert shown(at) == "2"
    send(at, 0, 1)
    assert shown(at) == "1"
    assert sent(at)["number"] == 0


def test_what_was_said_to_another_session_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser whose server was started anew brings what it had told the one before."""
    numbers = iter((500, 900))
    monkeypatch.setattr("demo.components.held._drawn", lambda: next(numbers))
    for first, other in ((500, 900), (900, 500)):
        at = AppTest.from_function(naive)
        assert shown(at) == "0"
        assert sent(at)["number"] == first
        send(at, other, 2)
        assert shown(at) == "0"
        send(at, first, 1)
        assert shown(at) == "1"


@pytest.mark.parametrize("held", [5, None, [0, 1], {"number": "0", "value": 1}, {"number": 0}])
def test_a_message_of_another_shape_is_not_believed(held: object) -> None:
    at = AppTest.from_function(naive)
    shown(at)
    at.session_state["g"] = {"held": held}
    assert shown(at) == "0"


# Each element's own contract.


def playing() -> None:
    import numpy as np
    import streamlit as st

    from demo.components import tables
    from demo.components.player import player

    def heard(ends: object) -> None:
        st.session_state["told"] = ends

    t = player(
        "toy",
        st.session_state.get("stops", [[0.0, 0.0], [1.0, 2.0]]),
        route="straight",
        frames=20,
        closed=False,
        ends=(("3", 0), ("prior", 7)),
        tray=tables.pack_tray(np.zeros((10, 1, 2)), np.zeros((4, 2)), {"loc": np.zeros((8, 2)), "label": np.zeros(8)}),
        drawing=None,
        t=st.session_state.get("given", 0.3),
        on_ends=heard,
        key="p",
    )
    st.text(repr(t))


def given_to(at: AppTest) -> dict[str, Any]:
    """What the player was last given; the tray goes before it as bytes."""
    found = [json.loads(element.proto.json) for element in at.get("bidi_component") if element.proto.json]
    return found[-1][0]


def test_t_is_in_thousandths_as_a_link_has_it() -> None:
    at = AppTest.from_function(playing)
    assert shown(at) == "0.3"
    for value, believed in (
        (0.5, "0.5"), (0.12345, "0.123"), (1, "1.0"), (1.01, "1.0"), ("0", "1.0"), (float("nan"), "1.0"), (True, "1.0"),
    ):  # fmt: skip
        send(at, 0, value, "p")
        assert shown(at) == believed
    at.session_state["given"] = 0.9998
    assert shown(at) == "1.0"
    assert given_to(at)["number"] == 0, "that is what is shown"


def test_another_way_is_another_subject_and_keeps_the_place() -> None:
    at = AppTest.from_function(playing)
    shown(at)
    send(at, 0, 0.5, "p")
    assert shown(at) == "0.5"
    at.session_state["given"] = 0.5
    at.session_state["stops"] = [[0.0, 0.0], [3.0, 3.0]]
    assert shown(at) == "0.5"
    assert (given_to(at)["number"], given_to(at)["base"]) == (1, 0.5)


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ({"number": 4, "ends": {"b": ["7", 3]}}, 4),
        ({"number": 4, "ends": {"b": ["77", 3]}}, 4),
        ({"number": "4", "ends": {"b": ["7", 3]}}, 0),
        ({"number": -1, "ends": {}}, 0),
        ({"number": 2**60, "ends": {}}, 0),
        ({"number": True, "ends": {}}, 0),
        ({"ends": {}}, 0),
        ([1], 0),
        (None, 0),
    ],
)
def test_the_browser_hears_which_choice_of_ends_is_answered(message: object, number: int) -> None:
    at = AppTest.from_function(playing)
    shown(at)
    at.session_state["p"] = {"chosen": message}
    shown(at)
    assert given_to(at)["heard"] == number


@pytest.mark.parametrize(
    "ends", [{"a": ("0", 0)}, {"b": ["prior", 9999]}, {"a": ["drawing", 0], "b": ["7", 12]}], ids=repr
)
def test_ends_are_believed_where_they_are_some(ends: dict[str, Any]) -> None:
    assert player.chosen(ends) == {end: tuple(choice) for end, choice in ends.items()}


@pytest.mark.parametrize(
    "ends",
    [
        None,
        {},
        [],
        "a",
        {"c": ["1", 0]},
        {"a": ["1", 0], "b": ["2", 0], "c": ["3", 0]},
        {"a": "10"},
        {"a": ["1"]},
        {"a": ["1", 0, 0]},
        {"a": [1, 0]},
        {"a": ["12", 0]},
        {"a": ["", 0]},
        {"a": ["1", -1]},
        {"a": ["1", 10_000]},
        {"a": ["1", 1.0]},
        {"a": ["1", True]},
        {"a": ["1", "0"]},
        {"a": [["1"], 0]},
        {"a": ["x" * 10_000_000, 0]},
    ],
    ids=lambda ends: repr(ends)[:40],
)
def test_ends_that_are_none_are_refused(ends: object) -> None:
    with pytest.raises(ValueError, match=r"end"):
        player.chosen(ends)


def drawing() -> None:
    import streamlit as st

    from demo.components.pad import pad

    x = pad(bits=st.session_state.get("given"), key="d")
    st.text("none" if x is None else f"{x.dtype} {x.shape} " + "".join(map(str, x)))


def test_a_drawing_comes_back_bit_by_bit() -> None:
    expected = "uint8 (784,) " + "".join(map(str, X))
    at = AppTest.from_function(drawing)
    assert shown(at) == "none"
    send(at, 0, PACKED, "d")
    assert shown(at) == expected
    for bad in (PACKED[:-1], PACKED + "A", "é" * 132, "=" * 132, 7, {"x": PACKED}, PACKED.replace("=", "A")):
        send(at, 0, bad, "d")
        assert shown(at) == expected
    send(at, 0, base64.b64encode(bytes(98)).decode(), "d")
    assert shown(at) == "none"
    at.session_state["given"] = X
    assert shown(at) == expected
    assert sent(at)["base"] == PACKED


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gallery.gallery(np.zeros((3, 784)), picked=0, key="k"), "uint8"),
        (lambda: gallery.gallery(np.zeros((3, 28, 28), np.uint8), picked=0, key="k"), "784"),
        (lambda: gallery.gallery(np.zeros((101, 784), np.uint8), picked=0, key="k"), "1 to 100"),
        (lambda: gallery.gallery(np.zeros((3, 784), np.uint8), picked=3, key="k"), "0 to 2"),
        (lambda: gallery.gallery(np.zeros((3, 784), np.uint8), picked=0, captions=["a"], key="k"), "captions"),
        (lambda: walk([[0.0, 0.0]]), "2 to"),
        (lambda: walk([[0.0, 0.0]] * 9), "2 to"),
        (lambda: walk([0.0, 0.0]), "stops"),
        (lambda: walk([[0.0, 0.0], [0.0, np.inf]]), "finite"),
        (lambda: walk(frames=0), "frames"),
        (lambda: walk(route="crow"), "straight"),
        (lambda: walk(drawing=[1.0]), "drawing"),
        (lambda: walk(t=1.5), "between 0 and 1"),
        (lambda: walk(t=float("nan")), "between 0 and 1"),
        (lambda: pad.pad(bits=np.zeros(783), key="k"), "784"),
        (lambda: pad.pad(bits=np.full(784, 2), key="k"), "0 or 1"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def walk(stops: Any = ((0.0, 0.0), (1.0, 1.0)), t: float = 0.0, **changed: Any) -> float:
    given = {"route": "straight", "frames": 10, "closed": False, "drawing": None} | changed
    tray = tables.pack_tray(np.zeros((10, 1, 2)), np.zeros((4, 2)), {"loc": np.zeros((8, 2)), "label": np.zeros(8)})
    ends = (("3", 0), ("8", 0))
    return player.player("toy", stops, t=t, ends=ends, tray=tray, on_ends=lambda _: None, key="k", **given)


# MNIST-like drawings: the browser's arithmetic against NumPy's.


def browser_mnist_like(drawings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """[n, 28, 28] by js/mnistlike.js, run in node, of square drawings with values 0 to 1."""
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ likeData }} from "{(JS / "mnistlike.js").as_uri()}";
        const drawings = JSON.parse(readFileSync(0, "utf8"));
        const out = drawings.map(([size, grey]) => [...likeData(Float32Array.from(grey), size, size)]);
        console.log(JSON.stringify(out));
    """
    grey = [[len(drawing), drawing.ravel().round(5).tolist()] for drawing in drawings]
    out = node("--input-type=module", "--eval", script, stdin=json.dumps(grey))
    return np.array(json.loads(out)).reshape(-1, 28, 28)


def area_means(grey: NDArray[np.float64], rows: int, columns: int) -> NDArray[np.float64]:
    """Means over a grid of equal cells, from the interpolated integral image: no loop over pixels, no shares."""
    integral = np.pad(grey.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    y, x = np.linspace(0, grey.shape[0], rows + 1), np.linspace(0, grey.shape[1], columns + 1)
    lines = np.array([np.interp(y, np.arange(len(integral)), column) for column in integral.T]).T
    corners = np.array([np.interp(x, np.arange(len(line)), line) for line in lines])
    cell = (grey.shape[0] / rows) * (grey.shape[1] / columns)
    return np.diff(np.diff(corners, axis=0), axis=1) / cell


def numpy_mnist_like(drawing: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = np.nonzero(drawing > 0.1)
    ink = drawing[y.min() : y.max() + 1, x.min() : x.max() + 1]
    scale = 20 / max(ink.shape)
    rows, columns = (max(1, int(np.floor(side * scale + 0.5))) for side in ink.shape)
    fitted = area_means(ink, rows, columns)
    middle = np.array([(fitted.sum(1) * np.arange(rows)).sum(), (fitted.sum(0) * np.arange(columns)).sum()])
    down, right = np.floor(14 - middle / fitted.sum() + 0.5).astype(int)
    wide = np.zeros((28 + 80, 28 + 80))
    wide[40 + down : 40 + down + rows, 40 + right : 40 + right + columns] = fitted
    return wide[40:68, 40:68]


def strokes(seed: int, size: int = 140) -> NDArray[np.float64]:
    """A soft scribble somewhere on the sheet, [size, size]."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.15, 0.85, (4, 2)) * rng.uniform(0.3, 1) * size
    along = np.concatenate([np.linspace(a, b, 40) for a, b in pairwise(points)])
    y, x = np.mgrid[:size, :size]
    distance = np.sqrt(((x[..., None] - along[:, 0]) ** 2 + (y[..., None] - along[:, 1]) ** 2).min(-1))
    return np.clip(6.5 - distance, 0, 1)


def test_the_browser_fits_and_centres_as_numpy_does() -> None:
    drawings = [strokes(seed) for seed in range(12)]
    for drawing, found in zip(drawings, browser_mnist_like(drawings), strict=True):
        np.testing.assert_allclose(found, numpy_mnist_like(drawing), atol=2e-5)


def test_pillow_shrinks_a_drawing_to_much_the_same_picture() -> None:
    """Another hand's area filter (Pillow's BOX, which takes or leaves whole pixels at the rim of a cell)."""
    drawing = strokes(3)
    y, x = np.nonzero(drawing > 0.1)
    ink = drawing[y.min() : y.max() + 1, x.min() : x.max() + 1]
    rows, columns = (round(side * 20 / max(ink.shape)) for side in ink.shape)
    by_pillow = np.asarray(Image.fromarray(ink.astype(np.float32)).resize((columns, rows), Image.Resampling.BOX))
    found = browser_mnist_like([drawing])[0]
    y, x = np.nonzero(found)
    fitted = found[y.min() : y.min() + rows, x.min() : x.min() + columns]
    assert np.abs(fitted - by_pillow).mean() < 0.03


def test_digits_of_mnist_pass_unchanged(mnist_test: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
    """The rule is MNIST's: its own digits, enlarged and treated as drawings, come back as they were."""
    images = mnist_test[0][:400].reshape(-1, 28, 28) / 255
    height = [np.ptp(np.nonzero((image > 0.1).any(1))[0]) + 1 for image in images]
    width = [np.ptp(np.nonzero((image > 0.1).any(0))[0]) + 1 for image in images]
    full = images[np.maximum(height, width) == 20][:150]
    found = browser_mnist_like([image.repeat(3, 0).repeat(3, 1) for image in full])
    same = [np.array_equal(before >= 0.5, after >= 0.5) for before, after in zip(full, found, strict=True)]
    assert np.mean(same) > 0.97
