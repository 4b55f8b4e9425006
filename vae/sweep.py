"""One recipe in 1 to 40 latent dimensions, trained and scored: `python -m vae.sweep --out runs/sweep`.

Nothing but the number of latent dimensions differs from run to run. Each d has a run folder of its own, which ends as
`python -m vae.train` with the config that is written down would end it. log p(x) of the test digits is by quadrature in
one and two dimensions, beyond that an importance-weighted lower bound through proposals fitted to each posterior. The
same command goes on where it was stopped. OUT/sweep.json has the means, OUT/scores.npz every digit's figures,
OUT/unfolding.npz the plane of d = 2 as it trains. Knows nothing of ONNX or pages.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from demo import digits, mnist
from demo.densities import kl_to_prior, log_standard_normal, sum_softplus
from demo.evidence import Decode, DecoderTable, log_evidence
from vae import refine, unfold
from vae.checkpoint import TrainingError, load_run, merit, write_atomically
from vae.config import Config
from vae.evaluate import decoder_of, held_out
from vae.networks import VAE
from vae.unfold import WatchedTrainer, line_evidence

DIMENSIONS = (1, 2, 3, 5, 10, 20, 40)
RECIPE = Config(encoder_width=256, encoder_blocks=2, decoder_width=256, decoder_blocks=2, epochs=20, batch_size=256)
SAMPLES = 500  # latents of an importance-weighted bound
ELBO_DRAWS = 64
ACTIVE = 0.01  # variance over digits of a latent's mean, from which on it counts as in use (Burda et al. 2016)
FIGURES = ("log_p_x", "elbo", "kl", "effective_sample_size")  # of each digit; the last is 0 where log p(x) is exact
BLOCK = 100  # digits between two saves
TOGETHER = 25  # digits whose proposals are fitted at once
OTHERS = 2  # digits from whose codes further modes of a posterior are sought
Array = NDArray[np.float64]


def train(d: int, images: NDArray[np.uint8], out: Path) -> Path:
    """The run of d dimensions, begun, resumed or already there. images uint8 [N, pixels]; returns its folder."""
    run = out / f"d{d}"
    run.mkdir(parents=True, exist_ok=True)
    trainer = WatchedTrainer(dataclasses.replace(RECIPE, latent_dim=d), images, run, unfolding=d == 2)
    if trainer.checkpoint.exists():
        trainer.resume()
    trainer.run()
    return run


def fingerprint(model: VAE) -> str:
    """Of the weights, whatever file they lie in."""
    digest = hashlib.sha256()
    for weight in model.state_dict().values():
        digest.update(weight.contiguous().numpy().tobytes())
    return digest.hexdigest()


def encode(model: VAE, x: NDArray) -> tuple[Array, Array]:
    """loc and log_scale [N, d] of q(z|x)."""
    with torch.inference_mode():
        loc, log_scale = model.encoder(torch.from_numpy(np.asarray(x, np.float32)))
    return loc.double().numpy(), log_scale.double().numpy()


def reconstruction(decode: Decode, x: NDArray, loc: Array, log_scale: Array, rng: np.random.Generator) -> Array:
    """E_q[log p(x|z)] from 64 draws of q for each digit. x [N, pixels], loc and log_scale [N, d] → [N]."""
    z = loc[:, None] + np.exp(log_scale)[:, None] * rng.standard_normal((len(loc), ELBO_DRAWS, loc.shape[1]))
    logits = decode(z.reshape(-1, loc.shape[1]))
    inked = np.einsum("np,nkp->nk", np.asarray(x, np.float32), logits.reshape(len(x), ELBO_DRAWS, -1))
    return (inked - sum_softplus(logits).reshape(inked.shape)).mean(-1)


def others(decode: Decode, x: NDArray, loc: Array) -> NDArray[np.intp]:
    """The OTHERS other digits in whose codes p(x, z) is highest, for each: x [N, pixels], loc [N, d] → [N, OTHERS]."""
    logits = decode(loc)
    constant = log_standard_normal(loc) - sum_softplus(logits)
    found = np.empty((len(x), OTHERS), np.intp)
    for start in range(0, len(x), 500):
        rows = np.arange(start, min(start + 500, len(x)))
        joint = np.asarray(x[rows], np.float32) @ logits.T + constant
        joint[np.arange(len(rows)), rows] = -np.inf
        found[rows] = np.argpartition(-joint, OTHERS, axis=1)[:, :OTHERS]
    return found


def bounds(
    decoder: refine.Decoder, x: NDArray, q: tuple[Array, Array], elsewhere: Array, generator: torch.Generator
) -> tuple[Array, Array]:
    """Importance-weighted lower bounds of log p(x) in nats, and their effective sample sizes.

    x [N, pixels], q as loc and log_scale [N, d], elsewhere [N, OTHERS, d] → [N] each. The proposal has a t at the mode
    near q and at those near each of `elsewhere`, so that a mode of the posterior that the encoder misses is found.
    """
    found = []
    for rows in np.array_split(np.arange(len(x)), -(-len(x) // TOGETHER)):
        image, loc, log_scale, *others = (
            torch.from_numpy(np.asarray(of[rows], np.float32)) for of in (x, *q, *elsewhere.swapaxes(0, 1))
        )
        found.append(refine.refined_bound(decoder, image, loc, log_scale, SAMPLES, generator, others))
    sizes = torch.cat([of.effective_sample_size for of in found]).numpy()
    return torch.cat([of.bound for of in found]).numpy(), sizes


def score(run: Path, x: NDArray[np.uint8], progress: tqdm) -> dict[str, Array]:
    """log_p_x, elbo, kl and the bound's effective_sample_size of each test digit, [N]; RUN/scores.npz keeps them."""
    model, config, _ = load_run(run)
    decode, d = decoder_of(model), config.latent_dim
    store = run / "scores.npz"
    key = f"{fingerprint(model)} {len(x)} {SAMPLES} fitted {ELBO_DRAWS}"
    columns = {name: np.full(len(x), np.nan) for name in FIGURES}
    if store.exists():
        with np.load(store) as saved:
            if str(saved["key"]) == key:
                columns = {name: saved[name] for name in columns}
    loc, log_scale = encode(model, x)
    todo = [
        block for block in np.array_split(np.arange(len(x)), -(-len(x) // BLOCK)) if np.isnan(columns["kl"][block[0]])
    ]
    progress.update(len(x) - sum(map(len, todo)))
    if not todo:
        return columns
    measure = _measure(model, x, loc, log_scale)
    for block in todo:
        rng = np.random.default_rng([digits.TEST_SEED, d, int(block[0])])
        kl = kl_to_prior(loc[block], log_scale[block])
        columns["elbo"][block] = reconstruction(decode, x[block], loc[block], log_scale[block], rng) - kl
        columns["log_p_x"][block], columns["effective_sample_size"][block] = measure(block)
        columns["kl"][block] = kl
        write_atomically(store, partial(_save, arrays={**columns, "key": np.array(key)}))
        progress.update(len(block))
        progress.set_postfix({"d": d} | {name: f"{np.nanmean(columns[name]):.2f}" for name in ("log_p_x", "elbo")})
    return columns


Measure = Callable[[NDArray[np.intp]], tuple[Array, Array]]


def _measure(model: VAE, x: NDArray, loc: Array, log_scale: Array) -> Measure:
    """log p(x), or what is known of it, and the effective sample size of a block of digits."""
    decode, d = decoder_of(model), loc.shape[1]
    if d == 1:
        exact = line_evidence(decode, x)
        return lambda block: (exact[block], np.zeros(len(block)))
    if d == 2:
        table = DecoderTable.build(decode)
        return lambda block: (np.array([log_evidence(table, decode, x[i]).value for i in block]), np.zeros(len(block)))
    near = others(decode, x, loc)

    def weigh(block: NDArray[np.intp]) -> tuple[Array, Array]:
        seed = np.random.SeedSequence([digits.TEST_SEED, d, int(block[0]), 1]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(seed >> 1))
        return bounds(model.decoder, x[block], (loc[block], log_scale[block]), loc[near[block]], generator)

    return weigh


def watch(run: Path, images: NDArray[np.uint8], store: Path) -> None:
    """Decodes the moments of a run of two dimensions and scores held-out digits by them, unless `store` has that."""
    key = f"{fingerprint(load_run(run)[0])} {unfold.IMAGES} {unfold.NODES} {unfold.FINE}"
    if store.exists():
        with np.load(store) as saved:
            if str(saved["key"]) == key:
                return
    x = held_out(images, RECIPE.validation_images)[: unfold.IMAGES]
    more = {"training_images": np.array(len(images) - RECIPE.validation_images), "key": np.array(key)}
    write_atomically(store, partial(_save, arrays=unfold.unfolding(run, x) | more))


def seconds_per_decoding(decode: Decode, d: int) -> float:
    """Seconds of one core that one decoding takes, in batches of 1,024: the best of 20, however busy the machine."""
    z = np.random.default_rng(0).standard_normal((1024, d))
    taken = []
    for _ in range(20):
        started = time.process_time()
        decode(z)
        taken.append(time.process_time() - started)
    return min(taken) / len(z)


def point(run: Path, columns: dict[str, Array], loc: Array, per_decoding: float) -> dict[str, Any]:
    """What the site shows of one d."""
    _, config, history = load_run(run)
    best = max(history, key=partial(merit, config))
    d = config.latent_dim
    ways = {
        1: "quadrature: 40,001 even nodes on [−10, 10]",
        2: "adaptive quadrature over the latent plane",
    }
    log_p_x = _mean(columns["log_p_x"], ways.get(d, _PROPOSAL)) | {"exact": d in ways}
    if d not in ways:
        size = columns["effective_sample_size"]
        log_p_x |= {
            "samples": SAMPLES,
            "effective_sample_size": {"median": float(np.median(size)), "least": float(size.min())},
        }
    return {
        "latent_dim": d,
        "config": config.as_dict(),
        "log_p_x": log_p_x,
        "elbo": _mean(columns["elbo"], f"closed-form KL, {ELBO_DRAWS} draws of q for the expectation"),
        "kl": _mean(columns["kl"], "D_KL[q(z|x) ‖ p(z)], closed form"),
        "variances": [round(float(value), 6) for value in loc.var(axis=0)],
        "active_units": int((loc.var(axis=0) > ACTIVE).sum()),
        "best_epoch": best["epoch"],
        "best_validation_elbo": best["validation_elbo"],
        "cpu_seconds": sum(record["cpu_seconds"] for record in history),
        "seconds_per_decoding": per_decoding,
    }


_PROPOSAL = (
    "importance-weighted lower bound, proposal fitted to each posterior: a t of full covariance at its mode near q and "
    "at those near the codes of two other test digits, with 5 % of q(z|x) mixed in"
)


def _mean(values: Array, method: str) -> dict[str, Any]:
    return {
        "value": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / np.sqrt(len(values))),
        "images": len(values),
        "method": method,
    }


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def sweep(images: NDArray[np.uint8], x: NDArray[np.uint8], out: Path) -> None:
    """All of it. images: the training file uint8 [N, pixels]; x: the binarised test digits."""
    runs = {d: train(d, images, out) for d in DIMENSIONS}
    points: list[dict[str, Any]] = []
    kept: dict[str, NDArray[np.float32]] = {}
    with tqdm(total=len(x) * len(runs), unit="digit", dynamic_ncols=True, mininterval=1) as progress:
        for d, run in runs.items():
            columns = score(run, x, progress)
            model, _, _ = load_run(run)
            loc, _ = encode(model, x)
            points.append(point(run, columns, loc, seconds_per_decoding(decoder_of(model), d)))
            kept |= {f"{name}_{d}": columns[name].astype(np.float32) for name in FIGURES}
    watch(runs[2], images, out / "unfolding.npz")
    write_atomically(out / "scores.npz", partial(_save, arrays=kept))
    _write_json(
        out / "sweep.json",
        {
            "data": "MNIST, dynamic binarisation: x_i ~ Bernoulli(grey_i / 255), test digits once with seed "
            f"{digits.TEST_SEED}",
            "active_above": ACTIVE,
            "points": points,
        },
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vae.sweep", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder of the four IDX files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs; what is done there is kept")
    parser.add_argument("--images", type=int, default=10000, help="score the first so many test digits (default: all)")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        if arguments.images < 2:
            raise ValueError("--images must be at least 2")
        x = digits.binarised_test_set(arguments.data_dir)[: arguments.images]
        sweep(mnist.load("train", arguments.data_dir)[0], x, arguments.out)
    except (TrainingError, mnist.DataError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where it was", file=sys.stderr)
        return 130
    for found in json.loads((arguments.out / "sweep.json").read_bytes())["points"]:
        exact, figure = found["log_p_x"]["exact"], found["log_p_x"]
        print(
            f"d = {found['latent_dim']:2}: log p(x) {'=' if exact else '≥'} {figure['value']:.2f} ± "
            f"{figure['standard_error']:.2f} nats, KL {found['kl']['value']:.2f}, {found['active_units']} active, "
            f"{found['cpu_seconds']:.0f} s of a core"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
