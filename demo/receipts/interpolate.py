"""Receipts of the interpolation page: log p(z) where the walk stands, and along the way. Knows no page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from demo import paths
from demo.densities import Array, log_standard_normal
from demo.receipts import Receipt, Second, Sheet, near, vector

_CODE_OF = """\
def code(digit, number):
    of_class = np.flatnonzero(vae.codes.label == digit)
    order = np.random.default_rng(digits.TEST_SEED).permutation(of_class)
    return vae.codes.loc[order[number % len(order)]]

"""


@dataclass(frozen=True)
class End:
    """One stop: a class ("3") for a test image's code, "prior" or "drawing"; which of them; its latent z [d].

    `name` is the kind in words, `drawn` Python that gives the drawing.
    """

    kind: str
    number: int
    z: Array
    name: str
    drawn: str = ""

    @property
    def code(self) -> str:
        if self.kind == "drawing":
            return f"vae.encode({self.drawn}[None])[0][0]"
        if self.kind == "prior":
            return f"digits.sample_prior(1, vae.latent_dim, seed={self.number})[0]"
        return f"code({self.kind}, {self.number})"

    @property
    def words(self) -> str:
        if self.kind == "drawing":
            return f"{self.name}: {vector(self.z)}"
        return f"{self.name}, number {self.number}: {vector(self.z)}"


def receipts(model_id: str, stops: Sequence[End], route_name: str, frames: int, share: float) -> tuple[Receipt, ...]:
    """Of the tour past the stops, a share of it done, and of its film, which has `frames` steps a leg."""
    latents = [stop.z for stop in stops]
    d, legs = len(latents[0]), len(stops) - 1
    leg = min(int(share * legs), legs - 1)
    (a, b), step = stops[leg : leg + 2], share * legs - leg
    t = np.arange(frames + 1) / frames
    route = paths.tour(latents, frames, paths.ROUTES[route_name])
    turned = [  # a great circle, where the ends of the leg leave one
        not np.allclose(route[k * frames : (k + 1) * frames + 1], paths.straight(start.z, end.z, t))
        for k, (start, end) in enumerate(pairwise(stops))
    ]
    z = paths.along(latents, [share], paths.ROUTES[route_name])
    log_p_z = log_standard_normal(route)
    path = {"model": model_id, "past": "; ".join(stop.words for stop in stops), "route": route_name}
    here = path | {"t": f"{share:g}"}
    defined = _CODE_OF if {stop.kind for stop in stops} - {"prior", "drawing"} else ""

    start = f'vae = pretrained.load("{model_id}")\n\n{defined}'
    formula = r"\log p(z) = -\tfrac12 \big(|z|^2 + d \log 2\pi\big)"
    listed = ", ".join(stop.code for stop in stops)
    at_share = Sheet(
        here, f'{start}stops = [{listed}]\nz = paths.along(stops, [{share!r}], paths.ROUTES["{route_name}"])'
    )
    everywhere = Sheet(
        path | {"frames": str(len(route))},
        f'{start}stops = [{listed}]\nz = paths.tour(stops, {frames}, paths.ROUTES["{route_name}"])',
    )
    parts = [_log_p_z(start.z, end.z, t, bent) for (start, end), bent in zip(pairwise(stops), turned, strict=True)]
    second = np.concatenate([part[:-1] for part in parts] + [parts[-1][-1:]])
    by_length = "From the lengths and the angle of the ends of each leg alone, without any point between them."
    found = [
        at_share.receipt(
            "log p(z)",
            formula,
            f"The standard normal density in {d} dimensions at this point of the route.",
            float(log_standard_normal(z)[0]),
            "log_standard_normal(z)[0]",
            by_length,
            near(lambda: float(_log_p_z(a.z, b.z, np.array([step]), turned[leg])[0]), 1e-6),
        )
    ]
    for word, function, value, other in (
        ("lowest", "min", log_p_z.min(), float(second.min())),
        ("highest", "max", log_p_z.max(), float(second.max())),
    ):
        found.append(
            everywhere.receipt(
                f"{word} log p(z) on the way",
                rf"\{function}_t\; \log p(z_t)",
                f"The {word} of {len(route)} frames, the ends among them.",
                value,
                f"log_standard_normal(z).{function}()",
                by_length,
                near(lambda other=other: other, 1e-6),  # type: ignore[misc]
            )
        )
    if d == 2:
        plain = at_share.given(unit="")
        found += [_coordinate(plain, j, a, b, step, float(z[0, j]), turned[leg]) for j in range(2)]
    return tuple(found)


def _coordinate(sheet: Sheet, j: int, a: End, b: End, t: float, value: float, turned: bool) -> Receipt:
    """z₁ or z₂ a share t of the way from a to b, where the plane is shown."""

    def second() -> Second:
        if not turned:
            return Second(float(a.z[j] + t * (b.z[j] - a.z[j])), 1e-9)
        start, end = (complex(*v.z) for v in (a, b))
        turn = np.angle(end / start)
        length = abs(start) + t * (abs(end) - abs(start))
        point = length * np.exp(1j * (np.angle(start) + t * turn))
        return Second(float((point.real, point.imag)[j]), 1e-6)

    return sheet.receipt(
        f"z{'₁₂'[j]}",
        r"\text{directions turned by } t\theta, \text{ lengths mixed by } t" if turned else r"z = (1-t)\,a + t\,b",
        "A weighted mean of the two ends" + (", by sines of the angle between them." if turned else "."),
        value,
        f"z[0, {j}]",
        "A rotation in the complex plane." if turned else "From a, a share t of the way to b.",
        second,
    )


def _log_p_z(a: Array, b: Array, t: Array, turned: bool) -> Array:
    """log p(z) along the route from |a|, |b| and a·b alone. [n]."""
    aa, ab, bb = (float(np.dot(u, v)) for u, v in ((a, a), (a, b), (b, b)))
    squared = (1 - t) ** 2 * aa + 2 * t * (1 - t) * ab + t**2 * bb
    if turned:
        squared = ((1 - t) * np.sqrt(aa) + t * np.sqrt(bb)) ** 2
    constant: float = len(a) * float(np.log(2 * np.pi))
    return -0.5 * (squared + constant)
