"""One x under one model, as every lens looks at it. Knows nothing of widgets or of where the x came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from demo import cache
from demo.densities import Array
from demo.evidence import Account, Window
from demo.pretrained import PretrainedVAE
from demo.receipts.subject import Origin, Subject


@dataclass(frozen=True)
class View:
    """A model, x [pixels] of 0 and 1 and where it is from; what it computes is cached across visitors."""

    model_id: str
    vae: PretrainedVAE
    x: NDArray[np.uint8]
    origin: Origin

    @property
    def key(self) -> bytes:
        """The x as the cache knows it."""
        return self.x.tobytes()

    @property
    def planar(self) -> bool:
        """Two latent dimensions: log p(x) can be computed."""
        return self.vae.latent_dim == 2

    @cached_property
    def q(self) -> tuple[Array, Array]:
        """loc and log_scale [d] of the encoder's q(z|x)."""
        loc, log_scale = self.vae.encode(self.x[None])
        return loc[0].astype(np.float64), log_scale[0].astype(np.float64)

    @property
    def subject(self) -> Subject:
        """The same as the receipts know it."""
        return Subject(self.model_id, self.origin, self.x, self.vae.decode, *self.q)

    @property
    def exact(self) -> Account:
        """log p(x), bound and gap; of a planar model only."""
        return cache.exact_account(self.model_id, self.key)

    @property
    def window(self) -> Window:
        """The patch of the plane where the posterior and q lie; of a planar model only."""
        return cache.posterior_window(self.model_id, self.key)

    @property
    def sketch(self) -> Window:
        """The same patch from a quarter of the decodings, for a picture that is not read off number by number."""
        return cache.posterior_window(self.model_id, self.key, 31)
