"""atomistic-machine-learning/schnetpack#391: dipole features start at zero and only act in products of two of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

ATOMS, KINDS, WIDTH = 5, 4, 24
CENTERS = torch.linspace(0.5, 2.0, 8)
POLARITY = torch.tensor([1.0, -1.0, 0.5, 2.0])


class FieldSchNet(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(KINDS, WIDTH)
        self.filter_network = nn.Sequential(nn.Linear(8, WIDTH), nn.Softplus(), nn.Linear(WIDTH, WIDTH))
        self.interaction = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Softplus(), nn.Linear(WIDTH, WIDTH))
        self.dipole_update = nn.Linear(WIDTH, WIDTH, bias=False)
        self.dipole_filter = nn.Sequential(nn.Linear(8, WIDTH), nn.Softplus(), nn.Linear(WIDTH, WIDTH))
        self.dipole_interaction = nn.Linear(WIDTH, WIDTH)
        self.output = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Softplus(), nn.Linear(WIDTH, 1))
        if broken:
            nn.init.zeros_(self.dipole_update.weight)
        else:
            nn.init.xavier_uniform_(self.dipole_update.weight)

    def forward(self, kinds: Tensor, places: Tensor) -> Tensor:
        apart, distance, reach = pairs(places)
        basis = torch.exp(-4 * (distance[..., None] - CENTERS) ** 2)
        atoms = self.embedding(kinds)
        messages = (self.filter_network(basis) * reach[..., None] * atoms[:, None]).sum(2)
        atoms = atoms + self.interaction(messages)
        dipoles = torch.einsum("bij,bijc,bjf->bicf", reach, apart, self.dipole_update(atoms))
        along = torch.einsum("bijc,bjcf->bijf", apart, dipoles)
        tensor = dipoles[:, None] - 3 * apart[..., None] * along[:, :, :, None] / distance[..., None, None] ** 2
        weight = self.dipole_filter(basis) * reach[..., None]
        pulled = torch.einsum("bijf,bijcf->bicf", weight, tensor)
        atoms = atoms + self.dipole_interaction((dipoles * pulled).sum(2))
        return self.output(atoms).sum((1, 2))


def pairs(places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Differences, distances and the weight of each pair: only bonds with the first atom count."""
    apart = places[:, :, None] - places[:, None]
    distance = ((apart**2).sum(-1) + 1e-3).sqrt()
    bonds = torch.zeros(ATOMS, ATOMS)
    bonds[0, 1:] = bonds[1:, 0] = 1
    return apart, distance, torch.exp(-distance) * bonds


def batch(i: int) -> Batch:
    """Atoms around a central one; the energy depends on the angles of the bonds, which distances do not show."""
    g = generator(i)
    kinds = torch.randint(0, KINDS, (32, ATOMS), generator=g)
    directions = F.normalize(torch.randn(32, ATOMS, 3, generator=g), dim=2)
    places = directions * (1 + 0.1 * torch.randn(32, ATOMS, 1, generator=g))
    places[:, 0] = 0
    dipole = (POLARITY[kinds[:, 1:], None] * directions[:, 1:]).sum(1)
    target = ((dipole**2).sum(1) - 6.2) / 5
    return (kinds, places), lambda output: F.mse_loss(output, target)


CASE = Case(
    name="dipole_zero",
    source="atomistic-machine-learning/schnetpack#391",
    fault="The layer that makes dipole features starts at zero; they are multiplied with each other only.",
    build=FieldSchNet,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("dipole_update",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=300,
)
