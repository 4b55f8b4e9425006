"""What the receipts of a picture are about: the x, the words and the Python that give it, and its q. Knows no page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from demo import digits
from demo.evidence import Draws, draw
from demo.receipts import Sheet, again, vector
from demo.receipts.again import Array, Decode


@dataclass(frozen=True)
class Origin:
    """Where an x comes from: in words, and as Python in which `vae` is the model."""

    words: str
    code: str


def unpacked(bits: str, pixels: int) -> str:
    """Python that reads a drawing of so many pixels, as digits.pack writes it into a link."""
    return f'digits.unpack("{bits}"{f", {pixels}" if pixels != digits.PIXELS else ""})'


def drawing(bits: str, pixels: int) -> Origin:
    """A drawing of so many pixels, as digits.pack writes it into a link."""
    return Origin("your drawing", f"x = {unpacked(bits, pixels)}")


def imagined(seed: int, by: str | None = None) -> Origin:
    """The x that a model imagines for a seed; `by` names the model where it is not the one that explains x."""
    source = "vae" if by is None else "source"
    code = (
        f"logits = {source}.decode(digits.sample_prior(1, {source}.latent_dim, seed={seed}))\n"
        f"x = digits.sample_pixels(logits, seed={seed})[0]"
    )
    opened = "" if by is None else f'source = pretrained.load("{by}")\n'
    return Origin(f"imagined, seed {seed}" + (f", by {by}" if by else ""), opened + code)


def test_digit(number: int) -> Origin:
    """A binarised digit of MNIST's test set; its snippet needs MNIST on the machine that runs it."""
    return Origin(f"test digit {number}", f"x = digits.binarised_test_set()[{number}]")


@dataclass(frozen=True, eq=False)
class Subject:
    """One x [pixels] under one model, with its decoder and loc, log_scale [d] of q(z|x)."""

    model_id: str
    origin: Origin
    x: NDArray
    decode: Decode
    loc: Array
    log_scale: Array

    @property
    def dimension(self) -> int:
        return len(self.loc)

    @property
    def scale(self) -> Array:
        return np.exp(np.asarray(self.log_scale, np.float64))

    @property
    def q(self) -> tuple[Array, Array]:
        """loc and scale [d]."""
        return self.loc, self.scale

    def sheet(self, code: str = "", inputs: Mapping[str, str] | None = None, *, q: bool = True) -> Sheet:
        """Receipts about this x: their Python has the model as `vae`, x and, unless `q` is False, loc and log_scale."""
        start = [f'vae = pretrained.load("{self.model_id}")', self.origin.code]
        start += ["loc, log_scale = np.asarray(vae.encode(x[None]), np.float64)[:, 0]"] * q
        known = {"model": self.model_id, "x": self.origin.words}
        if q:
            known["q(z|x)"] = f"mean {vector(self.loc)}, σ {vector(self.scale, 3)}"
        return Sheet(known, "\n".join(start)).given(inputs, code)

    def log_joint(self, z: Array) -> Array:
        """log p(x, z) by the formulas of `again`. [m, 2] → [m]."""
        return again.log_joint(self.decode, self.x, z)

    def log_q(self, z: Array) -> Array:
        return again.log_normal(z, self.loc, self.scale)

    def log_p_x(self) -> float:
        """log p(x) on even lattices, for two latent dimensions: about a second, then remembered."""
        return _log_evidence(self.decode, np.asarray(self.x, np.uint8).tobytes())

    def draws(self, count: int, seed: int, *, from_prior: bool = False) -> Draws:
        """Draws of q, or of the prior, as evidence.draw makes them with the seed; remembered."""
        q = np.zeros((2, self.dimension)) if from_prior else np.array([self.loc, self.log_scale], np.float64)
        return _draw(self.decode, np.asarray(self.x, np.uint8).tobytes(), q.tobytes(), count, seed)


@lru_cache(maxsize=8)
def _draw(decode: Decode, x: bytes, q: bytes, count: int, seed: int) -> Draws:
    loc, log_scale = np.frombuffer(q, np.float64).reshape(2, -1)
    return draw(decode, np.frombuffer(x, np.uint8), loc, log_scale, count, np.random.default_rng(seed))


@lru_cache(maxsize=64)
def _log_evidence(decode: Decode, x: bytes) -> float:
    return again.log_evidence(decode, np.frombuffer(x, np.uint8))
