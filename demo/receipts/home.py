"""Receipts of the home page: log p(z) under the hand, and the account of the nearest digit of the atlas or of a pinned
one. Knows no page.

The atlas holds the three terms at every node of a lattice; the page shows those of the node nearest to z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from demo import digits
from demo.densities import log_bernoulli, log_standard_normal
from demo.receipts import Receipt, Sheet, again, near, vector
from demo.receipts.again import Array, Decode
from demo.receipts.evidence import ACCOUNT
from demo.receipts.subject import Origin, Subject, drawing

TOLERANCE = 2e-3  # nats: rules that stop at 1e-3, kept in float32
ROUNDING = 1e-4  # nats: softplus in float32 over 784 pixels, against float64
Encode = Callable[[NDArray], tuple[NDArray, NDArray]]


def nearest(axis: NDArray, value: float) -> int:
    """The node of an even axis that lies nearest; halfway, the higher one, as the page's JavaScript rounds."""
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    return min(len(axis) - 1, max(0, math.floor((value - axis[0]) / step + 0.5)))


def receipts(
    model_id: str,
    z: tuple[float, float],
    atlas: Mapping[str, NDArray] | None,
    encode: Encode,
    decode: Decode,
    pin: str = "",
) -> tuple[Receipt, ...]:
    """log p(z) and, where the model has an atlas, log p(x), ELBO and gap of the digit at the nearest node.

    Of a pinned x (as digits.pack writes it) log p(x|z) and log p(x, z) instead of these three.
    """
    prior = Sheet({"z": vector(z)}).receipt(
        "log p(z)",
        r"\log p(z) = -\tfrac12 \big(z_1^2 + z_2^2\big) - \log 2\pi",
        "The standard normal density of the plane, in closed form.",
        float(log_standard_normal(z)),
        f"log_standard_normal([{float(z[0])!r}, {float(z[1])!r}])",
        "The density of each coordinate with its own constant, their logarithms summed.",
        near(lambda: float(again.log_normal(z)), 1e-9),
    )
    if pin:
        pixels = decode(np.array([z], np.float64)).shape[1]
        x = digits.unpack(pin, pixels)
        assert x is not None  # the page checked it
        return (*_joint(model_id, z, pin, x, decode), prior)
    if atlas is None:
        return (prior,)
    axis = atlas["axis"]
    column, row = (nearest(axis, value) for value in z)
    node = np.array([axis[column], axis[row]])
    x = digits.mode(decode(node[None]))[0]
    loc, log_scale = (np.asarray(part[0], np.float64) for part in encode(x[None]))
    places = f"[{float(node[0])!r}, {float(node[1])!r}]"
    origin = Origin(f"the likeliest picture at {vector(node)}", f"x = digits.mode(vae.decode([{places}]))[0]")
    subject = Subject(model_id, origin, x, decode, loc, log_scale)
    return (prior, *_account(subject, {name: float(atlas[name][row, column]) for name in ("log_p_x", "elbo", "kl")}))


def _joint(model_id: str, z: tuple[float, float], pin: str, x: NDArray, decode: Decode) -> tuple[Receipt, Receipt]:
    """log p(x, z) and log p(x|z) of the pinned x at z."""
    at = np.array([z], np.float64)
    logits = decode(at)
    log_p_z, log_p_x_given_z = float(log_standard_normal(z)), float(log_bernoulli(x, logits[0]))
    given = f"z = np.array([[{float(z[0])!r}, {float(z[1])!r}]])\nlogits = vae.decode(z)"
    code = f'vae = pretrained.load("{model_id}")\n{drawing(pin, len(x)).code}\n{given}'
    sheet = Sheet({"model": model_id, "x": f"pinned, {int(x.sum())} pixels of ink", "z": vector(z)}, code)

    def again_x() -> float:
        return float(again.log_bernoulli(x, logits[0]))

    return (
        sheet.receipt(
            "log p(x, z)",
            r"\log p(x,z) = \log p(z) + \log p(x|z)",
            "The sum of the two logarithms below.",
            log_p_z + log_p_x_given_z,
            "log_standard_normal(z[0]) + log_bernoulli(x, logits[0])",
            "Pixel by pixel in float64, and each coordinate’s density with its own constant.",
            near(lambda: float(again.log_joint(decode, x, at)[0]), ROUNDING),
        ),
        sheet.receipt(
            "log p(x|z)",
            r"\log p(x|z) = \sum_i x_i l_i - \log\!\big(1 + e^{l_i}\big)",
            f"Ink times logits, less the logarithm of a product of {len(x)} brackets.",
            log_p_x_given_z,
            "log_bernoulli(x, logits[0])",
            f"The logarithm of each pixel’s probability in float64, {len(x)} of them summed.",
            near(again_x, ROUNDING),
        ),
    )


def _account(subject: Subject, kept: Mapping[str, float]) -> tuple[Receipt, ...]:
    """The three terms as the atlas keeps them; the snippets compute them anew."""

    def bound() -> float:
        def log_ratio(z: Array) -> Array:
            return subject.log_joint(z) - subject.log_q(z)

        return again.mean_by_lattice(log_ratio, subject.loc, subject.scale)

    def receipt(
        name: str, key: str, formula: str, method: str, second_method: str, compute: Callable[[], float], part: str
    ) -> Receipt:
        return subject.sheet(ACCOUNT).receipt(
            name,
            formula,
            f"{method} Computed once for the atlas that the page reads.",
            kept[key],
            f"exact.{part}",
            second_method,
            near(compute, TOLERANCE),
        )

    return (
        receipt(
            "log p(x)",
            "log_p_x",
            r"\log p(x) = \log \int p(z)\, p(x|z) \,dz",
            "Adaptive quadrature over the whole plane.",
            "Now, by the midpoint rule on even lattices, the step halved until nothing moves.",
            subject.log_p_x,
            "log_p_x",
        ),
        receipt(
            "ELBO",
            "elbo",
            r"\text{ELBO} = \mathbb{E}_q[\log p(x|z)] - D_{KL}[q(z|x) \,\|\, p(z)]",
            "Gauss–Hermite nodes and the closed form.",
            "Now, as the mean of log p(x, z)/q(z|x) on an even lattice around q.",
            bound,
            "elbo.value",
        ),
        receipt(
            "gap",
            "kl",
            r"D_{KL}[q(z|x) \,\|\, p(z|x)]",
            "The trapezoidal rule around q.",
            "Now, log p(x) less the bound, both from their second computations.",
            lambda: subject.log_p_x() - bound(),
            "gap",
        ),
    )
