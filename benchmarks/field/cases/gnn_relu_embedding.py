"""fani-lab/OpeNTF#349: a ReLU follows every graph convolution, also the last; the loss stays near log 2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

NODES, FEATURES, LATENT, WIDTH = 64, 16, 4, 32
MIXING = torch.randn(LATENT, FEATURES, generator=generator(-1)) / LATENT**0.5


class SageConv(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.own, self.neighbors = nn.Linear(inputs, outputs), nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        mean = adjacency @ x / adjacency.sum(1, keepdim=True).clamp(min=1)
        return self.own(x) + self.neighbors(mean)


class Encoder(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList([SageConv(FEATURES, WIDTH), SageConv(WIDTH, WIDTH)])
        self.broken = broken

    def forward(self, x: Tensor, adjacency: Tensor, pairs: Tensor) -> Tensor:
        """The logit of each pair: the product of its two embeddings."""
        for number, conv in enumerate(self.convs):
            x = conv(x, adjacency)
            if self.broken or number < len(self.convs) - 1:
                x = F.relu(x)
        return (x[pairs[0]] * x[pairs[1]]).sum(1)


def batch(i: int) -> Batch:
    """A graph of its own in each batch: nodes with similar latent vectors are linked, and half of the links seen."""
    g = generator(i)
    latent = torch.randn(NODES, LATENT, generator=g)
    features = latent @ MIXING + 0.3 * torch.randn(NODES, FEATURES, generator=g)
    linked = (latent @ latent.T > 1.0).float().fill_diagonal_(0)
    seen = torch.triu(torch.rand(NODES, NODES, generator=g) < 0.5).float()
    adjacency = linked * torch.maximum(seen, seen.T)
    pairs = torch.randint(0, NODES, (2, 512), generator=g)
    target = linked[pairs[0], pairs[1]]
    return (features, adjacency, pairs), lambda output: F.binary_cross_entropy_with_logits(output, target)


CASE = Case(
    name="gnn_relu_embedding",
    source="fani-lab/OpeNTF#349",
    fault="A ReLU follows the last graph convolution, so products of embeddings, the logits, cannot be negative.",
    build=Encoder,
    batch=batch,
    rules=("IH204", "IH208"),
    layers=("convs.1",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=300,
    fresh=True,
)
