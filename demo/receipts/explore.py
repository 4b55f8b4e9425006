"""Receipts of the exploration: the three logarithms and the length of z where the walk stands, the singular values of
the directions, the KL of the coordinates. Knows no page.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo import walks
from demo.densities import Array, log_bernoulli, log_standard_normal
from demo.receipts import Receipt, Second, Sheet, again, near, vector
from demo.receipts.again import Decode
from demo.receipts.subject import Origin
from demo.walks import Directions, Place

ROUNDING = 1e-4  # nats: softplus in float32 over 784 pixels, against float64
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, eq=False)
class Start:
    """A code z [d], in words and as Python in which `vae` is the model."""

    z: Array
    words: str
    code: str


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk of one model: from a (to b where the mode is "between"), where it stands, and a pinned x [pixels]."""

    model_id: str
    decode: Decode
    mode: str
    route: str
    a: Start
    b: Start
    x: NDArray
    origin: Origin
    place: Place
    directions: Directions | None
    noun: str = "digit"  # what one of the model's pictures is called

    @property
    def z(self) -> Array:
        vectors = np.empty((0, len(self.a.z))) if self.directions is None else self.directions.vectors
        return walks.latent(self.mode, self.place, self.a.z, self.b.z, self.route, vectors)

    @property
    def opening(self) -> str:
        return f'vae = pretrained.load("{self.model_id}")\na = {self.a.code}'

    @property
    def code(self) -> str:
        """Python that makes z."""
        if self.mode == "between":
            return f'{self.opening}\nb = {self.b.code}\nz = paths.ROUTES["{self.route}"](a, b, [{self.place.t!r}])[0]'
        if self.mode == "directions":
            steps = "".join(f"\nz = z + {amount!r} * v[{k - 1}]" for k, amount in self.place.along)
            return f"{self.opening}\nv = walks.principal_directions(vae.decode, a).vectors\nz = a{steps}"
        steps = "".join(f"\nz[{j - 1}] = {value!r}" for j, value in self.place.moved)
        return f"{self.opening}\nz = np.array(a, np.float64){steps}"

    @property
    def inputs(self) -> dict[str, str]:
        known = {"model": self.model_id, "from": self.a.words}
        if self.mode == "between":
            known |= {"to": self.b.words, "route": self.route, "t": f"{self.place.t:.3f}"}
        elif self.mode == "directions":
            known |= {f"along {_named('v', k)}": f"{s:.2f}" for k, s in self.place.along}
        else:
            known |= {_named("z", j): f"{value:.2f}" for j, value in self.place.moved}
        return known | {"z": vector(self.z)}


def receipts(walk: Walk, kl: Array, kl_of_codes: tuple[NDArray, NDArray], inactive: float) -> tuple[Receipt, ...]:
    """Of the place where the walk stands, and of what its mode shows beside the sliders.

    `kl` [d] are the means of the KL over the codes, of which `kl_of_codes` are loc and log_scale [N, d].
    """
    found = _place(walk)
    if walk.mode == "directions":
        return (*found, _singular_values(walk))
    if walk.mode == "coordinates":
        return (*found, *_divergences(walk, kl, kl_of_codes, inactive))
    return found


def _named(symbol: str, number: int) -> str:
    return f"{symbol}{str(number).translate(_SUBSCRIPTS)}"


def _place(walk: Walk) -> tuple[Receipt, ...]:
    z, d = walk.z, len(walk.z)
    logits = walk.decode(z[None])[0]
    log_p_z, log_p_x_given_z = float(log_standard_normal(z)), float(log_bernoulli(walk.x, logits))
    first = Sheet(walk.inputs, walk.code)
    both = first.given({"x": walk.origin.words}, walk.origin.code)
    prior, pixels = "log_standard_normal(z)", "log_bernoulli(x, vae.decode(z[None])[0])"

    def again_z() -> float:
        return float(again.log_normal(z))

    def again_x() -> float:
        return float(again.log_bernoulli(walk.x, logits))

    return (
        both.receipt(
            "log p(x, z)",
            r"\log p(x,z) = \log p(z) + \log p(x|z)",
            "The sum of the two logarithms below, for the x that is pinned.",
            log_p_z + log_p_x_given_z,
            f"{prior} + {pixels}",
            "The sum of their second computations.",
            near(lambda: again_z() + again_x(), ROUNDING),
        ),
        first.receipt(
            "log p(z)",
            r"\log p(z) = -\tfrac12 \sum_j \big(z_j^2 + \log 2\pi\big)",
            f"The standard normal density in {d} dimensions, in closed form.",
            log_p_z,
            prior,
            "The logarithm of each coordinate’s density, with its own constant, summed.",
            near(again_z, 1e-9),
        ),
        both.receipt(
            "log p(x|z)",
            r"\log p(x|z) = \sum_i x_i l_i - \log\!\big(1 + e^{l_i}\big)",
            f"Ink times logits, less the logarithm of a product of {len(walk.x)} brackets.",
            log_p_x_given_z,
            pixels,
            f"The logarithm of each pixel’s probability in float64, {len(walk.x)} of them summed.",
            near(again_x, ROUNDING),
        ),
        first.given(unit="").receipt(
            "‖z‖",
            r"\|z\| = \sqrt{\textstyle\sum_j z_j^2}",
            "The root of the sum of squares.",
            float((z**2).sum() ** 0.5),
            "np.linalg.norm(z)",
            "From log p(z), solved for ‖z‖.",
            near(lambda: float(np.sqrt(max(0.0, -2 * again_z() - d * np.log(2 * np.pi)))), 1e-6),
        ),
    )


