"""`python -m export RUN --as z2`: a training run becomes a model of the site. Knows only the order of the steps."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from demo import digits
from demo.mnist import DataError
from demo.pretrained import ASSETS, AssetError
from export import ExportError
from export.model import export_run
from vae import datasets
from vae.checkpoint import TrainingError, read_kept


def model_id(text: str) -> str:
    """An id that is safe as a folder's name and in an address bar."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no id; use up to 32 of a-z, 0-9, - and _, such as z2")
    return text


def seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; give a whole number from 0 on")
    return int(text)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export", description="Turn a training run into the site's assets.")
    parser.add_argument("run", type=Path, help="run folder that python -m vae.train wrote")
    parser.add_argument("--as", dest="model", type=model_id, required=True, metavar="ID", help="id on the site: z2")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder of the models (default: the site's own)")
    parser.add_argument("--data-dir", help="folder of MNIST's files (default: $MNIST_DIR, else the user's cache)")
    parser.add_argument("--dataset", help="where the run's images lie now (default: where they lay at its training)")
    parser.add_argument(
        "--seed",
        type=seed,
        default=digits.TEST_SEED,
        help=f"seed of the test digits' binarisation (default: the site's, {digits.TEST_SEED})",
    )
    arguments = parser.parse_args(argv)
    try:
        _, config, _ = read_kept(arguments.run)
        data = datasets.load(arguments.dataset or config.dataset, config.shape, arguments.data_dir, download=True)
        export_run(arguments.run, arguments.assets / arguments.model, data, arguments.seed)
    except (ExportError, TrainingError, AssetError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
