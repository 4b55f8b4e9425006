"""Encoder and decoder as residual networks, by default of linear layers. Knows nothing of data, losses or training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vae.config import Config
from vae.convolutions import ConvAnalysis, ConvSynthesis
from vae.residual import ResidualBlock


class Trunk(nn.Module):
    """Linear → residual blocks → silu → linear: [batch, inputs] → [batch, outputs]."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.last = nn.Linear(width, outputs)

    @property
    def bias(self) -> Tensor:
        """What is added to each output last of all, [outputs]."""
        return self.last.bias

    def forward(self, h: Tensor) -> Tensor:
        return self.last(nn.functional.silu(self.blocks(self.first(h))))


class Encoder(nn.Module):
    """q(z|x) = N(loc, diag exp(log_scale)²): x [batch, pixels] → loc, log_scale, each [batch, d]."""

    def __init__(self, pixels: int, config: Config) -> None:
        super().__init__()
        sizes = (pixels, config.encoder_width, config.encoder_blocks, 2 * config.latent_dim)
        self.trunk = ConvAnalysis(*sizes, config.dense_blocks) if config.architecture == "conv" else Trunk(*sizes)
        with torch.no_grad():
            self.trunk.last.weight.mul_(0.1)
            self.trunk.last.bias.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc, log_scale = self.trunk(x).to(x.dtype).chunk(2, dim=-1)
        return loc, log_scale


class Decoder(nn.Module):
    """p(x|z) = Π Bernoulli(x_i; sigmoid(logits_i)): z [batch, d] → logits [batch, pixels]."""

    def __init__(self, pixels: int, config: Config) -> None:
        super().__init__()
        self.pixels = pixels
        sizes = (config.latent_dim, config.decoder_width, config.decoder_blocks, pixels)
        self.trunk = ConvSynthesis(*sizes, config.dense_blocks) if config.architecture == "conv" else Trunk(*sizes)

    def forward(self, z: Tensor) -> Tensor:
        return self.trunk(z).to(z.dtype)


class VAE(nn.Module):
    """Encoder and decoder of one model. `mean_image` [pixels], probabilities in (0, 1), sets the output bias.

    Starting at the logit of the mean image saves the first epochs: the decoder begins as the best
    model that ignores z (independent pixels, 205.65 nats on MNIST).
    """

    def __init__(self, pixels: int, config: Config, mean_image: Tensor | None = None) -> None:
        super().__init__()
        self.encoder = Encoder(pixels, config)
        self.decoder = Decoder(pixels, config)
        if mean_image is not None:
            with torch.no_grad():
                self.decoder.trunk.bias.copy_(torch.logit(mean_image))
