"""Do a model's samples look like digits? `python -m vae.judge RUN` asks a classifier of our own that saw no model.

Knows nothing of objectives, bounds, ONNX or pages. The judge is a small convolutional network, trained on the training
digits for classes; its last hidden layer is where samples and digits are compared. Samples are the decoder's means
p = sigmoid(logits) at draws of the prior, digits are grey images in [0, 1], 10,000 of each. RUN/samples.json keeps it.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from demo import digits, mnist
from vae.checkpoint import TrainingError, load_run, write_atomically
from vae.classifiers import Classifier, trained

Array = NDArray[np.float64]
Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]
FEATURES = 64
SAMPLES = 10_000


def new_judge() -> Classifier:
    """Two convolutions of 5 × 5, each with a maximum over 2 × 2, and a layer of FEATURES."""
    body = [
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, FEATURES), nn.ReLU(),
    ]  # fmt: skip
    return Classifier(body, FEATURES)


def train_judge(images: NDArray[np.uint8], labels: NDArray[np.uint8], epochs: int, seed: int = 0) -> Classifier:
    """A judge after `epochs` over uint8 [N, 784] and [N]; the same seed gives the same judge."""
    return trained(new_judge, images, labels, epochs, seed, "judge")


def frechet(a: Array, b: Array) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), the squared Fréchet distance of two normals with the samples'
    moments. a [N, k], b [M, k].

    The trace of the root is the sum of the roots of the eigenvalues of Σ_a^½ Σ_b Σ_a^½, which is symmetric. Source:
    Dowson and Landau 1982; Heusel et al. 2017, who take another network's features.
    """
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None))
    apart = a.mean(0) - b.mean(0)
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * roots.sum())


def grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(images / np.float32(255), np.float32)


def nearest(images: NDArray[np.float32], among: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distance of each image [N, p] to the nearest of `among` [M, p] → [N]."""
    squares = (among**2).sum(1)
    found = [
        np.sqrt(np.maximum(0, (block**2).sum(1) + (squares - 2 * block @ among.T).min(1)))
        for block in np.array_split(images, -(-len(images) // 500))
    ]
    return np.concatenate(found)


def judged(judge: Classifier, images: NDArray[np.float32]) -> tuple[Array, NDArray[np.intp]]:
    """Features float64 [N, FEATURES] and the class that the judge sees [N]."""
    features = torch.cat([judge.features(part) for part in torch.from_numpy(images).split(1000)])
    return features.double().numpy(), judge.head(features).argmax(1).numpy()


def verdict(judge: Classifier, samples: NDArray[np.float32], train: Labelled, test: Labelled) -> dict[str, Any]:
    """Every figure of samples.json, for samples [N, 784] in [0, 1] beside as many digits of both splits."""
    n = len(samples)
    known, fresh, every = grey(train[0][:n]), grey(test[0][:n]), grey(train[0])
    of_train, _ = judged(judge, known)
    of_test, seen = judged(judge, fresh)
    of_samples, classes = judged(judge, samples)
    ours, theirs = frechet(of_samples, of_train), frechet(of_test, of_train)
    own, other = nearest(samples[:2000], every), nearest(fresh[:2000], every)
    return {
        "samples": n,
        "judge_accuracy": float((seen == test[1][:n]).mean()),
        "frechet": {"samples": ours, "test": theirs, "ratio": ours / theirs},
        "classes": np.bincount(classes, minlength=10).tolist(),
        "nearest_training_digit": {
            "samples": {"median": float(np.median(own)), "least": float(own.min())},
            "test": {"median": float(np.median(other)), "least": float(other.min())},
        },
    }


def prior_means(run: Path, n: int, seed: int) -> NDArray[np.float32]:
    """sigmoid(logits) at n draws of the prior, [n, 784] in (0, 1)."""
    model, config, _ = load_run(run)
    with torch.inference_mode():
        z = torch.from_numpy(digits.sample_prior(n, config.latent_dim, seed).astype(np.float32))
        return torch.cat([model.decoder(part).sigmoid() for part in z.split(500)]).numpy()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vae.judge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, nargs="+", help="run folders written by python -m vae.train")
    parser.add_argument("--data-dir", help="folder of the four IDX files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--epochs", type=int, default=4, help="passes over the training digits (default: 4)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"draws of the prior (default: {SAMPLES})")
    parser.add_argument("--seed", type=int, default=0, help="seed of the judge and of the draws (default: 0)")
    arguments = parser.parse_args(argv)
    try:
        if arguments.epochs < 1 or not 2 <= arguments.samples <= SAMPLES:
            raise ValueError(f"--epochs must be at least 1, --samples from 2 to {SAMPLES}")
        samples = [prior_means(run, arguments.samples, arguments.seed) for run in arguments.run]
        train, test = (mnist.load(split, arguments.data_dir, download=True) for split in ("train", "test"))
        judge = train_judge(*train, arguments.epochs, arguments.seed)
        for run, shown in zip(arguments.run, samples, strict=True):
            found = verdict(judge, shown, train, test)
            text = json.dumps(found, indent=1) + "\n"
            write_atomically(run / "samples.json", partial(Path.write_text, data=text, encoding="utf-8"))
            print(f"{run}: {summary(found)}")
    except (TrainingError, mnist.DataError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing was kept", file=sys.stderr)
        return 130
    return 0


def summary(found: dict[str, Any]) -> str:
    """A verdict in a line."""
    f, near = found["frechet"], found["nearest_training_digit"]
    return (
        f"Fréchet distance {f['samples']:.2f}, {f['ratio']:.1f} times the test digits' {f['test']:.2f}; classes "
        f"{' '.join(map(str, found['classes']))}; nearest training digit {near['samples']['median']:.2f} away at the "
        f"median (test digits {near['test']['median']:.2f}), {near['samples']['least']:.2f} at least "
        f"({near['test']['least']:.2f}); the judge reads {found['judge_accuracy']:.2%} of the test digits"
    )


if __name__ == "__main__":
    sys.exit(main())
