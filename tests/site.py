"""Pages opened as a visitor does, and densities by SciPy to check their numbers with. No tests in here."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats
from streamlit.testing.v1 import AppTest

from demo import pretrained
from demo.components import JS
from demo.pages import PAGES
from tests.test_components import node

ROOT = Path(__file__).resolve().parents[1]
FILES = {page.name: str(page.file.relative_to(ROOT)) for page in PAGES}


def open_page(name: str, **query: str) -> AppTest:
    """The page as a visitor opens it from a link with that query."""
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    if FILES[name] != FILES["home"]:
        app.switch_page(FILES[name])
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, [e.value for e in app.exception]
    assert not app.error, [e.value for e in app.error]
    shown = " ".join(str(e.value) for kind in (app.markdown, app.latex, app.caption, app.metric) for e in kind)
    assert not re.search(r"\b(nan|NaN|inf|Infinity|None|undefined)\b", shown), shown
    return app


_FILM = f"""
    import {{ readFileSync }} from "node:fs";
    import {{ ROUTES, along }} from "{(JS / "routes.js").as_uri()}";
    import {{ logStandardNormal }} from "{(JS / "numerics.js").as_uri()}";
    const {{ stops, route, frames }} = JSON.parse(readFileSync(0, "utf8"));
    const n = (stops.length - 1) * frames;
    const path = Array.from({{ length: n + 1 }}, (_, i) => along(stops, i / n, ROUTES[route]));
    console.log(JSON.stringify({{ path, log_p_z: path.map(logStandardNormal) }}));
"""


def film(app: AppTest) -> dict[str, Any]:
    """What the interpolation page's player was given, and the `path` and `log_p_z` that the browser makes of it."""

    def search(tree: object) -> dict[str, Any] | None:
        if isinstance(tree, dict):
            return tree if "stops" in tree else next(filter(None, map(search, tree.values())), None)
        return next(filter(None, map(search, tree)), None) if isinstance(tree, list) else None

    for element in app.get("bidi_component"):
        if element.proto.json and (found := search(json.loads(element.proto.json))):
            return found | json.loads(node("--input-type=module", "--eval", _FILM, stdin=json.dumps(found)))
    raise AssertionError("there is no player on this page")


def numbers(text: str) -> list[float]:
    """The numbers with a decimal point, in the order of the text; what LaTeX calls a distance is none."""
    return [float(found) for found in re.findall(r"-?\d+\.\d+(?!\d*em)", text.replace("−", "-"))]


def log_bernoulli(x: NDArray, logits: NDArray) -> float:
    """By SciPy, pixel by pixel, in another form than the site's."""
    signs = np.where(np.asarray(x) > 0, 1.0, -1.0)
    return float(special.log_expit(signs * np.asarray(logits, np.float64)).sum())


def brute_force(vae: pretrained.PretrainedVAE, x: NDArray, loc: NDArray) -> float:
    """log p(x) by uniform grids only, zooming twice onto where the mass is; SciPy's densities."""
    centre, half = np.zeros(2), 7.0
    for _ in range(6):
        axis = np.linspace(-half, half, 161)
        z = centre + np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        logits = vae.decode(z).astype(np.float64)
        log_p_x_given_z = special.log_expit(logits) @ x + special.log_expit(-logits) @ (1 - x.astype(float))
        log_joint = log_p_x_given_z + stats.norm.logpdf(z).sum(-1)
        total = float(special.logsumexp(log_joint) + 2 * np.log(axis[1] - axis[0]))
        mass = z[log_joint > log_joint.max() - 18]
        low, high = mass.min(0), mass.max(0)
        new = (high - low).max() / 2 + 2 * (axis[1] - axis[0])
        if new > 0.7 * half:
            return total
        centre, half = (low + high) / 2, new
    return total


def plain_elbo(
    vae: pretrained.PretrainedVAE, x: NDArray, loc: NDArray, log_scale: NDArray, nodes: int = 61
) -> tuple[float, float]:
    """E_q[log p(x|z)] by a plain trapezoid over ±6σ and the KL by SciPy's entropies."""
    axis = np.linspace(-6, 6, nodes)
    noise = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = stats.norm.pdf(noise).prod(-1)
    logits = vae.decode(loc + np.exp(log_scale) * noise).astype(np.float64)
    log_p = special.log_expit(logits) @ x + special.log_expit(-logits) @ (1 - x.astype(float))
    scale = np.exp(log_scale)
    cross_entropy = 0.5 * (np.log(2 * np.pi) + loc**2 + scale**2).sum()
    return float(weights @ log_p / weights.sum()), float(cross_entropy - stats.norm(loc, scale).entropy().sum())


def decoded(values: object) -> NDArray:
    """Plotly's JSON array, which may be base64."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).astype(float)
    return np.asarray(values, float)
