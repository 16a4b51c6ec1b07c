"""Generative networks: a denoising transformer with long skip connections, and flow matching."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchmarks.healthy.everyday_net import Drawn, everyday
from benchmarks.healthy.pictures_draws import pictures
from benchmarks.nets import Net


class SkipBlock(nn.Module):
    def __init__(self, width: int, heads: int, skip: bool) -> None:
        super().__init__()
        self.heads = heads
        self.skip = nn.Linear(2 * width, width) if skip else None
        self.norm1, self.qkv, self.proj = (
            nn.LayerNorm(width),
            nn.Linear(width, 3 * width, bias=False),
            nn.Linear(width, width),
        )
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        if self.skip is not None and kept is not None:
            x = self.skip(torch.cat([x, kept], -1))
        parts = self.qkv(self.norm1(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class UViT(nn.Module):
    """Bao et al. (2023): the time is a token, skip connections from early to late blocks; N(0, 0.02), as published."""

    def __init__(self, width: int = 96, heads: int = 4, side: int = 16, patch: int = 2) -> None:
        super().__init__()
        self.side, self.patch, self.width = side, patch, width
        self.stem = nn.Conv2d(3, width, patch, patch)
        self.places = nn.Parameter(torch.empty(1, 1 + (side // patch) ** 2, width))
        self.down = nn.ModuleList(SkipBlock(width, heads, False) for _ in range(2))
        self.middle = SkipBlock(width, heads, False)
        self.up = nn.ModuleList(SkipBlock(width, heads, True) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3 * patch * patch)
        self.last = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.trunc_normal_(self.places, std=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, mixed: Tensor, time: Tensor) -> Tensor:
        pace = 1000 * time[:, None] * 1e4 ** -(torch.arange(self.width // 2) / (self.width // 2))
        step = torch.cat([pace.cos(), pace.sin()], 1)[:, None]
        x = torch.cat([step, self.stem(mixed).flatten(2).transpose(1, 2)], 1) + self.places
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
        x = self.middle(x)
        for block in self.up:
            x = block(x, skips.pop())
        patches = self.head(self.norm(x))[:, 1:].transpose(1, 2)
        return self.last(F.fold(patches, self.side, self.patch, stride=self.patch))


class VelocityField(nn.Module):
    """Flow matching (Lipman et al. 2023): an MLP of a point and the time; PyTorch's initialization."""

    def __init__(self, features: int = 8, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        sizes = [features + 1, *[width] * depth]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.head = nn.Linear(width, features)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        x = torch.cat([x, time], 1)
        for layer in self.layers:
            x = F.silu(layer(x))
        return self.head(x)


def noised(generator: Generator) -> Drawn:
    images, _ = pictures(generator, 16, 16)
    noise, time = torch.randn(images.shape, generator=generator), torch.rand(16, generator=generator)
    angle = time[:, None, None, None] * torch.pi / 2
    return (angle.cos() * images + angle.sin() * noise, time), lambda found: F.mse_loss(found, noise)


def transported(generator: Generator) -> Drawn:
    ends = torch.randn(256, 8, generator=generator).sign() + 0.3 * torch.randn(256, 8, generator=generator)
    starts, time = torch.randn(256, 8, generator=generator), torch.rand(256, 1, generator=generator)
    return ((1 - time) * starts + time * ends, time), lambda made: F.mse_loss(made, ends - starts)


NETS: tuple[Net, ...] = (
    everyday("u_vit", "U-shaped transformer", UViT, noised),
    everyday("velocity_field", "flow matching", VelocityField, transported),
)
