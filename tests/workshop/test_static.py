"""The static build: what is written, what is refused, and that its JavaScript gives the site's numbers (in node)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from demo import colours, digits, paths, pretrained
from demo.densities import log_bernoulli
from export import ExportError, initialisers, shell, weights
from export.networks import onnx_bytes
from export.site import ENDS, LIMIT, LISTING, export_site, main
from tests.conftest import ROOT
from tests.static import compare, compare_in_float64, given, made_images
from tests.test_components import node
from vae.config import Config
from vae.networks import VAE

MODELS = pretrained.available()
HOST = (shell.STATIC / "host").as_uri()

COMPUTE = """
import { readFileSync } from "node:fs";
import { compute } from "PARITY";
const { folder, asked } = JSON.parse(readFileSync(0, "utf8"));
const [encoder, decoder] = ["encoder", "decoder"].map((name) => new Uint8Array(readFileSync(`${folder}/${name}.bin`)));
console.log(JSON.stringify(compute({ encoder, decoder }, asked)));
""".replace("PARITY", (ROOT / "tests" / "js" / "parity.js").as_uri())


class Built:
    """A static site in a folder, and what the command said."""

    def __init__(self, folder: Path, dtype: initialisers.Dtype) -> None:
        self.folder, self.said = folder, list[str]()
        self.at_first = export_site(folder, dtype=dtype, say=lambda line: self.said.append(str(line)))
        self.listing: dict[str, Any] = json.loads((folder / LISTING).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("static") / "out", "float16")


@pytest.fixture(scope="module")
def in_float32(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("static") / "out32", "float32")


def test_every_file_of_a_model_is_what_the_listing_says(built: Built) -> None:
    assert [row["id"] for row in built.listing["models"]] == list(MODELS)
    for row in built.listing["models"]:
        vae = pretrained.load(row["id"])
        assert (row["latent_dim"], row["pixels"]) == (vae.latent_dim, vae.pixels)
        assert {"encoder", "decoder", "ends"} <= set(row["files"])
        for entry in row["files"].values():
            blob = (built.folder / entry["file"]).read_bytes()
            assert (len(blob), hashlib.sha256(blob).hexdigest()) == (entry["bytes"], entry["sha256"])
        assert row["files"]["encoder"]["shapes"]["last.bias"] == [2 * vae.latent_dim]
        shapes = row["files"]["decoder"]["shapes"]
        assert shapes.get("bias", shapes["last.bias"]) == [784], "convolutions add it last of all"


def test_the_decoder_is_the_very_file_of_the_site(built: Built) -> None:
    for model_id in MODELS:
        assert (built.folder / model_id / "decoder.bin").read_bytes() == pretrained.load(model_id).weights


def test_the_elements_are_the_very_modules_of_the_site(built: Built) -> None:
    modules = {path.name for path in (built.folder / "js").iterdir()}
    assert {"explorer.js", "gallery.js", "player.js", "pad.js", "numerics.js", "base.css", "pad.css"} <= modules
    for name in modules:
        assert (built.folder / "js" / name).read_bytes() == (shell.JS / name).read_bytes()
    for path in built.folder.rglob("*.js"):
        for source in re.findall(r"""from ["'](\.[^"']+)["']""", path.read_text(encoding="utf-8")):
            assert (path.parent / source).resolve().is_file(), f"{path} imports {source}"


def test_no_file_names_another_host(built: Built) -> None:
    for path in built.folder.rglob("*"):
        if path.suffix in {".html", ".js", ".css", ".svg", ".json"}:
            addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", path.read_text(encoding="utf-8")))
            assert addresses <= {"http://www.w3.org/2000/svg"}, path


def test_the_colours_are_those_of_the_theme(built: Built) -> None:
    css = (built.folder / "theme.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    for block, symbols, paper in ((light, colours.LIGHT, "light"), (dark, colours.DARK, "dark")):
        assert f"--st-background-color: {colours.PAPER[paper]};" in block
        assert f"--st-text-color: {colours.INK[paper]};" in block
        assert all(f"--c-{name}: {colour};" in block for name, colour in symbols.items())


def test_three_megabytes_before_the_second_model_is_asked_for(built: Built) -> None:
    assert built.at_first <= LIMIT


def test_what_is_needed_at_first_is_counted_and_kept(built: Built) -> None:
    files = {path.relative_to(built.folder).as_posix(): path.stat().st_size for path in built.folder.rglob("*.*")}
    later = sum(size for name, size in files.items() if name.startswith(tuple(f"{m}/" for m in MODELS[1:])))
    assert built.at_first == sum(files.values()) - later
    assert set(built.listing["first"]) == {n for n in files if not n.startswith(MODELS[1])} - {"index.html"} | {"./"}
    assert any("at first" in line for line in built.said)


def test_the_ends_are_the_first_of_the_interpolation_page(built: Built) -> None:
    vae = pretrained.load(MODELS[0])
    header, payload = unpacked((built.folder / MODELS[0] / "ends.bin").read_bytes())
    rows = {row["name"]: row for row in header["arrays"]}
    shape, offset = rows["loc"]["shape"], rows["loc"]["offset"]
    assert shape == [10 * ENDS, vae.latent_dim]
    loc = np.frombuffer(payload, "<f4", np.prod(shape), offset).reshape(shape)
    for digit, number in ((3, 0), (8, 5)):
        order = np.random.default_rng(digits.TEST_SEED).permutation(np.flatnonzero(vae.codes.label == digit))
        assert np.array_equal(loc[digit * ENDS + number], vae.codes.loc[order[number]])
    assert list(rows) == ["prior", "loc", "dots"]


def unpacked(blob: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(blob[:4], "little")
    return json.loads(blob[4 : 4 + length]), blob[4 + length :]


# What is refused.


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("the only copy")
    assert main([str(tmp_path)]) == 1
    assert "no static site of ours" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"


def test_an_older_build_is_replaced(built: Built) -> None:
    (built.folder / "old.js").write_text("")
    export_site(built.folder, say=lambda _: None)
    assert not (built.folder / "old.js").exists()
    assert not list(built.folder.parent.glob(".*part"))


def changed(name: str, change: Any) -> bytes:
    """The first model's encoder with one initialiser changed."""
    model = onnx.load(pretrained.ASSETS / MODELS[0] / pretrained.ENCODER)
    for tensor in model.graph.initializer:
        if tensor.name.startswith(name):
            change(tensor)
    return model.SerializeToString()


