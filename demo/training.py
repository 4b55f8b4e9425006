"""The story of training as the site keeps it: one recipe in 1 to 40 dimensions, and a plane that unfolds.

Read from assets/training, each file verified. Knows nothing of pages or figures, nor of how the runs were made.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from demo.pretrained import ASSETS, AssetError

FOLDER = "training"
SWEEP, SCORES, SHEET = "sweep.json", "scores.npz", "unfolding.png"
FIGURES = ("log_p_x", "elbo", "kl", "effective_sample_size")  # the last is 0 where log p(x) is exact
UNFOLDING, OF_MOMENTS = "unfolding", ("log_p_x", "elbo", "kl")
_MEND = "restore it (git checkout -- demo/assets/training) or make it anew (python -m export.training RUNS)"


class Moment(NamedTuple):
    """The account of held-out digits after so many steps, means in nats: ELBO + gap = log p(x)."""

    step: int
    log_p_x: float
    elbo: float
    kl: float

    @property
    def gap(self) -> float:
        return self.log_p_x - self.elbo


@dataclass(frozen=True)
class Unfolding:
    """A plane of `nodes` × `nodes` digits at each moment: one grey PNG, `columns` planes in a row, ink white.

    `half_width` of the plane; `batch_size` digits were seen at each step; `images` held-out digits were scored, whose
    figures `of_digits` has by name: log_p_x, elbo, kl float32 [moments, images].
    """

    sheet: bytes
    moments: tuple[Moment, ...]
    nodes: int
    columns: int
    half_width: float
    images: int
    batch_size: int
    training_images: int
    of_digits: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Training:
    """`points`: one record for each number of dimensions, rising; `scores` [N] float32 of each, by (figure, d)."""

    points: tuple[Mapping[str, Any], ...]
    scores: Mapping[tuple[str, int], NDArray[np.float32]]
    unfolding: Unfolding
    active_above: float


def load(assets: Path = ASSETS) -> Training:
    """Raises AssetError, one line, for files that are missing, damaged or not what they should be."""
    folder = assets / FOLDER
    try:
        content = json.loads((folder / SWEEP).read_bytes())
        blobs = {name: (folder / name).read_bytes() for name in (SCORES, SHEET)}
        for name, blob in blobs.items():
            if hashlib.sha256(blob).hexdigest() != content["sha256"][name]:
                raise AssetError(f"{folder / name} is damaged (its SHA-256 is not that of {SWEEP}); {_MEND}")
        with np.load(io.BytesIO(blobs[SCORES]), allow_pickle=False) as archive:
            points = tuple(content["points"])
            scores = {(name, p["latent_dim"]): archive[f"{name}_{p['latent_dim']}"] for name in FIGURES for p in points}
            of_digits = {name: archive[f"{UNFOLDING}_{name}"] for name in OF_MOMENTS}
        told = content[UNFOLDING]
        moments = tuple(Moment(**moment) for moment in told.pop("moments"))
        found = Training(
            points, scores, Unfolding(blobs[SHEET], moments, of_digits=of_digits, **told), content["active_above"]
        )
    except OSError as error:
        raise AssetError(f"{error.filename or folder} cannot be read ({error.strerror}); {_MEND}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"{folder / SWEEP} is not what this site reads ({str(error)[:80]}); {_MEND}") from None
    for values in (*scores.values(), *of_digits.values()):
        values.setflags(write=False)
    return found
