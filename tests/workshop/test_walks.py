"""The Jacobian that the site takes by differences of float32 logits against torch's own derivatives in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from demo import pretrained, walks
from demo.pretrained import ASSETS, DECODER
from export import initialisers
from vae.config import Config
from vae.networks import VAE


def slopes(vae: pretrained.PretrainedVAE, z: np.ndarray) -> np.ndarray:
    """∂ sigmoid(logits) / ∂z, [pixels, d], by automatic differentiation of the same weights."""
    decoder = VAE(vae.pixels, Config(**vae.manifest["config"])).decoder
    tensors = initialisers.read((ASSETS / vae.model_id / DECODER).read_bytes())
    decoder.load_state_dict({f"trunk.{name}": torch.from_numpy(array.copy()) for name, array in tensors.items()})
    decoder = decoder.double().eval()
    at = torch.from_numpy(z)
    return torch.func.jacrev(lambda z: torch.sigmoid(decoder(z[None])[0]))(at).detach().numpy()


@pytest.mark.parametrize("model", pretrained.available())
def test_differences_are_as_exact_as_they_say(model: str) -> None:
    vae = pretrained.load(model)
    for row in (0, 17, 4321, 9999):
        z = vae.codes.loc[row].astype(np.float64)
        exact = slopes(vae, z)
        found, error = walks.jacobian(vae.decode, z)
        assert np.abs(found - exact).max() <= 2 * error, "the stated error holds"
        assert error < 5e-3 * np.abs(exact).max()
        values, vectors, _ = walks.principal_directions(vae.decode, z)
        right = np.linalg.svd(exact)
        np.testing.assert_allclose(values, right.S[: len(values)], rtol=2e-3)
        for k, vector in enumerate(vectors):  # neighbours with nearly one value may mix: compare what they do
            assert np.linalg.norm(exact @ vector) == pytest.approx(right.S[k], rel=2e-3)
