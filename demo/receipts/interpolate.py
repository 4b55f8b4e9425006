"""Receipts of the interpolation page: log p(z) of the frame that is shown, and along the way. Knows no page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import paths
from demo.densities import Array, log_standard_normal
from demo.receipts import Receipt, Second, program, vector

_CODE_OF = """\
def code(digit, number):
    of_class = np.flatnonzero(vae.codes.label == digit)
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return vae.codes.loc[order[number % len(order)]]

"""


@dataclass(frozen=True)
class End:
    """One end: "0" to "9" for a test digit's code, or "prior"; which of them; and its latent z [d]."""

    kind: str
    number: int
    z: Array

    @property
    def code(self) -> str:
        if self.kind == "prior":
            return f"digits.sample_prior(1, vae.latent_dim, seed={self.number})[0]"
        return f"code({self.kind}, {self.number})"

    @property
    def words(self) -> str:
        what = "a draw of the prior" if self.kind == "prior" else f"a test digit {self.kind}"
        return f"{what}, number {self.number}: {vector(self.z)}"


def receipts(model_id: str, a: End, b: End, route_name: str, route: Array, frame: int) -> tuple[Receipt, ...]:
    """Of the route [n, d] between the ends, and of one frame of it, counted from 0."""
    steps, d = route.shape
    t = np.linspace(0, 1, steps)
    turned = not np.allclose(route, paths.straight(a.z, b.z, t))  # a great circle, where the ends leave one
    log_p_z = log_standard_normal(route)
    path = {"model": model_id, "a": a.words, "b": b.words, "route": route_name}
    here = path | {"t": f"{t[frame]:.2f}, frame {frame + 1} of {steps}"}
    defined = _CODE_OF if {a.kind, b.kind} - {"prior"} else ""

    def code(points: str, body: str, *imports: str) -> str:
        start = (
            f'vae = pretrained.load("{model_id}")\n\n{defined}'
            f'a, b = {a.code}, {b.code}\nz = paths.ROUTES["{route_name}"](a, b, {points})\n'
        )
        return program(start + body, *imports)

    density = "from demo.densities import log_standard_normal"
    at_frame, everywhere = f"[{frame} / {steps - 1}]", f"np.linspace(0, 1, {steps})"
    second = _log_p_z(a.z, b.z, t, turned)
    by_length = "From the lengths and the angle of the two ends alone, without any point between them."
    formula = r"\log p(z) = -\tfrac12 \big(|z|^2 + d \log 2\pi\big)"
    found = [
        Receipt(
            name="log p(z)",
            formula=formula,
            inputs=here,
            method=f"The standard normal density in {d} dimensions at this point of the route.",
            value=float(log_p_z[frame]),
            unit="nats",
            second_method=by_length,
            again=lambda: Second(float(second[frame]), 1e-6),
            snippet=code(at_frame, 'print(f"{log_standard_normal(z)[0]:.2f}")', density),
        )
    ]
    for word, of_site, of_second in (("lowest", log_p_z.min, second.min), ("highest", log_p_z.max, second.max)):
        function = {"lowest": "min", "highest": "max"}[word]
        found.append(
            Receipt(
                name=f"{word} log p(z) on the way",
                formula=rf"\{function}_t\; \log p(z_t)",
                inputs=path | {"frames": str(steps)},
                method=f"The {word} of {steps} frames, the ends among them.",
                value=float(of_site()),
                unit="nats",
                second_method=by_length,
                again=lambda of_second=of_second: Second(float(of_second()), 1e-6),  # type: ignore[misc]
                snippet=code(everywhere, f'print(f"{{log_standard_normal(z).{function}():.2f}}")', density),
            )
        )
    if d == 2:
        for j, axis in enumerate("₁₂"):
            found.append(_coordinate(j, axis, here, a, b, route, frame, turned, code(at_frame, _print(j))))
    return tuple(found)


def _print(j: int) -> str:
    return f'print(f"{{z[0, {j}]:.2f}}")'


def _coordinate(
    j: int, axis: str, inputs: dict[str, str], a: End, b: End, route: Array, frame: int, turned: bool, snippet: str
) -> Receipt:
    """z₁ or z₂ of the frame, where the plane is shown."""
    t = frame / (len(route) - 1)

    def second() -> Second:
        if not turned:
            return Second(float(a.z[j] + t * (b.z[j] - a.z[j])), 1e-9)
        start, end = (complex(*v.z) for v in (a, b))
        turn = np.angle(end / start)
        length = abs(start) + t * (abs(end) - abs(start))
        point = length * np.exp(1j * (np.angle(start) + t * turn))
        return Second(float((point.real, point.imag)[j]), 1e-6)

    formula = r"\text{directions turned by } t\theta, \text{ lengths mixed by } t" if turned else r"z = (1-t)\,a + t\,b"
    return Receipt(
        name=f"z{axis}",
        formula=formula,
        inputs=inputs,
        method="A weighted mean of the two ends" + (", by sines of the angle between them." if turned else "."),
        value=float(route[frame, j]),
        unit="",
        second_method="A rotation in the complex plane." if turned else "From a, a share t of the way to b.",
        again=second,
        snippet=snippet,
    )


def _log_p_z(a: Array, b: Array, t: Array, turned: bool) -> Array:
    """log p(z) along the route from |a|, |b| and a·b alone. [n]."""
    aa, ab, bb = (float(np.dot(u, v)) for u, v in ((a, a), (a, b), (b, b)))
    squared = (1 - t) ** 2 * aa + 2 * t * (1 - t) * ab + t**2 * bb
    if turned:
        squared = ((1 - t) * np.sqrt(aa) + t * np.sqrt(bb)) ** 2
    constant: float = len(a) * float(np.log(2 * np.pi))
    return -0.5 * (squared + constant)
