"""Others can train: models of 8 × 8 digits and of 12 × 20 images, put into the assets, are models of every page.

Their numbers are recomputed as those of the shipped models are. The training is that of tests/small.py.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from streamlit.testing.v1 import AppTest

from demo import cache, digits, ends, pretrained
from demo.receipts import MissingError, Receipt
from export.site import models as static_models
from tests.receipts import broken, opened
from tests.site import FILES, brute_force, checked, film, log_bernoulli, numbers, open_page, plain_elbo
from tests.small import CLASSES, SQUARE, WIDE, glyphs

SHAPES = {SQUARE: (8, 8), WIDE: (12, 20)}
each = pytest.mark.parametrize("model", SHAPES)


def use(patch: pytest.MonkeyPatch, assets: Path) -> None:
    """The site finds its models there and nowhere else."""
    patch.setattr(pretrained, "ASSETS", assets)
    for function in (pretrained.available, pretrained.sizes, pretrained.load):
        patch.setattr(function, "__defaults__", (assets,))


@pytest.fixture(scope="module", autouse=True)
def beside(other_assets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both models beside the shipped ones."""
    folder = tmp_path_factory.mktemp("beside")
    for source in (*other_assets.iterdir(), *(pretrained.ASSETS / name for name in ("z2", "z32"))):
        (folder / source.name).symlink_to(source)
    with pytest.MonkeyPatch.context() as patch:
        use(patch, folder)
        yield folder