def test_networks_that_are_no_trunk_are_refused() -> None:
    def rename(tensor: onnx.TensorProto) -> None:
        tensor.name = "trunk.attention.weight"

    def third(tensor: onnx.TensorProto) -> None:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        values[0] = 1 / 3
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    with pytest.raises(ExportError, match=r"trunk\.attention"):
        initialisers.pack(changed("trunk.last.bias", rename), "z2", "encoder")
    with pytest.raises(ExportError, match="float16 does not hold"):
        initialisers.pack(changed("trunk.first.bias", third), "z2", "encoder")
    initialisers.pack(changed("trunk.first.bias", third), "z2", "encoder", "float32")


# The second implementation of our truth.


def in_node(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    stdin = json.dumps({"folder": str(folder), "asked": asked})
    return json.loads(node("--input-type=module", "--eval", COMPUTE, stdin=stdin))


@pytest.mark.parametrize(
    ("model_id", "dtype"), [*((model_id, "float16") for model_id in MODELS), (MODELS[0], "float32")]
)
def test_the_browsers_numbers_are_the_sites(
    model_id: str, dtype: str, request: pytest.FixtureRequest, record_property: Any
) -> None:
    """1e-4 nat for both: the shipped weights are exact in half precision, so nothing is lost in them."""
    site: Built = request.getfixturevalue("built" if dtype == "float16" else "in_float32")
    vae = pretrained.load(model_id)
    asked = given(vae, made_images(vae))
    found = in_node(site.folder / model_id, asked)
    record_property("worst", worst := compare(asked, found, vae, limit=1e-4))
    assert worst < 1e-4
    compare_in_float64(asked, found, vae, pretrained.ASSETS / model_id)


@pytest.mark.parametrize("model_id", MODELS)
def test_also_of_test_digits(built: Built, model_id: str, mnist_test: tuple[NDArray, NDArray]) -> None:
    vae = pretrained.load(model_id)
    asked = given(vae, digits.binarised_test_set()[[0, 1, 2, 3, 8, 6724]])
    assert compare(asked, in_node(built.folder / model_id, asked), vae, limit=1e-4) < 1e-4


def test_a_comparison_can_fail(built: Built) -> None:
    vae = pretrained.load(MODELS[0])
    asked = given(vae, made_images(vae)[:1])
    found = in_node(built.folder / MODELS[0], asked)
    found["accounts"][0]["bound"]["value"] += 2e-3
    with pytest.raises(AssertionError):
        compare(asked, found, vae, limit=1e-4)


@pytest.mark.parametrize(("architecture", "dense_blocks"), [("mlp", 2), ("conv", 2), ("conv", 0)])
def test_any_network_of_ours_becomes_one_of_the_browsers(architecture: str, dense_blocks: int, tmp_path: Path) -> None:
    """Widths that no four divides, against torch; the file is that of export/weights.py where there is one."""
    torch.manual_seed(0)
    sizes = {"encoder_width": 6, "encoder_blocks": 3, "decoder_width": 10, "decoder_blocks": 2}
    config = Config(architecture=architecture, latent_dim=3, dense_blocks=dense_blocks, **sizes)
    vae = VAE(784, config).eval()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).half().float())
    encoder = initialisers.pack(onnx_bytes(vae.encoder, 784, "x", ["loc", "log_scale"]), "toy", "encoder")
    decoder = initialisers.pack(onnx_bytes(vae.decoder, 3, "z", ["logits"]), "toy", "decoder")
    assert decoder == weights.pack(vae.decoder, "toy")
    (tmp_path / "encoder.bin").write_bytes(encoder)
    (tmp_path / "decoder.bin").write_bytes(decoder)
    vae = vae.double()
    x, z = (torch.rand(2, 784) < 0.3).double(), torch.randn(2, 3).double()
    asked = {"images": x.int().tolist(), "latents": z.tolist(), "noise": [0.0] * 6, "quadrature": False}
    found = in_node(tmp_path, asked)
    with torch.no_grad():
        loc, log_scale = vae.encoder(x)
        np.testing.assert_allclose(found["decoded"], torch.sigmoid(vae.decoder(z)), atol=1e-7)
        for row, ours in enumerate(found["accounts"]):
            np.testing.assert_allclose(ours["loc"], loc[row], atol=1e-12)
            np.testing.assert_allclose(ours["logScale"], log_scale[row], atol=1e-12)
            expected = log_bernoulli(x[row].numpy(), vae.decoder(loc[row : row + 1]).numpy())
            np.testing.assert_allclose(ours["logPxGivenZ"], expected.repeat(2), atol=1e-9)


