"""Receipts of the sample page: the three logarithms of one digit, and how far its z lies out. Knows no page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demo.densities import Array, log_bernoulli, log_standard_normal
from demo.receipts import Receipt, Sheet, again, near, vector

ROUNDING = 1e-4  # nats: softplus in float32 over 784 pixels, against float64


def receipts(model_id: str, seed: int, k: int, z: Array, x: NDArray, logits: NDArray) -> tuple[Receipt, ...]:
    """Of the k-th of the samples z [n, d], x and logits [n, pixels] that `digits` drew with the seed."""
    n, d = z.shape
    inputs = {"model": model_id, "seed": str(seed), "sample": f"{k + 1} of {n}", "z": vector(z[k])}
    log_p_z, log_p_x_given_z = float(log_standard_normal(z[k])), float(log_bernoulli(x[k], logits[k]))
    drawn = f'vae = pretrained.load("{model_id}")\nz = digits.sample_prior({n}, vae.latent_dim, seed={seed})'
    first = Sheet(inputs, drawn)
    both = first.given(code=f"logits = vae.decode(z)\nx = digits.sample_pixels(logits, seed={seed})")
    prior, pixels = f"log_standard_normal(z[{k}])", f"log_bernoulli(x[{k}], logits[{k}])"

    def again_z() -> float:
        return float(again.log_normal(z[k]))

    def again_x() -> float:
        return float(again.log_bernoulli(x[k], logits[k]))

    found = [
        both.receipt(
            "log p(x, z)",
            r"\log p(x,z) = \log p(z) + \log p(x|z)",
            "The sum of the two logarithms below.",
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
        both.given(
            {"l": f"{len(x[k])} logits, decoded from z", "x": f"{len(x[k])} coins, thrown with the seed"}
        ).receipt(
            "log p(x|z)",
            r"\log p(x|z) = \sum_i x_i l_i - \log\!\big(1 + e^{l_i}\big)",
            f"Ink times logits, less the logarithm of a product of {len(x[k])} brackets.",
            log_p_x_given_z,
            pixels,
            f"The logarithm of each pixel’s probability in float64, {len(x[k])} of them summed.",
            near(again_x, ROUNDING),
        ),
    ]
    if d > 2:
        found.append(
            first.given(unit="").receipt(
                "distance of z from the origin",
                r"|z| = \sqrt{\textstyle\sum_j z_j^2}",
                "The root of the sum of squares.",
                float((z[k] ** 2).sum() ** 0.5),
                f"np.linalg.norm(z[{k}])",
                "From log p(z), solved for |z|.",
                near(lambda: float(np.sqrt(-2 * again_z() - d * np.log(2 * np.pi))), 1e-9),
            )
        )
    return tuple(found)
