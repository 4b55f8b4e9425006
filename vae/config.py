"""Every choice a training run makes, in one frozen record. Knows nothing of torch."""

from __future__ import annotations

import argparse
import dataclasses
import math
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Config:
    """One training run. Stored beside the weights and in the manifest of an exported model."""

    dataset: str = "mnist"
    shape: str = "square"
    architecture: str = "mlp"
    latent_dim: int = 2
    encoder_width: int = 512
    encoder_blocks: int = 2
    decoder_width: int = 256
    decoder_blocks: int = 3
    dense_blocks: int = 2
    init: str = "none"
    trained: str = "both"
    objective: str = "elbo"
    epochs: int = 100
    batch_size: int = 128
    draws: int = 1
    prior_draws: int = 0
    elbo_share: float = 0.0
    wake: float = 0.0
    likeness: float = 0.0
    likeness_draws: int = 384
    likeness_every: int = 2
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    weight_decay: float = 1e-4
    clip_norm: float = 20.0
    ema_decay: float = 0.999
    validation_images: int = 5000
    precision: str = "float32"
    seed: int = 0

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "architecture": ("mlp", "conv"),
        "trained": ("both", "encoder"),
        "objective": ("elbo", "iwae", "mixture"),
        "precision": ("float32", "bfloat16"),
    }
    OF_THE_MIXTURE: ClassVar[tuple[str, ...]] = ("prior_draws", "elbo_share", "wake")
    OF_LIKENESS: ClassVar[tuple[str, ...]] = ("likeness_draws", "likeness_every")
    MAY_BE_ZERO: ClassVar[tuple[str, ...]] = (
        "seed", "weight_decay", "warmup_steps", "dense_blocks", "likeness", *OF_THE_MIXTURE
    )  # fmt: skip
    HELP: ClassVar[dict[str, str]] = {
        "dataset": "mnist, digits (8 × 8, from scikit-learn), or an IDX file, an .npz or a folder of them",
        "shape": "ROWSxCOLUMNS of images that a file holds as rows of pixels",
        "architecture": "residual networks of linear layers, or of 3 × 3 convolutions",
        "latent_dim": "number of latent dimensions d",
        "encoder_width": "units in each hidden layer of the encoder; channels at 7 × 7 of a convolutional one",
        "encoder_blocks": "residual blocks (two layers each) in the encoder; at 7 × 7 of a convolutional one",
        "decoder_width": "units in each hidden layer of the decoder; channels at 7 × 7 of a convolutional one",
        "decoder_blocks": "residual blocks (two layers each) in the decoder; at 7 × 7 of a convolutional one",
        "dense_blocks": "residual blocks of linear layers between z and the picture of a convolutional network",
        "init": "run folder whose kept weights to start from, of the same networks",
        "trained": "the networks that learn; the other keeps the weights it starts with",
        "objective": "bound that is raised: of q alone, of its weighted draws, or of a mixture that the batch shares",
        "epochs": "passes over the training split",
        "batch_size": "images per gradient step",
        "draws": "latents drawn from q for each image of a step",
        "prior_draws": "latents drawn from the prior for all images of a step together (mixture)",
        "elbo_share": "share of the ELBO in what the decoder raises; the rest is the mixture's bound (mixture)",
        "wake": "weight of the encoder's fit to the weighted draws, beside its ELBO (mixture)",
        "likeness": "nats given up for each unit of distance between the decoder's draws of the prior and digits",
        "likeness_draws": "draws of the prior whose distance is measured at once (likeness)",
        "likeness_every": "steps from one measurement to the next (likeness)",
        "learning_rate": "peak learning rate of AdamW; decays to 0 along a half cosine",
        "warmup_steps": "steps of linear learning-rate warm-up",
        "weight_decay": "decoupled weight decay of AdamW",
        "clip_norm": "largest gradient norm (nats per image per unit of weight)",
        "ema_decay": "decay per step of the averaged weights, which are the ones kept",
        "validation_images": "images held out from the end of the training images for validation",
        "precision": "arithmetic of the training's forward pass; weights, losses and validation stay float32",
        "seed": "seed of the weights, the order of images, binarisation and latent noise",
    }

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                self._check_choice(field.name, value)
                continue
            if not math.isfinite(value):
                raise ValueError(f"{field.name} is {value}; it must be a finite number")
            if value < 0 or (value == 0 and field.name not in self.MAY_BE_ZERO):
                raise ValueError(f"{field.name} is {value}; it must be positive")
        if not self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must be below 1")
        if self.elbo_share > 1:
            raise ValueError(f"elbo_share is {self.elbo_share}; it must be at most 1")
        for name in self.OF_THE_MIXTURE:
            if self.objective != "mixture" and (value := getattr(self, name)):
                raise ValueError(f"{name} is {value}, but only --objective mixture knows it")
        for names, known, who in (
            (self.OF_LIKENESS, self.likeness > 0, "--likeness"),
            (("dense_blocks",), self.architecture == "conv", "--architecture conv"),
        ):
            for name in names:
                if not known and (value := getattr(self, name)) != getattr(Config, name):
                    raise ValueError(f"{name} is {value}, but only {who} knows it")
        if self.seed >= 2**63:
            raise ValueError(f"seed is {self.seed}; it must be below 2^63")

    def _check_choice(self, name: str, value: str) -> None:
        choices = self.CHOICES.get(name)
        if choices is not None and value not in choices:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
        if not value:
            raise ValueError(f"{name} is empty")

    def told(self) -> str:
        """The options that are not the defaults, as the command line has them."""
        chosen = {name: value for name, value in self.as_dict().items() if value != getattr(Config, name)}
        return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in chosen.items()) or "the defaults"

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """One option for each field, with its default: the parser cannot drift from the record."""
        for field in dataclasses.fields(cls):
            parser.add_argument(
                "--" + field.name.replace("_", "-"),
                type=type(field.default),
                default=field.default,
                choices=cls.CHOICES.get(field.name),
                metavar=field.name.split("_")[-1].upper(),
                help=f"{cls.HELP[field.name]} (default: {field.default})",
            )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Config:
        return cls(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(cls)})
