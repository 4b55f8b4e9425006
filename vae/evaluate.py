"""Scores a trained run on the test images of its data: `python -m vae.evaluate RUN`. Knows nothing of pages.

The arithmetic is `demo.evidence`, the same functions that the site shows, fed with the run's torch networks. Each test
digit is binarised once with `digits.TEST_SEED`; each has random draws of its own, so neither order, workers nor an
interruption changes a figure. RUN/evaluation.npz keeps what is done after every block, RUN/evaluation.json the means.
An exported model's folder is scored likewise, its own files run by onnxruntime: `python -m vae.evaluate demo/assets/z2`
prints the manifest's figures beside those found; what is done is kept in --out, for assets are only read.
With `--proposal refined` the importance-weighted bound is not the encoder's q's but that of a proposal fitted to each
image's posterior (`vae.refine`); all other figures stay.
With `--split validation` the digits are those that the run held out, for choosing between runs without the test set;
the files are then RUN/validation.npz and RUN/validation.json, which no export reads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from demo import digits, mnist, pretrained
from demo.evidence import Decode, DecoderTable, account, draw, elbo_monte_carlo, importance_bound
from demo.mnist import DataError
from demo.pretrained import MANIFEST, AssetError
from vae import datasets, refine
from vae.checkpoint import TrainingError, load_run, write_atomically
from vae.config import Config
from vae.data import Split
from vae.networks import VAE

BLOCK = 100  # images between two saves
SAMPLES = 1000  # draws for each image, where neither the command nor a manifest says how many
ELBO_DRAWS = 500  # of them, at most, for E_q[log p(x|z)] where the bound draws from another proposal than q

Encode = Callable[[NDArray], tuple[NDArray, NDArray]]


class Subject(NamedTuple):
    """What is scored: networks as NumPy functions, their sizes and config, and a stamp that changes with the weights.

    `shipped` is the manifest's `test` of an exported model, {} for a run.
    """

    encode: Encode
    decode: Decode
    latent_dim: int
    pixels: int
    config: Config
    stamp: str
    shipped: Mapping[str, Any]


def subject(source: Path) -> Subject:
    """The networks of a run folder in torch, or of an exported model's folder in onnxruntime.

    Raises TrainingError and AssetError, each one line, for a folder that is neither.
    """
    if (source / MANIFEST).exists():
        model = pretrained.load(source)
        manifest = model.manifest
        names = {field.name for field in dataclasses.fields(Config)}
        config = Config(**{name: value for name, value in manifest["config"].items() if name in names})
        stamp = manifest["sha256"][pretrained.ENCODER] + manifest["sha256"][pretrained.DECODER]
        sizes = model.latent_dim, model.pixels
        return Subject(model.encode, model.decode, *sizes, config, stamp, manifest["test"])
    run, config, _ = load_run(source)
    stamp = str((source / "model.pt").stat().st_mtime_ns)
    return Subject(encoder_of(run), decoder_of(run), config.latent_dim, run.decoder.pixels, config, stamp, {})


def encoder_of(model: VAE) -> Encode:
    """The run's encoder as a NumPy function: x [m, pixels] in {0, 1} → loc, log_scale float32 [m, d]."""

    def encode(x: NDArray) -> tuple[NDArray, NDArray]:
        with torch.inference_mode():
            loc, log_scale = model.encoder(torch.from_numpy(np.asarray(x, np.float32)))
        return loc.numpy(), log_scale.numpy()

    return encode


def decoder_of(model: VAE) -> Decode:
    """The run's decoder as a NumPy function: z [m, d] → logits float32 [m, pixels]."""

    def decode(z: NDArray) -> NDArray[np.float32]:
        with torch.inference_mode():
            return model.decoder(torch.from_numpy(np.asarray(z, np.float32))).numpy()

    return decode


