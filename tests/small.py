"""Two models of other images than MNIST's, trained, scored and exported by the commands that anybody would type, in
seconds; and a site that has them. No tests in here; needs torch.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

SQUARE, WIDE = "square", "wide"  # ids: scikit-learn's 8 × 8 digits in three dimensions; 12 × 20 pixels in two
CLASSES = (0, 7, 12)  # of the wide images
TINY = [
    *("--encoder-width", "24", "--encoder-blocks", "1", "--decoder-width", "24", "--decoder-blocks", "1"),
    *("--batch-size", "64", "--learning-rate", "5e-3", "--warmup-steps", "20", "--ema-decay", "0.9"),
    *("--validation-images", "90"),
]


def glyphs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Upright bars, level bars and boxes, [n, 12, 20] in [0, 1], and their classes [n]."""
    rng = np.random.default_rng(0)
    images, labels = np.zeros((n, 12, 20)), rng.choice(CLASSES, n)
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(1, 5), rng.integers(1, 8)
        high, wide = {0: (6, 2), 7: (2, 11), 12: (6, 10)}[int(label)]
        image[row : row + high, column : column + wide] = rng.uniform(0.8, 1)
        if label == 12:
            image[row + 1 : row + high - 1, column + 1 : column + wide - 1] = 0
    return images, labels


def build(folder: Path) -> Path:
    """The folder of assets with both models in it, made in `folder`."""
    import export.atlas
    from export.__main__ import main as export_main
    from vae import evaluate, train

    images, labels = glyphs(800)
    np.savez(folder / "glyphs.npz", images=images, labels=labels)
    assets = folder / "assets"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.atlas, "NODES", 3)
        for name, data, options in (
            (SQUARE, "digits", ["--latent-dim", "3", "--epochs", "8"]),
            (WIDE, str(folder / "glyphs.npz"), ["--latent-dim", "2", "--epochs", "40"]),
        ):
            run = folder / "runs" / name
            assert train.main(["--dataset", data, "--out", str(run), *options, *TINY]) == 0
            few = ["--images", "2"] if name == WIDE else []  # a figure of few images makes no scores
            assert evaluate.main([str(run), "--samples", "10", *few]) == 0
            assert export_main([str(run), "--as", name, "--assets", str(assets)]) == 0
    return assets


def site_with(assets: Path, folder: Path, root: Path) -> Path:
    """A copy of the site at `root` in `folder`, whose models are those of `assets` alone."""
    ours = root / "demo" / "assets"
    shutil.copytree(
        root / "demo", folder / "demo", ignore=lambda path, _: ["assets"] if path == str(ours.parent) else []
    )
    shutil.copytree(root / ".streamlit", folder / ".streamlit")
    shutil.copy(root / "streamlit_app.py", folder)
    shutil.copytree(assets, folder / "demo" / "assets")
    (folder / "demo" / "assets" / "training").symlink_to(ours / "training")
    return folder
