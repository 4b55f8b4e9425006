"""Scores a trained run on MNIST's test digits: `python -m vae.evaluate RUN`. Knows nothing of ONNX or pages.

The arithmetic is `demo.evidence`, the same functions that the site shows, fed with the run's torch networks. Each test
digit is binarised once with `digits.TEST_SEED`; each has random draws of its own, so neither order, workers nor an
interruption changes a figure. RUN/evaluation.npz keeps what is done after every block, RUN/evaluation.json the means.
With `--split validation` the digits are those that the run held out, for choosing between runs without the test set;
the files are then RUN/validation.npz and RUN/validation.json, which no export reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from demo import digits, mnist
from demo.evidence import Decode, DecoderTable, account, draw, elbo_monte_carlo, importance_bound
from vae.checkpoint import TrainingError, load_run, write_atomically
from vae.data import Split
from vae.networks import VAE

BLOCK = 100  # images between two saves


def decoder_of(model: VAE) -> Decode:
    """The run's decoder as a NumPy function: z [m, d] → logits float32 [m, pixels]."""

    def decode(z: NDArray) -> NDArray[np.float32]:
        with torch.inference_mode():
            return model.decoder(torch.from_numpy(np.asarray(z, np.float32))).numpy()

    return decode


class Scorer:
    """Scores single images of one run; one of these lives in every worker process."""

    def __init__(self, run: Path, samples: int) -> None:
        torch.set_num_threads(1)
        self.model, config, _ = load_run(run)
        self.decode = decoder_of(self.model)
        self.samples = samples
        self.table = DecoderTable.build(self.decode) if config.latent_dim == 2 else None

    def score(self, index: int, x: NDArray) -> dict[str, float]:
        """Every figure of one image in nats; by quadrature where there are two dimensions."""
        with torch.inference_mode():
            q = self.model.encoder(torch.from_numpy(x[None].astype(np.float32)))
        loc, log_scale = (part[0].numpy().astype(np.float64) for part in q)
        draws = draw(self.decode, x, loc, log_scale, self.samples, np.random.default_rng([digits.TEST_SEED, index]))
        bound = importance_bound(draws)
        row = {"importance_weighted": bound.value, "effective_sample_size": bound.effective_sample_size}
        if self.table is None:
            parts, _ = elbo_monte_carlo(draws, loc, log_scale)
        else:
            exact = account(self.table, self.decode, x, loc, log_scale)
            parts = exact.elbo
            row |= {"log_p_x": exact.log_p_x, "gap": exact.gap, "quadrature_error": exact.evidence.error}
        return row | {"reconstruction": parts.reconstruction, "kl": parts.kl, "elbo": parts.value}


_scorer: Scorer | None = None


def _start(run: Path, samples: int) -> None:
    global _scorer
    _scorer = Scorer(run, samples)


def _score_block(indices: NDArray[np.intp], x: NDArray) -> tuple[NDArray[np.intp], dict[str, NDArray]]:
    assert _scorer is not None
    rows = [_scorer.score(int(i), row) for i, row in zip(indices, x, strict=True)]
    return indices, {name: np.array([row[name] for row in rows]) for name in rows[0]}


