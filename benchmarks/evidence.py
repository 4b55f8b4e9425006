"""How fast and how exact log p(x) is: `python -m benchmarks.evidence`. Limits: the issues'; it wants a quiet machine.

Side by side in one run: the site's rule; decoding the 201 × 201 grid anew for each image (what one writes first); and
`np.logaddexp` for the softplus sums (what one would call).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from demo import digits, mnist, pretrained
from demo.densities import sum_softplus
from demo.evidence import DecoderTable, log_evidence, log_joint
from demo.integrate import AdaptiveIntegral, log_sum_exp


def milliseconds(call: Callable[[], object], repeats: int) -> np.ndarray:
    """Wall time of each of `repeats` calls, after one that warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return np.array(times)


def images(vae: pretrained.PretrainedVAE, n: int) -> tuple[np.ndarray, str]:
    """n test digits where MNIST can be had, else n samples of the model; and which."""
    try:
        return digits.binarised_test_set()[:n], "test digits"
    except mnist.DataError:
        return digits.sample_pixels(vae.decode(digits.sample_prior(n, 2, 0)), 0), "samples of the model"


SIDES = (201, 401, 601, 801, 1201, 1601, 2401, 3201)  # of uniform grids that are tried for equal accuracy


def nodes_for_equal_accuracy(vae: pretrained.PretrainedVAE, x: np.ndarray, exact: AdaptiveIntegral) -> int:
    """The least side n of a uniform grid on [−5, 5]² from which on all of SIDES are within 1e-3 nat of log p(x).

    Only the nodes near the mass are decoded here, which is kind to the grid; whoever uses it must decode all n².
    """
    cells = exact.cells
    heavy = cells.log_mass > exact.value - 16
    half = cells.widths[heavy, None] / 2
    low, high = (cells.centres[heavy] - half).min(axis=0), (cells.centres[heavy] + half).max(axis=0)
    enough = SIDES[-1]
    for n in reversed(SIDES):
        step = 10 / (n - 1)
        axes = [
            np.arange(np.ceil((a + 5) / step), np.floor((b + 5) / step) + 1) * step - 5
            for a, b in zip(low, high, strict=True)
        ]
        z = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        if not len(z) or abs(float(log_sum_exp(log_joint(vae.decode, x, z))) + 2 * np.log(step) - exact.value) > 1e-3:
            return enough
        enough = n
    return enough


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=500, help="digits to time and to check (default: 500)")
    arguments = parser.parse_args()
    model_id = next(m for m in pretrained.available() if pretrained.load(m).latent_dim == 2)
    vae = pretrained.load(model_id)
    x, what = images(vae, arguments.images)

    start = time.perf_counter()
    table = DecoderTable.build(vae.decode)
    built = time.perf_counter() - start
    print(
        f"table of {table.grid.n}² nodes: built in {built:.2f} s (limit 4), {table.logits.nbytes / 1e6:.0f} MB, shared"
    )

    times, errors, evaluations = [], [], []
    log_evidence(table, vae.decode, x[0])
    for image in tqdm(x, desc="digits", leave=False):
        start = time.perf_counter()
        found = log_evidence(table, vae.decode, image)
        times.append((time.perf_counter() - start) * 1e3)
        evaluations.append(found.evaluations)
        finer = log_evidence(table, vae.decode, image, margin=14.0, order=5, tolerance=1e-5)
        errors.append(abs(found.value - finer.value))
    median = float(np.median(times))
    print(
        f"log p(x) of a new x, table warm: median {median:.0f} ms (limit 80), p95 {np.quantile(times, 0.95):.0f} ms, "
        f"{np.median(evaluations):.0f} decodings; {len(x)} {what}"
    )
    print(f"against a much finer rule: worst {max(errors):.1e} nat (limit 1e-3), mean {np.mean(errors):.1e}")

    points = table.grid.points
    anew = milliseconds(lambda: table.grid.log_integral(log_joint(vae.decode, x[0], points)), 3)
    uniform = [float(table.grid.log_integral(table.log_joint(image))) for image in x[:50]]
    off = max(
        abs(value - log_evidence(table, vae.decode, image).value) for value, image in zip(uniform, x, strict=False)
    )
    ratio = np.median(anew) / median
    print(
        f"decoding the grid anew: {np.median(anew):.0f} ms, {ratio:.0f} times ours (limit 25), "
        f"and {off:.1f} nats off at worst"
    )
    sides = np.array([nodes_for_equal_accuracy(vae, image, log_evidence(table, vae.decode, image)) for image in x[:25]])
    ratios = np.median(anew) * (sides / table.grid.n) ** 2 / median
    print(
        f"a uniform grid on [−5, 5]² within 1e-3 nat on each of {len(sides)} images: {sides.max()} nodes a side "
        f"(at most {SIDES[-1]} tried), {ratios.max():.0f} times ours at that rate (limit 200); were each image given "
        f"the least that it needs, {np.median(sides):.0f} nodes and {np.median(ratios):.0f} times at the median"
    )

    logits = vae.decode(digits.sample_prior(2000, 2, 0))
    ours = np.median(milliseconds(lambda: sum_softplus(logits), 10))
    plain = np.median(milliseconds(lambda: np.logaddexp(0, logits.astype(np.float64)).sum(-1), 5))
    print(
        f"softplus sums of 2000 × 784 logits: {ours:.1f} ms; np.logaddexp {plain:.1f} ms, {plain / ours:.1f} times ours"
    )


if __name__ == "__main__":
    main()