@pytest.fixture
def alone(other_assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both models and no other."""
    use(monkeypatch, other_assets)


def elements(app: AppTest) -> dict[str, dict[str, Any]]:
    """What each element was given, by slot."""
    found = [json.loads(element.proto.json)[0] for element in app.get("bidi_component") if element.proto.json]
    return {data["slot"]: data for data in found if "slot" in data}


def images(app: AppTest) -> set[tuple[int, int]]:
    """Width and height of each picture that the page shows as HTML."""
    sizes = re.compile(r'<img [^>]*width="(\d+)" height="(\d+)"')
    return {(int(w), int(h)) for html in app.get("html") for w, h in sizes.findall(html.proto.body)}


def x_of(model: str) -> NDArray[np.uint8]:
    """An upright bar, as both have them, on paper of the model's size."""
    rows, columns = SHAPES[model]
    x = np.zeros((rows, columns), np.uint8)
    x[rows // 4 : rows - rows // 4, columns // 3 : columns // 3 + 2] = 1
    return x.ravel()


def test_the_models_are_what_their_manifests_say() -> None:
    square, wide = (pretrained.load(name) for name in SHAPES)
    assert (square.shape, square.dataset, square.kinds, square.noun) == (
        (8, 8),
        "scikit-learn digits",
        "digits",
        "digit",
    )
    assert (wide.shape, wide.dataset, wide.kinds, wide.noun) == ((12, 20), "glyphs", "classes", "image")
    assert pretrained.load("z2").shape == (28, 28), "its manifest does not say"
    assert set(np.unique(wide.codes.label)) == set(CLASSES)


def test_a_manifest_whose_shape_is_not_of_its_pixels_is_refused(tmp_path: Path) -> None:
    for shape in ([20, 11], [240], [-12, -20], ["12", "20"], [12.0, 20.0], "12x20", None):
        folder = tmp_path / "wide"
        folder.mkdir(exist_ok=True)
        manifest = json.loads((pretrained.ASSETS / WIDE / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"shape": shape}))
        words = "as 'shape' of 240 pixels" if shape is not None else "encoder.onnx is missing"
        with pytest.raises(pretrained.AssetError, match=words):
            pretrained.load(folder)


STATES = [
    *(("sample", {"model": model, "seed": "7", "n": "9", "picked": "4"}) for model in SHAPES),
    ("interpolate", {"model": SQUARE, "t": "0.35", "steps": "21"}),
    ("interpolate", {"model": WIDE, "a": "12", "via": "7~", "b": "drawing", "bits": digits.pack(x_of(WIDE))}),
    ("explore", {"model": WIDE, "mode": "directions"}),
    ("explore", {"model": SQUARE, "mode": "between", "a": "drawing", "bits": digits.pack(x_of(SQUARE))}),
    ("explore", {"model": SQUARE, "mode": "coordinates", "moved": "2_1.25"}),
    ("evidence", {"model": WIDE, "x": "drawing", "bits": digits.pack(x_of(WIDE))}),
    ("evidence", {"model": SQUARE, "lens": "identity", "seed": "5"}),
    *((page, {"model": model}) for page in ("model", "training") for model in SHAPES),
]


def lacks(receipt: Receipt) -> str:
    """What this machine lacks for the second computation; nothing where it can be done."""
    try:
        return "" if np.isfinite(receipt.second) else "a number"
    except MissingError as missing:
        return str(missing)


@pytest.mark.parametrize(("name", "query"), STATES)
def test_every_page_shows_the_model_and_another_way_gives_its_numbers(name: str, query: dict[str, str]) -> None:
    app, receipts = opened(name, **query)
    model = query["model"]
    rows, columns = SHAPES[model]
    assert not app.info
    assert app.session_state["model"] == model
    lacking = {receipt.name: lacks(receipt) for receipt in receipts}
    assert all(re.fullmatch(r"(It needs the pixels of [\w -]+, which are not on this machine\.)?", words)
               for words in lacking.values()), lacking  # fmt: skip
    found = [receipt for receipt in receipts if not lacking[receipt.name]]
    assert len(found) >= 2
    assert broken(found) == {}
    told = " ".join(f"{receipt.method} {receipt.second_method} {receipt.inputs}" for receipt in receipts)
    assert "784" not in told
    assert name != "sample" or f"{rows * columns} coins" in told
    shown = images(app)
    assert shown or name in ("interpolate", "explore", "training") or query.get("x") == "drawing"
    for width, height in shown:
        assert abs(width / height - columns / rows) < 0.03 * columns / rows
    for data in elements(app).values():
        assert data.get("shape", data.get("frame", {}).get("shape", [rows, columns])) == [rows, columns]


def test_every_lens_looks_at_it() -> None:
    for model, lenses in ((SQUARE, ("grid", "sampling", "dimensions")), (WIDE, ("grid", "bayes", "contest"))):
        app = open_page("evidence", model=model, x="drawing", bits=digits.pack(x_of(model)))
        for lens in lenses:
            app.session_state["lens"] = lens
            checked(app.run())
            assert app.session_state["lens"] == lens
            assert app.latex


@each
def test_the_logarithms_of_a_sample_are_right(model: str) -> None:
    vae = pretrained.load(model)
    app = open_page("sample", model=model, seed="7", n="9", picked="4")
    z = np.random.default_rng([7, 0]).standard_normal((9, vae.latent_dim))[4]
    logits = vae.decode(z[None])[0]
    x = np.random.default_rng([7, 1]).random((9, vae.pixels))[4] < special.expit(logits.astype(np.float64))
    log_p_z, log_p_x_given_z = float(stats.norm.logpdf(z).sum()), log_bernoulli(x, logits)
    shown = numbers(app.latex[-1].value)
    assert shown == pytest.approx([log_p_z + log_p_x_given_z, log_p_z, log_p_x_given_z], abs=0.00501)
    given = elements(app)["samples"]
    levels = np.frombuffer(base64.b64decode(given["images"]), np.uint8).reshape(9, *SHAPES[model])
    expected = special.expit(vae.decode(np.random.default_rng([7, 0]).standard_normal((9, vae.latent_dim))))
    np.testing.assert_allclose(levels / 255, expected.reshape(9, *SHAPES[model]), atol=0.5 / 255 + 1e-6)


def test_in_two_dimensions_the_evidence_is_brute_forces() -> None:
    vae, x = pretrained.load(WIDE), x_of(WIDE)
    loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
    log_p_x, (reconstruction, kl) = brute_force(vae, x, loc), plain_elbo(vae, x, loc, log_scale)
    app = open_page("evidence", model=WIDE, x="drawing", bits=digits.pack(x))
    shown = {metric.label: numbers(metric.value) for metric in app.metric}
    assert shown["log p(x), nats"] == [pytest.approx(log_p_x, abs=0.006)]
    assert shown["ELBO, nats"] == [pytest.approx(reconstruction - kl, abs=0.006)]
    assert shown["bits per pixel"] == [pytest.approx(-log_p_x / np.log(2) / 240, abs=0.0006)]


@each
def test_a_test_image_is_not_offered_and_the_page_says_why(model: str) -> None:
    app = open_page("evidence", model=model, x="test", digit="5")
    assert not app.info
    assert app.session_state["x"] == "sample"
    assert app.radio[0].options == ["the model imagines one", "you draw one"]
    assert sum("the site has codes, but no pixels" in caption.value for caption in app.caption) == 1
    assert app.metric
    with_mnist = open_page("evidence", model="z2")
    assert len(with_mnist.radio[0].options) == 3


def test_a_walk_never_pins_a_digit_of_mnist_to_another_models_code() -> None:
    vae = pretrained.load(SQUARE)
    given = elements(open_page("explore", model=SQUARE, a="7", a_n="2"))["walk"]
    x = np.unpackbits(np.frombuffer(base64.b64decode(given["x"]), np.uint8), count=64)
    z = ends.latent(vae, "7", 2)
    np.testing.assert_array_equal(x, vae.decode(z[None])[0] > 0)
    assert given["x_name"] == "the likeliest picture at the start"
    assert given["names"][0] == "a test digit 7"


def test_a_walk_goes_past_classes_of_its_own() -> None:
    app = open_page("interpolate", model=WIDE, a="7", via="12~", b="0", steps="21")
    assert not app.info
    found, vae = film(app), pretrained.load(WIDE)
    assert (found["classes"], found["prefix"], found["shape"]) == (["0", "7", "12"], "a test image of class", [12, 20])
    for frame, label in ((0, 7), (10, 12), (20, 0)):
        codes = vae.codes.loc[vae.codes.label == label]
        assert np.abs(codes - found["path"][frame]).max(axis=1).min() < 1e-6
    assert app.query_params["via"] in ("12~", ["12~"])


def test_from_model_to_model_ends_and_stops_make_way_without_a_word() -> None:
    app = open_page("interpolate", model="z2", a="3", b="5", via="27")
    for model, expected in ((WIDE, ("0", "12", ["7"])), (SQUARE, ("0", "9", ["7"])), ("z32", ("0", "9", ["7"]))):
        app.session_state["model"] = model
        checked(app.run())
        state = app.session_state
        assert (state["a"], state["b"], state["via"]) == expected
        assert not app.info


@pytest.mark.parametrize("page", ["evidence", "interpolate", "explore"])
def test_a_drawing_of_another_size_is_none_and_nothing_is_said(page: str) -> None:
    query = {"evidence": {"x": "drawing"}, "interpolate": {"b": "drawing"}, "explore": {"a": "drawing"}}[page]
    first = np.zeros(784, np.uint8)
    first[300:310] = 1
    app = open_page(page, model="z2", bits=digits.pack(first), **query)
    assert app.session_state["bits"]
    for model in (SQUARE, WIDE, "z32", SQUARE):
        app.session_state["model"] = model
        checked(app.run())
        assert not app.info
        assert app.session_state["bits"] == "", f"to {model}"
        assert elements(app)["pad"]["base"] is None
        vae = pretrained.load(model)
        x = np.zeros(vae.pixels, np.uint8)
        x[3:6] = 1
        packed = base64.b64encode(np.packbits(x).tobytes()).decode()
        app.session_state["pad"] = {"held": {"number": elements(app)["pad"]["number"], "value": packed}}
        checked(app.run())
        assert app.session_state["bits"] == digits.pack(x)
        assert not any("Draw a" in text.value or "Give it an x" in text.value for text in app.markdown)
    linked = open_page(page, model=WIDE, bits=digits.pack(first), **query)
    assert (linked.session_state["bits"], len(linked.info)) == ("", 0)


def test_the_derivation_takes_no_drawing_of_another_models_size() -> None:
    app = open_page("evidence", model=SQUARE, x="drawing", bits=digits.pack(x_of(SQUARE)))
    app.switch_page(FILES["derivation"])
    checked(app.run())
    assert any("imagined, seed" in caption.value for caption in app.caption)
    app.switch_page(FILES["evidence"])
    checked(app.run())
    assert app.session_state["bits"] == digits.pack(x_of(SQUARE)), "it is still there for its own model"


def test_mnist_comes_first_and_is_what_a_page_opens_with(beside: Path) -> None:
    assert open_page("sample").session_state["model"] == "z2"
    assert open_page("explore").session_state["model"] == "z32"
    assert elements(open_page("home"))["explorer"]["model"] == "z2"
    assert pretrained.available() == ("wide", "z2", "square", "z32")


@pytest.mark.usefixtures("alone")
def test_without_mnist_home_and_derivation_are_of_the_model_with_a_plane() -> None:
    home, receipts = opened("home", pin=digits.pack(x_of(WIDE)), z1="0.3", z2="0.2")
    assert broken(receipts) == {}
    assert "240 brackets" in " ".join(receipt.method for receipt in receipts)
    given = elements(home)["explorer"]
    assert (given["model"], given["shape"], given["kinds"]) == (WIDE, [12, 20], "classes")
    assert given["base"][2] == digits.pack(x_of(WIDE))
    app = open_page("derivation", x="drawing", bits=digits.pack(x_of(WIDE)))
    vae = pretrained.load(WIDE)
    loc, _ = (part[0].astype(np.float64) for part in vae.encode(x_of(WIDE)[None]))
    assert numbers(app.latex[0].value) == [pytest.approx(brute_force(vae, x_of(WIDE), loc), abs=2e-3)]
    assert (140, 84) in images(app)
    first = open_page("interpolate")
    assert (first.session_state["a"], first.session_state["b"]) == ("0", "12")
    assert not first.query_params, "where it begins is nothing that the visitor set"


def test_a_drawing_is_laid_as_the_models_data_lie() -> None:
    assert cache.frame("z2") == cache.frame("z32")
    assert cache.frame("z2").fit == (20, 20)
    pictures = glyphs(800)[0] > 0.4
    frame = cache.frame(WIDE)
    assert frame.shape == (12, 20)
    high, wide = (
        (lines.shape[1] - lines.argmax(1) - lines[:, ::-1].argmax(1)) for lines in (pictures.any(2), pictures.any(1))
    )
    assert np.abs(np.subtract(frame.fit, (np.quantile(high, 0.9), np.quantile(wide, 0.9)))).max() <= 3


def test_others_numbers_stand_beside_mnists_alone() -> None:
    for model, there in (("z2", True), (WIDE, False), (SQUARE, False)):
        app = open_page("training", model=model)
        assert any("published number" in box.label for box in app.expander) is there
        assert any("published number" in text.value for text in app.markdown) is there


def test_the_static_page_leaves_out_what_it_cannot_draw(beside: Path) -> None:
    said: list[str] = []
    rows = list(static_models(beside, "float16", {}, said.append))
    assert [row["id"] for row in rows] == ["z2", "z32"]
    assert said == [
        "wide is left out: its images are of 12 × 20 pixels, the page's of 28 × 28",
        "square is left out: its images are of 8 × 8 pixels, the page's of 28 × 28",
    ]
