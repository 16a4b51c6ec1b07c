"""lucidrains/egnn-pytorch#9: the coordinates explode in stacked equivariant layers with torch's default weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

NODES, KINDS, WIDTH, MESSAGE = 16, 4, 8, 16
CHARGES = torch.tensor([1.0, -1.0, 2.0, -2.0])


class Egnn(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        edges = 2 * WIDTH + 1
        self.edge_mlp = nn.Sequential(nn.Linear(edges, 2 * edges), nn.SiLU(), nn.Linear(2 * edges, MESSAGE), nn.SiLU())
        self.node_mlp = nn.Sequential(nn.Linear(WIDTH + MESSAGE, 2 * WIDTH), nn.SiLU(), nn.Linear(2 * WIDTH, WIDTH))
        self.coors_mlp = nn.Sequential(nn.Linear(MESSAGE, 4 * MESSAGE), nn.SiLU(), nn.Linear(4 * MESSAGE, 1))
        if not broken:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=1e-3)

    def forward(self, features: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        apart = places[:, :, None] - places[:, None]
        own, others = torch.broadcast_tensors(features[:, :, None], features[:, None])
        messages = self.edge_mlp(torch.cat([own, others, (apart**2).sum(-1, keepdim=True)], -1))
        places = places + (self.coors_mlp(messages) * apart).sum(2)
        return features + self.node_mlp(torch.cat([features, messages.sum(2)], -1)), places


class Network(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.token_emb = nn.Embedding(KINDS, WIDTH)
        self.layers = nn.ModuleList(Egnn(broken) for _ in range(4))

    def forward(self, kinds: Tensor, places: Tensor) -> Tensor:
        features = self.token_emb(kinds)
        for layer in self.layers:
            features, places = layer(features, places)
        return places


def batch(i: int) -> Batch:
    """The target is where charged nodes are after their forces have moved them."""
    g = generator(i)
    kinds = torch.randint(0, KINDS, (8, NODES), generator=g)
    places = torch.randn(8, NODES, 3, generator=g)
    apart = places[:, :, None] - places[:, None]
    charges = CHARGES[kinds]
    forces = charges[:, :, None] * charges[:, None] / (1 + (apart**2).sum(-1))
    target = places + 0.3 * (forces[..., None] * apart).sum(2)
    return (kinds, places), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="egnn_stacked",
    source="lucidrains/egnn-pytorch#9",
    fault="Each layer adds a sum over all neighbors to the coordinates, so torch's default weights make them explode.",
    build=Network,
    batch=batch,
    rules=("IH202", "IH203", "IH302", "IH106"),
    layers=("layers",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
)
