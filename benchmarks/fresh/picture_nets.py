"""Fresh hosts for images of 8 x 8 pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.faults.vector_nets import he


class RegisterBlock(nn.Module):
    """Attention whose queries and keys are normalized (Dehghani et al. 2023), and an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q_norm, self.k_norm = nn.LayerNorm(width // heads), nn.LayerNorm(width // heads)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norm1(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(self.q_norm(q), self.k_norm(k), v)
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class RegisterViT(nn.Module):
    """Four registers (Darcet et al. 2024) and 16 patches, a head on the patches' mean; Xavier uniform, as in MAE."""

    def __init__(self, width: int = 32, heads: int = 4, depth: int = 3, registers: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 2, 2)
        self.places = nn.Parameter(torch.empty(1, 16, width))
        self.registers = nn.Parameter(torch.empty(1, registers, width))
        self.blocks = nn.Sequential(*(RegisterBlock(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)
        for parameter in (self.places, self.registers):
            nn.init.trunc_normal_(parameter, std=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2) + self.places
        x = self.blocks(torch.cat([self.registers.expand(len(x), -1, -1), x], 1))
        return self.head(self.norm(x)[:, self.registers.shape[1] :].mean(1))


class ConvMixerBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise, self.norm1 = nn.Conv2d(width, width, 3, padding=1, groups=width), nn.BatchNorm2d(width)
        self.pointwise, self.norm2 = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(F.gelu(self.depthwise(x)))
        return self.norm2(F.gelu(self.pointwise(x)))


class ConvMixer(nn.Module):
    """Trockman and Kolter (2022): normalization follows the activation; PyTorch's default initialization."""

    def __init__(self, width: int = 32, depth: int = 4) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, width, 2, 2), nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*(ConvMixerBlock(width) for _ in range(depth)))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.blocks(self.stem_norm(F.gelu(self.stem(x))))))


class Siamese(nn.Module):
    """Koch et al. (2015): a linear head on the distances between the encodings of two images; He initialization."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.convs = nn.ModuleList(
            (nn.Conv2d(width, 2 * width, 3, padding=1), nn.Conv2d(2 * width, 2 * width, 3, padding=1))
        )
        self.fc1, self.fc2 = nn.Linear(8 * width, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 1)
        he(self)

    def encoded(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 2)
        for conv in self.convs:
            x = F.relu(conv(x))
        x = F.max_pool2d(x, 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1)))).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.encoded(x.flatten(0, 1)[:, None]).unflatten(0, (-1, 2)).unbind(1)
        return self.head((left - right).abs())