def _singular_values(walk: Walk) -> Receipt:
    assert walk.directions is not None
    values, vectors, error = walk.directions

    def slope(direction: Array) -> float:
        """‖dp/dε‖ at a + ε·direction by differences of the chances themselves, their second-order error taken out."""

        def difference(step: float) -> Array:
            forth, back = 1 / (1 + np.exp(-walk.decode(walk.a.z + np.outer([step, -step], direction)).astype(float)))
            return (forth - back) / (2 * step)

        step = 2.0**-7
        return float(np.sqrt((((4 * difference(step / 2) - difference(step)) / 3) ** 2).sum()))

    def second() -> Second:
        others = [Second(slope(v), 5e-3 * s + error) for s, v in zip(values, vectors, strict=True)]
        return Second(others[0].value, others[0].tolerance, tuple(others[1:]))

    count = len(values)
    expression = "walks.principal_directions(vae.decode, a).values"
    return Sheet({"model": walk.model_id, "code": walk.a.words}, walk.opening, unit="").receipt(
        "s₁",
        r"\frac{\partial p}{\partial z} = \sum_k u_k\, s_k\, v_k^{\top}, \qquad p = \text{sigmoid}(l)",
        "Singular values of the Jacobian of the chances of ink at the code: how far the picture moves for a step of "
        f"one standard deviation of the prior. By central differences; an entry is unsure by {error:.0e}.",
        float(values[0]),
        expression if count > 1 else f"{expression}[0]",
        "The picture a small step forth and back along each direction, the difference measured.",
        second,
        rest={_named("s", k): float(s) for k, s in enumerate(values[1:], 2)},
    )


def _divergences(walk: Walk, kl: Array, codes: tuple[NDArray, NDArray], inactive: float) -> tuple[Receipt, ...]:
    order = [int(j) for j in np.argsort(-kl, kind="stable") if kl[j] >= inactive]
    loc, log_scale = (np.asarray(part, np.float64) for part in codes)

    def mean(j: int) -> float:
        return float(again.kl_to_prior(loc[:, j], np.exp(log_scale[:, j])).mean())

    code = (
        f'vae = pretrained.load("{walk.model_id}")\n'
        "kl = kl_to_prior_per_dimension(vae.codes.loc, vae.codes.log_scale).mean(axis=0)"
    )
    sheet = Sheet({"model": walk.model_id, "codes": f"q(z|x) of {len(loc)} test {walk.noun}s"}, code)
    in_use = sheet.given({"limit": f"{inactive:g} nats"}, unit="", places=".0f").receipt(
        "coordinates in use",
        r"\#\big\{j : \mathbb{E}_x D_{KL}[q(z_j|x) \,\|\, p(z_j)] \ge " + f"{inactive:g}" + r"\big\}",
        f"Of {len(kl)}, those on which the encoder spends as much or more in the mean.",
        float(len(order)),
        f"(kl >= {inactive:g}).sum()",
        f"Those in which the mean of q varies from {walk.noun} to {walk.noun} by a variance over 0.01 (Burda et al. "
        "2016).",
        near(lambda: float((loc.var(axis=0) > 0.01).sum()), 0),
    )
    if not order:
        return (in_use,)
    first, *others = order

    def second() -> Second:
        return Second(mean(first), 1e-6, tuple(Second(mean(j), 1e-6) for j in others))

    divergence = sheet.receipt(
        f"mean KL of {_named('z', first + 1)}",
        r"\mathbb{E}_x D_{KL}[q(z_j|x) \,\|\, p(z_j)] = \mathbb{E}_x \tfrac12 \big(\mu_j^2 + \sigma_j^2 - 1 - \log "
        r"\sigma_j^2\big)",
        f"The closed form for each test {walk.noun}’s code, and the mean of them.",
        float(kl[first]),
        f"kl[{order}]" if others else f"kl[{first}]",
        "∫ q log(q/p) dz on an even lattice for each code, and the mean of them.",
        second,
        rest={_named("z", j + 1): float(kl[j]) for j in others},
    )
    return (divergence, in_use)
