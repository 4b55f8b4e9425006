"""The static build on a loopback port, and the numbers that demo/evidence.py says it must give. No tests."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo import digits, pretrained
from demo.densities import log_bernoulli, log_normal, log_standard_normal, sigmoid
from demo.evidence import Draws, elbo, elbo_monte_carlo, importance_bound
from tests.conftest import ROOT

# onnxruntime's float32: what its log p(x|z) may be off, as a share of the value; and where x is blank or full ink,
# so that q leads to where logits are huge and cancel, as a share of the sum of their magnitudes.
FLOAT32, FLOAT32_FAR = 1e-6, 3e-7
K = 60

Decode = Callable[[NDArray], NDArray]


class _Files(SimpleHTTPRequestHandler):
    """A folder, and the repository under /repo/ for the module that tests run in a page."""

    def translate_path(self, path: str) -> str:
        if path.startswith("/repo/"):
            return str(ROOT / path.removeprefix("/repo/").split("?")[0])
        return super().translate_path(path)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The folder's address, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def made_images(vae: pretrained.PretrainedVAE) -> NDArray[np.uint8]:
    """[9, 784]: samples of the model, three drawings by hand, a blank sheet and full ink."""
    drawings = np.zeros((3, 28, 28), np.uint8)
    drawings[0, 4:24, 13:16] = 1  # a one
    drawings[1, 5:8, 7:21] = drawings[1, 7:25, 18:21] = 1  # a seven
    angle = np.linspace(0, 2 * np.pi, 300)
    rows, columns = np.rint(14 + 9 * np.sin(angle)).astype(int), np.rint(14 + 6 * np.cos(angle)).astype(int)
    drawings[2, rows, columns] = drawings[2, rows, columns + 1] = 1  # a nought
    z = digits.sample_prior(4, vae.latent_dim, 1)
    flat = np.stack([np.zeros(784, np.uint8), np.ones(784, np.uint8)])
    return np.concatenate([digits.sample_pixels(vae.decode(z), 1), drawings.reshape(3, 784), flat])


def given(vae: pretrained.PretrainedVAE, images: NDArray) -> dict[str, Any]:
    """What js/parity.js is asked."""
    noise = np.random.default_rng(0).standard_normal((K, vae.latent_dim))
    latents = np.random.default_rng(1).standard_normal((5, vae.latent_dim)) * 1.5
    return {
        "images": images.tolist(),
        "latents": latents.tolist(),
        "noise": noise.ravel().tolist(),
        "quadrature": vae.latent_dim == 2,
    }


def compare(asked: dict[str, Any], found: dict[str, Any], vae: pretrained.PretrainedVAE, limit: float) -> float:
    """Asserts that pixels agree to 1/255 and log terms to `limit` nats, beside onnxruntime's own rounding.

    Returns the largest difference of an ELBO or a bound of an image that is neither blank nor full, less what
    onnxruntime's float32 may cost: a millionth of the value (compare_in_float64 shows that it does).
    """
    latents = np.array(asked["latents"])
    noise = np.array(asked["noise"]).reshape(K, vae.latent_dim)
    assert np.abs(np.array(found["decoded"]) - sigmoid(vae.decode(latents))).max() <= 1 / 255
    np.testing.assert_allclose(found["logPrior"], log_standard_normal(latents), atol=1e-12)
    worst = 0.0
    for x, ours in zip(np.array(asked["images"]), found["accounts"], strict=True):
        loc, log_scale = (row[0].astype(np.float64) for row in vae.encode(x[None]))
        np.testing.assert_allclose(ours["loc"], loc, atol=limit)
        np.testing.assert_allclose(ours["logScale"], log_scale, atol=limit)
        draws = drawn(vae.decode, x, loc, log_scale, noise)
        bound = importance_bound(draws)
        mean, _ = elbo_monte_carlo(draws, loc, log_scale)
        extreme = x.sum() in (0, len(x))
        far = FLOAT32_FAR * np.abs(vae.decode(draws.z)).sum(axis=-1).max() if extreme else 0.0
        close = functools.partial(np.testing.assert_allclose, atol=limit + far, rtol=FLOAT32)
        close(ours["logPz"], draws.log_p_z)
        close(ours["logPxGivenZ"], draws.log_p_x_given_z)
        close(ours["logQzGivenX"], draws.log_q_z_given_x)
        close(ours["bound"]["value"], bound.value)
        close(ours["bound"]["standardError"], bound.standard_error)
        close(ours["bound"]["effectiveSampleSize"] / K, bound.effective_sample_size / K)
        close(ours["monteCarlo"]["value"], mean.value)
        pairs = [(ours["bound"]["value"], bound.value), (ours["monteCarlo"]["value"], mean.value)]
        if (quadrature := ours["exact"]) is not None:
            exact = elbo(vae.decode, x, loc, log_scale)
            error = 0.0 if quadrature["settled"] else quadrature["moved"]
            np.testing.assert_allclose(quadrature["value"], exact.value, atol=limit + far + error, rtol=FLOAT32)
            if quadrature["settled"]:
                pairs.append((quadrature["value"], exact.value))
        if not extreme:
            worst = max(worst, *(abs(a - b) - FLOAT32 * abs(b) for a, b in pairs))
    return worst


def compare_in_float64(
    asked: dict[str, Any], found: dict[str, Any], vae: pretrained.PretrainedVAE, folder: Path
) -> None:
    """Asserts that the browser's terms are those of the same weights in NumPy's float64, to a millionth of a nat.

    So what is left between the browser and onnxruntime is onnxruntime's float32.
    """
    from export import initialisers, reference  # needs onnx, which the rest does not

    networks = [initialisers.read((folder / name).read_bytes()) for name in (pretrained.ENCODER, pretrained.DECODER)]
    encode, decode = (functools.partial(reference.forward, tensors) for tensors in networks)
    noise = np.array(asked["noise"]).reshape(K, vae.latent_dim)
    for x, ours in zip(np.array(asked["images"]), found["accounts"], strict=True):
        loc, log_scale = np.split(encode(x[None])[0], 2)
        draws = drawn(decode, x, loc, log_scale, noise)
        np.testing.assert_allclose(ours["loc"], loc, atol=1e-11)
        np.testing.assert_allclose(ours["logPxGivenZ"], draws.log_p_x_given_z, atol=1e-6)
        np.testing.assert_allclose(ours["bound"]["value"], importance_bound(draws).value, atol=1e-6)


def drawn(decode: Decode, x: NDArray, loc: NDArray, log_scale: NDArray, noise: NDArray) -> Draws:
    """demo.evidence.draw with this very noise."""
    z = loc + np.exp(log_scale) * noise
    return Draws(z, log_standard_normal(z), log_bernoulli(x, decode(z)), log_normal(z, loc, log_scale))