def test_samples_of_a_seed_are_those_of_the_site(built: Built) -> None:
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ parseDecoder }} from "{(shell.JS / "decoder.js").as_uri()}";
        import {{ sampling }} from "{(built.folder / "host" / "imagine.js").as_uri()}";
        const decoder = parseDecoder(new Uint8Array(readFileSync("{built.folder / MODELS[0] / "decoder.bin"}")));
        const steps = sampling(decoder, 11, 6);
        let last = steps.next();
        while (!last.done) last = steps.next();
        console.log(JSON.stringify(last.value.map(({{ z, x }}) => [[...z], [...x]])));
    """
    vae = pretrained.load(MODELS[0])
    z, x = map(np.array, zip(*json.loads(node("--input-type=module", "--eval", script)), strict=True))
    expected = digits.sample_prior(6, vae.latent_dim, 11)
    np.testing.assert_allclose(z, expected, rtol=1e-13)
    np.testing.assert_array_equal(x, digits.sample_pixels(vae.decode(expected), 11))


def test_routes_are_the_sites() -> None:
    pairs = [np.random.default_rng(4).standard_normal((2, d)) for d in (2, 2, 32)]
    pairs += [np.array([[1.0, 0], [-2, 0]]), np.array([[0.0, 0], [1, 1]])]
    t = np.linspace(0, 1, 7)
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ ROUTES }} from "{(shell.JS / "routes.js").as_uri()}";
        const {{ pairs, t }} = JSON.parse(readFileSync(0, "utf8"));
        const walk = ([a, b]) => Object.values(ROUTES).map((route) => t.map((share) => route(a, b, share)));
        console.log(JSON.stringify(pairs.map(walk)));
    """
    stdin = json.dumps({"pairs": [pair.tolist() for pair in pairs], "t": t.tolist()})
    routes = json.loads(node("--input-type=module", "--eval", script, stdin=stdin))
    for (a, b), found in zip(pairs, routes, strict=True):
        np.testing.assert_allclose(found[0], paths.straight(a, b, t), atol=1e-14)
        np.testing.assert_allclose(found[1], paths.great_circle(a, b, t), atol=1e-13)


def test_a_tour_is_the_sites() -> None:
    stops, t = np.random.default_rng(5).standard_normal((4, 32)), np.linspace(0, 1, 50)
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ ROUTES, along }} from "{(shell.JS / "routes.js").as_uri()}";
        const {{ stops, t }} = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(Object.values(ROUTES).map((route) => t.map((share) => along(stops, share, route)))));
    """
    stdin = json.dumps({"stops": stops.tolist(), "t": t.tolist()})
    found = json.loads(node("--input-type=module", "--eval", script, stdin=stdin))
    for ours, route in zip(found, paths.ROUTES.values(), strict=True):
        np.testing.assert_allclose(ours, paths.along(stops, t, route), atol=1e-13)
