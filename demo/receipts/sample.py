"""Receipts of the sample page: the three logarithms of one digit, and how far its z lies out. Knows no page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from demo.densities import Array, log_bernoulli, log_standard_normal
from demo.receipts import Receipt, Second, again, program, vector

ROUNDING = 1e-4  # nats: softplus in float32 over 784 pixels, against float64


def receipts(model_id: str, seed: int, k: int, z: Array, x: NDArray, logits: NDArray) -> tuple[Receipt, ...]:
    """Of the k-th of the samples z [n, d], x and logits [n, 784] that `digits` drew with the seed."""
    n, d = z.shape
    inputs = {"model": model_id, "seed": str(seed), "sample": f"{k + 1} of {n}", "z": vector(z[k])}
    log_p_z, log_p_x_given_z = float(log_standard_normal(z[k])), float(log_bernoulli(x[k], logits[k]))
    z_code = f'vae = pretrained.load("{model_id}")\nz = digits.sample_prior({n}, vae.latent_dim, seed={seed})\n'
    x_code = f"{z_code}logits = vae.decode(z)\nx = digits.sample_pixels(logits, seed={seed})\n"
    normal = "from demo.densities import log_standard_normal"
    both = "from demo.densities import log_bernoulli, log_standard_normal"

    def again_z() -> float:
        return float(again.log_normal(z[k]))

    def again_x() -> float:
        return float(again.log_bernoulli(x[k], logits[k]))

    found = [
        Receipt(
            name="log p(x, z)",
            formula=r"\log p(x,z) = \log p(z) + \log p(x|z)",
            inputs=inputs,
            method="The sum of the two logarithms below.",
            value=log_p_z + log_p_x_given_z,
            unit="nats",
            second_method="The sum of their second computations.",
            again=lambda: Second(again_z() + again_x(), ROUNDING),
            snippet=program(
                x_code + f'print(f"{{log_standard_normal(z[{k}]) + log_bernoulli(x[{k}], logits[{k}]):.2f}}")', both
            ),
        ),
        Receipt(
            name="log p(z)",
            formula=r"\log p(z) = -\tfrac12 \sum_j \big(z_j^2 + \log 2\pi\big)",
            inputs=inputs,
            method=f"The standard normal density in {d} dimensions, in closed form.",
            value=log_p_z,
            unit="nats",
            second_method="The logarithm of each coordinate’s density, with its own constant, summed.",
            again=lambda: Second(again_z(), 1e-9),
            snippet=program(z_code + f'print(f"{{log_standard_normal(z[{k}]):.2f}}")', normal),
        ),
        Receipt(
            name="log p(x|z)",
            formula=r"\log p(x|z) = \sum_i x_i l_i - \log\!\big(1 + e^{l_i}\big)",
            inputs=inputs | {"l": "784 logits, decoded from z", "x": "784 coins, thrown with the seed"},
            method="Ink times logits, less the logarithm of a product of 784 brackets.",
            value=log_p_x_given_z,
            unit="nats",
            second_method="The logarithm of each pixel’s probability in float64, 784 of them summed.",
            again=lambda: Second(again_x(), ROUNDING),
            snippet=program(
                x_code + f'print(f"{{log_bernoulli(x[{k}], logits[{k}]):.2f}}")',
                "from demo.densities import log_bernoulli",
            ),
        ),
    ]
    if d > 2:
        found.append(
            Receipt(
                name="distance of z from the origin",
                formula=r"|z| = \sqrt{\textstyle\sum_j z_j^2}",
                inputs=inputs,
                method="The root of the sum of squares.",
                value=float((z[k] ** 2).sum() ** 0.5),
                unit="",
                second_method="From log p(z), solved for |z|.",
                again=lambda: Second(float(np.sqrt(-2 * again_z() - d * np.log(2 * np.pi))), 1e-9),
                snippet=program(z_code + f'print(f"{{np.linalg.norm(z[{k}]):.2f}}")'),
            )
        )
    return tuple(found)