class Scorer:
    """Scores single images of one run or exported model; one of these lives in every worker process.

    `samples` draws for each bound, from `proposal`: "encoder" or "refined".
    """

    def __init__(self, source: Path, samples: int, proposal: str = "encoder") -> None:
        torch.set_num_threads(1)
        found = subject(source)
        self.encode, self.decode, self.samples, self.proposal = found.encode, found.decode, samples, proposal
        self.expectation = draws_of_q(samples, proposal)
        self.table = DecoderTable.build(self.decode) if found.latent_dim == 2 else None

    def score(self, index: int, x: NDArray) -> dict[str, float]:
        """Every figure of one image in nats; by quadrature where there are two dimensions."""
        loc, log_scale = (part[0].astype(np.float64) for part in self.encode(x[None]))
        draws = draw(self.decode, x, loc, log_scale, self.expectation, np.random.default_rng([digits.TEST_SEED, index]))
        bound = importance_bound(draws)
        value, size = bound.value, bound.effective_sample_size
        if self.proposal == "refined":
            value, size = self.refined(index, x, loc, log_scale)
        row = {"importance_weighted": value, "effective_sample_size": size}
        if self.table is None:
            parts, _ = elbo_monte_carlo(draws, loc, log_scale)
        else:
            exact = account(self.table, self.decode, x, loc, log_scale)
            parts = exact.elbo
            row |= {"log_p_x": exact.log_p_x, "gap": exact.gap, "quadrature_error": exact.evidence.error}
        return row | {"reconstruction": parts.reconstruction, "kl": parts.kl, "elbo": parts.value}

    def refined(self, index: int, x: NDArray, loc: NDArray, log_scale: NDArray) -> tuple[float, float]:
        """The bound through a proposal fitted to x, and its effective sample size."""
        seed = np.random.SeedSequence([digits.TEST_SEED, index, 1]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(seed >> 1))
        image, *q = (torch.from_numpy(part[None].astype(np.float32)) for part in (x, loc, log_scale))
        found = refine.refined_bound(self.decoded, image, q[0], q[1], self.samples, generator)
        return found.bound.item(), found.effective_sample_size.item()

    def decoded(self, z: torch.Tensor) -> torch.Tensor:
        """z [..., d] → logits [..., pixels]."""
        return torch.from_numpy(self.decode(z.flatten(0, -2).numpy())).unflatten(0, z.shape[:-1])


def draws_of_q(samples: int, proposal: str) -> int:
    """How many draws of q stand behind ELBO and reconstruction: all, where the bound needs them too."""
    return samples if proposal == "encoder" else min(samples, ELBO_DRAWS)


_scorer: Scorer | None = None


def _start(source: Path, samples: int, proposal: str) -> None:
    global _scorer
    _scorer = Scorer(source, samples, proposal)


def _score_block(indices: NDArray[np.intp], x: NDArray) -> tuple[NDArray[np.intp], dict[str, NDArray]]:
    assert _scorer is not None
    rows = [_scorer.score(int(i), row) for i, row in zip(indices, x, strict=True)]
    return indices, {name: np.array([row[name] for row in rows]) for name in rows[0]}