def score_all(run: Path, x: NDArray, samples: int, workers: int, name: str = "evaluation") -> dict[str, NDArray]:
    """Figures of all images by name, [N] each; blocks already in RUN/name.npz are not scored again."""
    store = run / f"{name}.npz"
    fingerprint = f"{(run / 'model.pt').stat().st_mtime_ns} {samples} {len(x)}"
    columns: dict[str, NDArray] = {}
    done = np.zeros(len(x), bool)
    if store.exists():
        with np.load(store) as saved:
            if str(saved["fingerprint"]) == fingerprint:
                done = saved["done"]
                columns = {name: saved[name] for name in saved.files if name not in ("done", "fingerprint")}
    blocks = [block for block in np.array_split(np.arange(len(x)), -(-len(x) // BLOCK)) if not done[block].all()]
    with (
        ProcessPoolExecutor(workers, initializer=_start, initargs=(run, samples)) as pool,
        tqdm(total=len(x), initial=int(done.sum()), unit="image", dynamic_ncols=True) as progress,
    ):
        try:
            for future in as_completed([pool.submit(_score_block, block, x[block]) for block in blocks]):
                block, figures = future.result()
                for name, values in figures.items():
                    columns.setdefault(name, np.full(len(x), np.nan))[block] = values
                done[block] = True
                kept: dict[str, Any] = {**columns, "done": done, "fingerprint": fingerprint}
                write_atomically(store, partial(_save_npz, arrays=kept))
                mean = np.nanmean(columns.get("log_p_x", columns["importance_weighted"]))
                progress.update(len(block))
                progress.set_postfix(log_p_x=f"{mean:.2f}", elbo=f"{np.nanmean(columns['elbo']):.2f}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return columns


def _save_npz(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


METHODS = {
    "log_p_x": "adaptive quadrature over the latent plane",
    "importance_weighted": "importance-weighted bound, proposal q(z|x)",
    "elbo": "ELBO, closed-form KL",
    "reconstruction": "E_q[log p(x|z)]",
    "kl": "D_KL[q(z|x) ‖ p(z)], closed form",
    "gap": "D_KL[q(z|x) ‖ p(z|x)], lattice sums around q",
    "independent_pixels": "log p(x) of independent pixels, each inked as often as in the training split",
}


def held_out(train: NDArray[np.uint8], validation_images: int) -> NDArray[np.uint8]:
    """The validation split's digits, binarised once like the test set: train uint8 [N, pixels] → {0, 1} [M, pixels]."""
    grey = Split.of(train, validation_images).validation.numpy()
    return mnist.binarise(grey, np.random.default_rng(digits.TEST_SEED)).astype(np.uint8)


def independent_pixels(train: NDArray[np.uint8], validation_images: int, x: NDArray) -> NDArray[np.float64]:
    """log p(x) = Σ_i log Bernoulli(x_i; m_i), m the mean training image: the best model without latents, in nats.

    train uint8 [N, pixels] grey, its last `validation_images` held out; x [M, pixels] in {0, 1} → [M].
    """
    mean = Split.of(train, validation_images).mean_image().numpy().astype(np.float64)
    return np.asarray(x, np.float64) @ np.log(mean) + (1 - np.asarray(x, np.float64)) @ np.log1p(-mean)


def summary(columns: dict[str, NDArray], samples: int) -> dict[str, Any]:
    """Mean and standard error over images of each figure, with its method: the `test` entry of a manifest."""
    exact = "log_p_x" in columns
    expectation = "Gauss–Hermite" if exact else f"{samples} draws"
    result: dict[str, Any] = {}
    for name, method in METHODS.items():
        if name in columns:
            values = columns[name]
            result[name] = {
                "value": float(values.mean()),
                "standard_error": float(values.std(ddof=1) / np.sqrt(len(values))),
                "images": len(values),
                "method": f"{method}, expectation by {expectation}" if name in ("elbo", "reconstruction") else method,
                "unit": "nats per image",
            }
    ess = columns["effective_sample_size"]
    result["importance_weighted"] |= {
        "samples": samples,
        "effective_sample_size": {
            "mean": float(ess.mean()),
            "median": float(np.median(ess)),
            "least": float(ess.min()),
        },
    }
    if exact:
        result["log_p_x"]["largest_quadrature_error"] = float(columns["quadrature_error"].max())
    return result


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vae.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="run folder written by python -m vae.train")
    parser.add_argument("--data-dir", help="folder of the four IDX files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--samples", type=int, default=1000, help="draws from q for each image (default: 1000)")
    parser.add_argument(
        "--split", choices=["test", "validation"], default="test", help="digits to score (default: test)"
    )
    parser.add_argument("--images", type=int, default=10000, help="score the first so many of them (default: all)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args(argv)
    try:
        if min(arguments.samples - 1, arguments.images, arguments.workers) < 1:
            raise ValueError("--samples must be at least 2, --images and --workers at least 1")
        _, config, _ = load_run(arguments.run)
        train, _ = mnist.load("train", arguments.data_dir)
        name = "evaluation" if arguments.split == "test" else "validation"
        if arguments.split == "test":
            x = digits.binarised_test_set(arguments.data_dir)
        else:
            x = held_out(train, config.validation_images)
        x = x[: arguments.images]
        columns = score_all(arguments.run, x, arguments.samples, arguments.workers, name)
        columns["independent_pixels"] = independent_pixels(train, config.validation_images, x)
    except (TrainingError, mnist.DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on after the last saved block", file=sys.stderr)
        return 130
    result = summary(columns, arguments.samples)
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomically(arguments.run / f"{name}.json", lambda path: path.write_text(text, encoding="utf-8"))
    for name, figure in result.items():
        print(f"{name:20} {figure['value']:9.3f} ± {figure['standard_error']:.3f} nats  ({figure['method']})")
    ess = result["importance_weighted"]["effective_sample_size"]
    print(f"{'effective sample size':20} median {ess['median']:.0f}, least {ess['least']:.1f} of {arguments.samples}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
