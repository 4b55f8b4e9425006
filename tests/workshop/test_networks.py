"""Networks have the shapes and the start that they promise, of linear layers or of convolutions."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from vae.config import Config
from vae.networks import VAE

CONV = Config(architecture="conv", latent_dim=3, encoder_width=8, encoder_blocks=3, decoder_width=6, decoder_blocks=2)


KINDS = [
    dataclasses.replace(CONV, architecture="mlp"), CONV, dataclasses.replace(CONV, dense_blocks=0)
]  # fmt: skip
every_kind = pytest.mark.parametrize("config", KINDS, ids=["mlp", "conv", "conv without dense blocks"])


def stirred(config: Config = CONV) -> VAE:
    """Every weight random: the zeros that residual branches start with would hide them."""
    torch.manual_seed(0)
    model = VAE(784, config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    return model.eval()


@every_kind
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_networks_keep_their_contract(config: Config, batch: int) -> None:
    """x [batch, 784] → loc, log_scale [batch, d]; z [batch, d] → logits [batch, 784]; rows do not see each other."""
    model = stirred(config)
    x = torch.rand(batch, 784).round()
    with torch.no_grad():
        loc, log_scale = model.encoder(x)
        logits = model.decoder(loc)
        assert loc.shape == log_scale.shape == (batch, 3)
        assert logits.shape == (batch, 784)
        torch.testing.assert_close(model.encoder(x[:1])[0], loc[:1])
        torch.testing.assert_close(model.decoder(loc[:1]), logits[:1])


@every_kind
def test_a_decoder_starts_near_the_mean_image(config: Config) -> None:
    torch.manual_seed(0)
    mean = torch.linspace(0.01, 0.99, 784)
    model = VAE(784, config, mean)
    with torch.no_grad():
        drawn = model.decoder(torch.randn(200, 3)).sigmoid().mean(0)
    assert (drawn - mean).abs().max() < 0.15
    assert torch.corrcoef(torch.stack([drawn, mean]))[0, 1] > 0.99


def test_neighbouring_pixels_stay_neighbours() -> None:
    """One pixel moved: the coarse features of a shallow encoder change around it and nowhere far from it."""
    config = dataclasses.replace(CONV, encoder_blocks=1)
    trunk = stirred(config).encoder.trunk
    x = torch.zeros(2, 784)
    x[1, 5 * 28 + 5] = 1
    seen = []
    trunk.flat.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        trunk(x)
    moved = ((seen[0][0] - seen[0][1]).abs() > 1e-5).view(8, 7, 7).any(0)  # rounding is no neighbour
    assert moved[1, 1]
    assert not moved[6].any()
    assert not moved[:, 6].any()


def test_dense_blocks_may_be_left_out_on_both_sides() -> None:
    model = VAE(784, dataclasses.replace(CONV, dense_blocks=0))
    names = {name for name, _ in model.named_parameters()}
    assert not any("dense" in name or "flat" in name for name in names)
    assert model.encoder.trunk.last.weight.shape == (6, 8 * 49)
    assert model.decoder.trunk.first.weight.shape == (6 * 49, 3)
    with pytest.raises(ValueError, match="dense_blocks is 0, but only --architecture conv knows it"):
        Config(dense_blocks=0)


@pytest.mark.parametrize("pixels", [49, 64, 783, 1024])
def test_convolutions_refuse_images_of_another_size(pixels: int) -> None:
    with pytest.raises(ValueError, match=f"conv needs images of 28 × 28 = 784 pixels, these have {pixels}"):
        VAE(pixels, CONV)


def test_convolutions_refuse_a_width_that_cannot_be_halved() -> None:
    with pytest.raises(ValueError, match="even width, not 7"):
        VAE(784, dataclasses.replace(CONV, decoder_width=7))


@every_kind
def test_a_pass_in_bfloat16_ends_in_float32_and_is_near(config: Config) -> None:
    model = stirred(config)
    x = torch.rand(4, 784).round()
    with torch.no_grad():
        exact = model.encoder(x)[0], model.decoder(torch.ones(4, 3))
        with torch.autocast("cpu", torch.bfloat16):
            half = model.encoder(x)[0], model.decoder(torch.ones(4, 3))
    for ours, theirs in zip(half, exact, strict=True):
        assert ours.dtype == torch.float32
        assert not torch.equal(ours, theirs)
        torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0.05)
