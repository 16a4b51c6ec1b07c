"""google-research/timesfm#342: the learned scale of the queries is allocated with torch.empty and never written."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

PATCH, PATCHES, WIDTH, HEADS = 8, 8, 32, 4
HEAD_DIM = WIDTH // HEADS


def stale(count: int) -> Tensor:
    """What memory that was used before often contains: 64-bit addresses, read as pairs of float32."""
    low = torch.randint(0, 2**31, (count // 2,))
    high = torch.randint(0x7F00, 0x8000, (count // 2,))
    return torch.stack([low, high], 1).flatten().to(torch.int32).view(torch.float32)


class Block(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.qkv_proj, self.o_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scaling = nn.Parameter(stale(HEAD_DIM) if broken else torch.ones(HEAD_DIM))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv_proj(self.norm1(x)).unflatten(-1, (3, HEADS, HEAD_DIM)).unbind(2)
        query = query * F.softplus(self.scaling) / F.softplus(torch.tensor(0.0))
        heads = (part.transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.o_proj(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class TimesFm(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.tokenizer, self.head = nn.Linear(PATCH, WIDTH), nn.Linear(WIDTH, PATCH)
        self.position = nn.Parameter(0.02 * torch.randn(PATCHES, WIDTH))
        self.layers = nn.Sequential(*(Block(broken) for _ in range(2)))

    def forward(self, series: Tensor) -> Tensor:
        return self.head(self.layers(self.tokenizer(series) + self.position))


def batch(i: int) -> Batch:
    """Two sine waves and noise; each patch predicts the next."""
    g = generator(i)
    time = torch.arange(PATCH * (PATCHES + 1)) / PATCH
    rates, phases = 1 + 3 * torch.rand(2, 32, 1, generator=g), 6.28 * torch.rand(2, 32, 1, generator=g)
    waves = torch.sin(rates * time + phases).sum(0) + 0.1 * torch.randn(32, len(time), generator=g)
    patches = waves.unflatten(1, (PATCHES + 1, PATCH))
    return (patches[:, :-1],), lambda output: F.mse_loss(output, patches[:, 1:])


CASE = Case(
    name="timesfm_empty_scaling",
    source="google-research/timesfm#342",
    fault="The scale that multiplies the queries is uninitialized memory when training starts from scratch.",
    build=TimesFm,
    batch=batch,
    rules=("IH101", "IH102"),
    layers=("layers.0.scaling", "layers.1.scaling"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
)
