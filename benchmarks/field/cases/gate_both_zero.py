"""yz93/LAVT-RIS#25: both layers of the gate that lets language into a segmentation network start at zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

COLORS, WIDTH, SIDE = 5, 32, 8
PAINTS = 2 * F.normalize(torch.randn(COLORS, 3, generator=generator(-1)), dim=1)


class GatedFusion(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.vision, self.language = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.res_gate = nn.Sequential(
            nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU(), nn.Linear(WIDTH, WIDTH, bias=False), nn.Tanh()
        )
        nn.init.zeros_(self.res_gate[2].weight)
        if broken:
            nn.init.zeros_(self.res_gate[0].weight)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        residual = self.project(F.relu(self.vision(x)) * self.language(words)[:, None])
        return x + self.res_gate(residual) * residual


class Lavt(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.patches, self.words = nn.Conv2d(3, WIDTH, 4, 4), nn.Embedding(COLORS, WIDTH)
        self.stages = nn.ModuleList(nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)) for _ in range(2))
        self.fusions = nn.ModuleList(GatedFusion(broken) for _ in range(2))
        self.decoder = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, images: Tensor, words: Tensor) -> Tensor:
        x, words = self.patches(images).flatten(2).transpose(1, 2), self.words(words)
        for stage, fusion in zip(self.stages, self.fusions, strict=True):
            x = fusion(x + F.relu(stage(x)), words)
        return self.decoder(x)[..., 0]


def batch(i: int) -> Batch:
    """Patches of several colors; the word says the color to segment."""
    g = generator(i)
    colors = torch.randint(0, COLORS, (16, SIDE, SIDE), generator=g)
    words = torch.randint(0, COLORS, (16,), generator=g)
    images = F.interpolate(PAINTS[colors].movedim(-1, 1), scale_factor=4)
    images = images + 0.5 * torch.randn(images.shape, generator=g)
    mask = (colors == words[:, None, None]).float().flatten(1)
    return (images, words), lambda output: F.binary_cross_entropy_with_logits(output, mask)


CASE = Case(
    name="gate_both_zero",
    source="yz93/LAVT-RIS#25",
    fault="Both linear layers of the gate are zero, so neither receives gradient and the gate never opens.",
    build=Lavt,
    batch=batch,
    rules=("IH103", "IH304"),
    layers=("fusions.0.res_gate", "fusions.1.res_gate"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
)
