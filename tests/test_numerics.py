"""The browser's numerics against SciPy and NumPy, which share no code with either of the site's two implementations."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from demo.components import JS, bundle
from tests.test_components import node

SEEDS = (0, 42, 2**32 - 1, [5, 0], [999_999, 1], [1, 2, 3, 4, 5, 6], *([k, 0] for k in range(30)))
ORDERS = (1, 2, 7, 20, 36, 101)

SCRIPT = f"""
import {{ readFileSync }} from "node:fs";
import * as numerics from "{(JS / "numerics.js").as_uri()}";
import {{ hermiteLine }} from "{(JS / "quadrature.js").as_uri()}";
import {{ Random }} from "{(JS / "random.js").as_uri()}";
const {{ cases, logW, seeds, orders }} = JSON.parse(readFileSync(0, "utf8"));
const streams = seeds.map((seed) => {{
  const random = new Random(seed);
  return [[...random.normals(20000)], [...random.uniforms(100)]];
}});
const densities = cases.map(({{ x, logits, z, q }}) => [
  numerics.logBernoulli(x, logits), numerics.logStandardNormal(z), numerics.logNormal(z, q), numerics.klToPrior(q),
]);
const rules = orders.map((order) => {{
  const {{ nodes, weights }} = hermiteLine(order);
  return [...nodes].map((node, k) => [node, weights[k]]).sort((a, b) => a[0] - b[0]);
}});
const bound = numerics.importanceBound(logW);
console.log(JSON.stringify({{ streams, densities, rules, bound, top: numerics.logSumExp(logW) }}));
"""


def cases() -> list[dict[str, Any]]:
    """Images of 784 pixels under logits small and large, latents of 1 to 32 dimensions."""
    rng = np.random.default_rng(5)
    found = []
    for spread, d in ((0.1, 1), (3, 2), (30, 2), (300, 32)):
        q = {"loc": rng.normal(0, 2, d).tolist(), "logScale": rng.normal(-1, 1, d).tolist()}
        x, logits = rng.integers(0, 2, 784), rng.normal(0, spread, 784)
        found.append({"x": x.tolist(), "logits": logits.tolist(), "z": rng.normal(0, 2, d).tolist(), "q": q})
    return found


LOG_W = np.random.default_rng(6).normal(-900, 3, 500)


@pytest.fixture(scope="module")
def browser() -> dict[str, Any]:
    """What node computes, in one go."""
    given = {"cases": cases(), "logW": LOG_W.tolist(), "seeds": SEEDS, "orders": ORDERS}
    return json.loads(node("--input-type=module", "--eval", SCRIPT, stdin=json.dumps(given)))


def divergence(loc: float, log_scale: float) -> float:
    """D_KL[N(loc, σ²) ‖ N(0, 1)] by adaptive quadrature of its definition."""
    q = stats.norm(loc, np.exp(log_scale))
    low, high = q.interval(1 - 1e-15)
    value, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z)), low, high, epsabs=1e-12)
    return float(value)


def test_the_densities_are_scipys(browser: dict[str, Any]) -> None:
    for case, found in zip(cases(), browser["densities"], strict=True):
        x, logits, z = (np.asarray(case[name]) for name in ("x", "logits", "z"))
        loc, log_scale = case["q"]["loc"], case["q"]["logScale"]
        expected = [
            special.log_expit(np.where(x == 1, logits, -logits)).sum(),
            stats.norm.logpdf(z).sum(),
            stats.norm.logpdf(z, loc, np.exp(log_scale)).sum(),
            sum(map(divergence, loc, log_scale)),
        ]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_the_nodes_are_scipys(browser: dict[str, Any]) -> None:
    for order, rule in zip(ORDERS, browser["rules"], strict=True):
        nodes, weights = special.roots_hermitenorm(order)
        kept = np.abs(nodes) <= 9
        expected = np.stack([nodes[kept], weights[kept] / np.sqrt(2 * np.pi)], axis=-1)
        np.testing.assert_allclose(rule, expected, rtol=0, atol=1e-12)


def test_the_bound_its_error_and_its_size(browser: dict[str, Any]) -> None:
    w = np.exp(LOG_W - LOG_W.max())
    bound = browser["bound"]
    assert browser["top"] == pytest.approx(special.logsumexp(LOG_W), abs=1e-10)
    assert bound["value"] == pytest.approx(np.log(w.mean()) + LOG_W.max(), abs=1e-10)
    assert bound["standardError"] == pytest.approx(stats.sem(w) / w.mean(), rel=1e-10)
    assert bound["effectiveSampleSize"] == pytest.approx(w.sum() ** 2 / (w @ w), rel=1e-10)


def test_the_noise_of_a_seed_is_numpys(browser: dict[str, Any]) -> None:
    """That of the site's server, of one word and of several; 20,000 normals meet the tail and every layer's edge."""
    for seed, (normals, uniforms) in zip(SEEDS, browser["streams"], strict=True):
        rng = np.random.default_rng(seed)
        np.testing.assert_allclose(normals, rng.standard_normal(len(normals)), rtol=1e-13)
        assert uniforms == rng.random(100).tolist()
    assert max(np.abs(normals).max() for normals, _ in browser["streams"]) > 3.66, "none came from the tail"


@pytest.mark.parametrize("element", sorted({path.stem for path in JS.glob("*.css")} - {"base"} | {"weights"}))
def test_no_two_modules_of_an_element_use_one_name(element: str) -> None:
    """An element's bundle puts its modules into one scope: they must get along."""
    names = Counter(
        re.findall(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+)", bundle(element), re.MULTILINE)
    )
    assert len(names) > 3
    assert [name for name, times in names.items() if times > 1] == []


def test_a_bundle_imports_nothing() -> None:
    assert "import {" not in bundle("weights")
