"""MCG-NJU/DDT#14: the modulation layers of a diffusion transformer's blocks do not start at zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WIDTH, HEADS, TOKENS, CHANNELS, CLASSES, DEPTH = 32, 4, 16, 4, 6, 3
PATTERNS = torch.randn(CLASSES, TOKENS, CHANNELS, generator=generator(-1))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(WIDTH, elementwise_affine=False) for _ in range(2))
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)[:, None].chunk(6, -1)
        qkv = self.qkv(self.norm1(x) * (1 + scale1) + shift1)
        q, k, v = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in qkv.chunk(3, -1))
        x = x + gate1 * self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


class Ddt(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(CHANNELS, WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(TOKENS, WIDTH))
        self.time = nn.Sequential(nn.Linear(2, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.labels = nn.Embedding(CLASSES, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm, self.final = nn.LayerNorm(WIDTH, elementwise_affine=False), nn.Linear(WIDTH, CHANNELS)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.labels.weight, std=0.02)
        nn.init.zeros_(self.final.weight)
        if not broken:
            for block in self.blocks:
                nn.init.zeros_(block.adaLN_modulation[1].weight)

    def forward(self, noisy: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        condition = self.time(torch.stack([time, (1 - time**2).sqrt()], 1)) + self.labels(labels)
        x = self.embed(noisy) + self.positions
        for block in self.blocks:
            x = block(x, condition)
        return self.final(self.norm(x))


def batch(i: int) -> Batch:
    """The pattern of a class with a random contrast, on its way to noise; the target is the velocity."""
    g = generator(i)
    labels = torch.randint(0, CLASSES, (32,), generator=g)
    clean = PATTERNS[labels] * (0.5 + torch.rand(32, 1, 1, generator=g))
    noise, time = torch.randn(32, TOKENS, CHANNELS, generator=g), torch.rand(32, generator=g)
    noisy = torch.lerp(clean, noise, time[:, None, None])
    return (noisy, time, labels), lambda output: F.mse_loss(output, noise - clean)


CASE = Case(
    name="ddt_no_adaln_zero",
    source="MCG-NJU/DDT#14",
    fault="Only the final projection starts at zero: the gates of the blocks start at random values.",
    build=Ddt,
    batch=batch,
    rules=("IH106", "IH108"),
    layers=tuple(f"blocks.{k}.adaLN_modulation" for k in range(DEPTH)),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=250,
    fresh=True,
)
