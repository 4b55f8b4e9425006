"""Every choice a training run makes, in one frozen record. Knows nothing of torch."""

from __future__ import annotations

import argparse
import dataclasses
import math
from typing import Any, ClassVar


@dataclasses.dataclass(frozen=True)
class Config:
    """One training run. Stored beside the weights and in the manifest of an exported model."""

    latent_dim: int = 2
    encoder_width: int = 512
    encoder_blocks: int = 2
    decoder_width: int = 256
    decoder_blocks: int = 3
    epochs: int = 100
    batch_size: int = 128
    draws: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    weight_decay: float = 1e-4
    clip_norm: float = 20.0
    ema_decay: float = 0.999
    validation_images: int = 5000
    seed: int = 0

    HELP: ClassVar[dict[str, str]] = {
        "latent_dim": "number of latent dimensions d",
        "encoder_width": "units in each hidden layer of the encoder",
        "encoder_blocks": "residual blocks (two layers each) in the encoder",
        "decoder_width": "units in each hidden layer of the decoder",
        "decoder_blocks": "residual blocks (two layers each) in the decoder",
        "epochs": "passes over the training split",
        "batch_size": "images per gradient step",
        "draws": "latents drawn from q for each image of a step; their bounds are averaged",
        "learning_rate": "peak learning rate of AdamW; decays to 0 along a half cosine",
        "warmup_steps": "steps of linear learning-rate warm-up",
        "weight_decay": "decoupled weight decay of AdamW",
        "clip_norm": "largest gradient norm (nats per image per unit of weight)",
        "ema_decay": "decay per step of the averaged weights, which are the ones kept",
        "validation_images": "images held out from the end of the 60,000 for validation",
        "seed": "seed of the weights, the order of images, binarisation and latent noise",
    }

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise ValueError(f"{field.name} is {value}; it must be a finite number")
            if value < 0 or (value == 0 and field.name not in ("seed", "weight_decay", "warmup_steps")):
                raise ValueError(f"{field.name} is {value}; it must be positive")
        if not self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must be below 1")
        if self.seed >= 2**63:
            raise ValueError(f"seed is {self.seed}; it must be below 2^63")

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
                metavar=field.name.split("_")[-1].upper(),
                help=f"{cls.HELP[field.name]} (default: {field.default})",
            )

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Config:
        return cls(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(cls)})
