"""The contest in the browser against Python: preview against evidence.elbo, stain against pictures.stain, limits."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from demo import digits, evidence, pictures, pretrained
from demo.components import JS, bundle, ellipse
from tests.test_components import node

# What the element promises of its preview while a hand moves, in nats: for q's up to twice as wide as the encoder's.
NEAR, NINE_NODES = 0.05, 0.25
SCRIPT = f"""
    import {{ readFileSync }} from "node:fs";
    import {{ parseDecoder }} from "{(JS / "decoder.js").as_uri()}";
    import {{ gaussianOf, previewOf }} from "{(JS / "ellipsescore.js").as_uri()}";
    import {{ elbo }} from "{(JS / "quadrature.js").as_uri()}";
    import {{ stainOf }} from "{(JS / "ellipsemap.js").as_uri()}";
    import {{ inLimits }} from "{(JS / "ellipseshape.js").as_uri()}";
    const {{ weights, cases, density }} = JSON.parse(readFileSync(0, "utf8"));
    const decoder = weights && parseDecoder(new Uint8Array(readFileSync(weights)));
    const logits = new Float64Array(784);
    console.log(JSON.stringify({{
        previews: cases.map(({{ x, q }}) => [3, 4].map((order) => previewOf(decoder, x, q, order, logits))),
        fine: cases.map(({{ x, q }}) => elbo(decoder, x, gaussianOf(q), {{ tolerance: 2e-3, most: 1000 }}).value),
        stain: density && [...stainOf(density.values, density.n, density.size)],
        limits: [inLimits([-99, 99, 99, 0])],
    }}));
"""


def browser(**given: object) -> dict:
    """What node computes, in one go."""
    asked = {"weights": None, "cases": [], "density": None} | given
    return json.loads(node("--input-type=module", "--eval", SCRIPT, stdin=json.dumps(asked)))


def test_the_bundle_is_one_valid_module(tmp_path: Path) -> None:
    module = tmp_path / "ellipse.mjs"
    module.write_text(bundle("ellipse"), encoding="utf-8")
    node("--check", str(module))


def shaped(x: NDArray, loc: NDArray, scale: NDArray, shift: tuple, stretch: tuple) -> dict:
    return {"x": x.tolist(), "q": [*(loc + np.array(shift) * scale), *(scale * stretch)]}


@pytest.mark.skipif("z2" not in pretrained.available(), reason="demo/assets/z2 has not been exported yet")
def test_the_preview_is_near_the_bound_and_the_finer_one_nearer() -> None:
    vae = pretrained.load("z2")
    cases = []
    for seed in (1, 5, 8):
        x = digits.sample_pixels(vae.decode(digits.sample_prior(1, 2, seed)), seed)[0]
        loc, log_scale = (part[0].astype(np.float64) for part in vae.encode(x[None]))
        for shift, stretch in (((0, 0), (1, 1)), ((0.5, -0.5), (1.5, 0.7)), ((-1, 1), (0.4, 2)), ((2, 0), (0.5, 0.5))):
            cases.append(shaped(x, loc, np.exp(log_scale), shift, stretch))
    found = browser(weights=str(pretrained.ASSETS / "z2" / "decoder.bin"), cases=cases)
    for case, (nine, sixteen), fine in zip(cases, found["previews"], found["fine"], strict=True):
        q = np.array(case["q"])
        exact = evidence.elbo(vae.decode, np.array(case["x"]), q[:2], np.log(q[2:]))
        assert sixteen["kl"] == pytest.approx(exact.kl, abs=1e-9)
        assert sixteen["elbo"] == pytest.approx(exact.value, abs=NEAR)
        assert nine["elbo"] == pytest.approx(exact.value, abs=NINE_NODES)
        assert fine == pytest.approx(exact.value, abs=5e-3)


def test_the_stain_is_the_one_of_the_other_maps() -> None:
    """pictures.stain by Pillow; eight pixels a node less half a node at each rim."""
    axis = np.linspace(-1, 1, 9)
    log_density = -6 * (axis - 0.2) ** 2 - 4 * (axis[:, None] + 0.1) ** 2 + 2 * axis * axis[:, None]
    size = 8 * 9 - 8
    mine = np.array(browser(density={"values": log_density.ravel().tolist(), "n": 9, "size": size})["stain"])
    picture = Image.open(io.BytesIO(pictures.stain(log_density, "#000000", "light"))).convert("RGB")
    paper = 0xFF  # of red, on the light paper
    theirs = 1 - np.asarray(picture, float)[..., 0] / paper
    inner = slice(8, -8)  # Pillow repeats its rim, the browser goes on
    np.testing.assert_allclose(mine.reshape(size, size)[inner, inner], theirs[inner, inner], atol=0.01)


def test_both_sides_know_the_same_limits() -> None:
    (low, high, widest, narrowest) = browser()["limits"][0]
    assert (low, high) == (-ellipse.REACH, ellipse.REACH)
    assert (narrowest, widest) == (ellipse.LEAST, ellipse.MOST)
    assert ellipse.chosen([low, high, widest, narrowest]) == (low, high, widest, narrowest)
