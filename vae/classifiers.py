"""Small classifiers of digits, trained in a minute: the same seed gives the same weights. Knows nothing of models.

Images are grey, [batch, 784] in [0, 1], rows of 28 × 28 pixels. `features` is the last hidden layer, where two sets of
images can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

BATCH = 128
CLASSES = 10


class Classifier(nn.Module):
    """`body` makes features [batch, k] of images [batch, 1, 28, 28]; class logits [batch, 10] are linear in them."""

    def __init__(self, body: Sequence[nn.Module], features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(features, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x.view(-1, 1, 28, 28))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def trained(
    make: Callable[[], Classifier],
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    epochs: int,
    seed: int,
    label: str,
    quiet: bool = False,
) -> Classifier:
    """What `make` makes, after `epochs` over images uint8 [N, 784] and labels uint8 [N] below 10, its weights held.

    Adam on the cross-entropy, its rate up to 2e-3 and down again; `label` names the progress bar.
    """
    torch.manual_seed(seed)
    network = make()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    x, y = torch.tensor(images), torch.tensor(labels.astype(np.int64))
    steps = epochs * -(-len(x) // BATCH)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=2e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    with tqdm(total=steps, unit="step", desc=label, mininterval=1, dynamic_ncols=True, disable=quiet) as progress:
        for _ in range(epochs):
            for index in torch.randperm(len(x), generator=generator).split(BATCH):
                loss = nn.functional.cross_entropy(network(x[index].float() / 255), y[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                falling.step()
                progress.update()
    return network.eval().requires_grad_(False)
