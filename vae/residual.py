"""The block of linear layers that both kinds of networks are made of. Knows nothing of images or latents."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu


class ResidualBlock(nn.Module):
    """h + W₂ silu(W₁ silu(h) + b₁) + b₂, a pre-activation block (He et al. 2016, "Identity mappings").

    Shapes: [batch, width] → [batch, width]. Smooth on purpose: the site integrates the decoder with
    Gauss–Legendre and Gauss–Hermite rules, which converge fast only where the integrand has no kinks.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.outer(silu(self.inner(silu(h))))