def score_all(
    source: Path,
    x: NDArray,
    samples: int,
    workers: int,
    name: str = "evaluation",
    out: Path | None = None,
    proposal: str = "encoder",
) -> dict[str, NDArray]:
    """Figures of all images by name, [N] each; blocks already in OUT/name.npz are not scored again.

    `out` is by default the run itself.
    """
    store = (out or source) / f"{name}.npz"
    how = "" if proposal == "encoder" else f" {proposal}"
    fingerprint = f"{subject(source).stamp} {samples}{how} {datasets.fingerprint(x)}"
    columns: dict[str, NDArray] = {}
    done = np.zeros(len(x), bool)
    if store.exists():
        with np.load(store) as saved:
            if str(saved["fingerprint"]) == fingerprint:
                done = saved["done"]
                columns = {name: saved[name] for name in saved.files if name not in ("done", "fingerprint")}
    blocks = [block for block in np.array_split(np.arange(len(x)), -(-len(x) // BLOCK)) if not done[block].all()]
    with (
        ProcessPoolExecutor(workers, initializer=_start, initargs=(source, samples, proposal)) as pool,
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
    "importance_weighted": "importance-weighted bound",
    "elbo": "ELBO, closed-form KL",
    "reconstruction": "E_q[log p(x|z)]",
    "kl": "D_KL[q(z|x) ‖ p(z)], closed form",
    "gap": "D_KL[q(z|x) ‖ p(z|x)], lattice sums around q",
    "independent_pixels": "log p(x) of independent pixels, each inked as often as in the training split",
}


PROPOSALS = {
    "encoder": "proposal q(z|x)",
    "refined": "proposal fitted to each posterior (a t of full covariance with 5 % of q(z|x) mixed in)",
}


def binarised(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """x_i ~ Bernoulli(grey_i / 255), once for all figures: grey uint8 [N, pixels] → {0, 1} [N, pixels]."""
    return mnist.binarise(images, np.random.default_rng(digits.TEST_SEED)).astype(np.uint8)


def held_out(train: NDArray[np.uint8], validation_images: int) -> NDArray[np.uint8]:
    """The validation split, binarised once like the test set: train uint8 [N, pixels] → {0, 1} [M, pixels]."""
    return binarised(Split.of(train, validation_images).validation.numpy())


def independent_pixels(train: NDArray[np.uint8], validation_images: int, x: NDArray) -> NDArray[np.float64]:
    """log p(x) = Σ_i log Bernoulli(x_i; m_i), m the mean training image: the best model without latents, in nats.

    train uint8 [N, pixels] grey, its last `validation_images` held out; x [M, pixels] in {0, 1} → [M].
    """
    mean = Split.of(train, validation_images).mean_image().numpy().astype(np.float64)
    return np.asarray(x, np.float64) @ np.log(mean) + (1 - np.asarray(x, np.float64)) @ np.log1p(-mean)


def summary(columns: dict[str, NDArray], samples: int, proposal: str = "encoder") -> dict[str, Any]:
    """Mean and standard error over images of each figure, with its method: the `test` entry of a manifest."""
    exact = "log_p_x" in columns
    expectation = "Gauss–Hermite" if exact else f"{draws_of_q(samples, proposal)} draws"
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
    result["importance_weighted"]["method"] += f", {PROPOSALS[proposal]}"
    result["importance_weighted"] |= {
        "proposal": proposal,
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
    parser.add_argument("run", type=Path, help="run folder written by python -m vae.train, or a folder of demo/assets")
    parser.add_argument("--out", type=Path, help="where to keep what is done (default: the run; runs/ID-shipped)")
    parser.add_argument("--data-dir", help="folder of MNIST's files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--dataset", help="where the run's images lie now (default: where they lay at its training)")
    parser.add_argument(
        "--samples", type=int, help=f"draws from q for each image (default: the manifest's, else {SAMPLES})"
    )
    parser.add_argument(
        "--proposal",
        choices=list(PROPOSALS),
        help="what the importance-weighted bound draws from (default: the manifest's, else encoder)",
    )
    parser.add_argument(
        "--split", choices=["test", "validation"], default="test", help="digits to score (default: test)"
    )
    parser.add_argument("--images", type=int, default=None, help="score the first so many of them (default: all)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    arguments = parser.parse_args(argv)
    try:
        given = ((arguments.samples, 2), (arguments.images, 1), (arguments.workers, 1))
        if any(value is not None and value < least for value, least in given):
            raise ValueError("--samples must be at least 2, --images and --workers at least 1")
        found = subject(arguments.run)
        config, samples = found.config, arguments.samples or int(drawn(found).get("samples", SAMPLES))
        proposal = arguments.proposal or drawn(found).get("proposal", "encoder")
        apart = Path("runs", f"{arguments.run.resolve().name}-shipped")  # nothing is written into assets
        out = arguments.out or (apart if (arguments.run / MANIFEST).exists() else arguments.run)
        make_folder(out)
        data = datasets.load(arguments.dataset or config.dataset, config.shape, arguments.data_dir)
        datasets.require_pixels(data, found.pixels, f"the model of {arguments.run}")
        train = data.train.images
        name = "evaluation" if arguments.split == "test" else "validation"
        x = binarised(data.test.images) if name == "evaluation" else held_out(train, config.validation_images)
        x = x[: arguments.images]
        columns = score_all(arguments.run, x, samples, arguments.workers, name, out, proposal)
        columns["independent_pixels"] = independent_pixels(train, config.validation_images, x)
        result = summary(columns, samples, proposal)
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        write_atomically(out / f"{name}.json", lambda path: path.write_text(text, encoding="utf-8"))
    except (TrainingError, AssetError, DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on after the last saved block", file=sys.stderr)
        return 130
    print("\n".join(table(result, found.shipped if name == "evaluation" else {})))
    return 0


def make_folder(out: Path) -> None:
    """Raises ValueError, one line, where there can be no such folder."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {out} cannot be used as a folder ({error.strerror}); name another") from error


def drawn(found: Subject) -> Mapping[str, Any]:
    """How the bound of an exported model was drawn: `samples` and `proposal`; {} for a run."""
    return found.shipped.get("importance_weighted", {})


def table(result: Mapping[str, Any], shipped: Mapping[str, Any]) -> list[str]:
    """Lines for people: each figure with its standard error and method, and what the manifest has where it has one."""
    lines = []
    for name, figure in result.items():
        theirs = shipped.get(name)
        beside = "" if theirs is None else f"  manifest {theirs['value']:9.3f} (of {theirs['images']:,} images)"
        lines.append(
            f"{name:20} {figure['value']:9.3f} ± {figure['standard_error']:.3f} nats{beside}  ({figure['method']})"
        )
    bound = result["importance_weighted"]
    ess = bound["effective_sample_size"]
    lines.append(
        f"{'effective sample size':20} median {ess['median']:.0f}, least {ess['least']:.1f} of {bound['samples']}"
    )
    return lines


if __name__ == "__main__":
    sys.exit(main())
