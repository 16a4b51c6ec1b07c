"""An encoder and a GPT with tied embedding, each written in three ways."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import CLASSES, FEATURES

WIDTH = 32
HEADS = 4
LENGTH = 24


def attend(qkv: Tensor, causal: bool = False) -> Tensor:
    """Return self-attention of packed ``(batch, positions, 3 * WIDTH)``."""
    batch, positions, _ = qkv.shape
    q, k, v = (part.view(batch, positions, HEADS, -1).transpose(1, 2) for part in torch.split(qkv, WIDTH, 2))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return mixed.transpose(1, 2).reshape(batch, positions, WIDTH)


def attend_by_hand(qkv: Tensor, causal: bool = False) -> Tensor:
    """Return the same, composed of softmax and products."""
    batch, positions, _ = qkv.shape
    q, k, v = (part.reshape(batch, positions, HEADS, -1).transpose(1, 2) for part in qkv.chunk(3, 2))
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    if causal:
        later = torch.ones(positions, positions, dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    mixed: Tensor = scores.softmax(-1) @ v
    return mixed.transpose(1, 2).reshape(batch, positions, WIDTH)


class ModuleEncoder(nn.Module):
    """Classifies sequences ``(samples, positions, FEATURES)`` by the mean over positions."""

    def __init__(self, norm_first: bool, layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Linear(FEATURES, WIDTH)
        shape = (WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu")
        blocks = [nn.TransformerEncoderLayer(*shape, batch_first=True, norm_first=norm_first) for _ in range(layers)]
        self.layers = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.layers(self.embed(x))).mean(1))
        return out


class Block(nn.Module):
    """One block of submodules with functional attention and activation; parameters in PyTorch's own order."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH)

    def attention(self, x: Tensor, causal: bool = False) -> Tensor:
        out: Tensor = self.mix(attend(self.qkv(x), causal))
        return out

    def dense(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(F.gelu(self.wide(x)))
        return out


class FunctionEncoder(nn.Module):
    def __init__(self, norm_first: bool, layers: int = 4) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.embed = nn.Linear(FEATURES, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            assert isinstance(block, Block)
            if self.norm_first:
                x = x + block.attention(block.norm1(x))
                x = x + block.dense(block.norm2(x))
            else:
                x = block.norm1(x + block.attention(x))
                x = block.norm2(x + block.dense(x))
        out: Tensor = self.head(self.norm(x).mean(1))
        return out


class ParameterEncoder(nn.Module):
    def __init__(self, norm_first: bool, layers: int = 4) -> None:
        super().__init__()
        self.norm_first = norm_first
        shapes: list[tuple[int, ...]] = [(WIDTH, FEATURES), (WIDTH,)]
        for outputs, inputs in ((3, 1), (1, 1), (4, 1), (1, 4)) * layers:
            shapes += [(outputs * WIDTH, inputs * WIDTH), (outputs * WIDTH,)]
        self.dense = nn.ParameterList(torch.empty(shape) for shape in [*shapes, (CLASSES, WIDTH), (CLASSES,)])
        self.norms = nn.ParameterList(torch.empty(WIDTH) for _ in range(4 * layers + 2))

    def parameter_order(self) -> list[str]:
        order, layers = ["dense.0", "dense.1"], len(self.norms) // 4
        for i in range(layers):
            order += [f"dense.{j}" for j in range(2 + 8 * i, 10 + 8 * i)]
            order += [f"norms.{j}" for j in range(4 * i, 4 * i + 4)]
        return [*order, f"norms.{4 * layers}", f"norms.{4 * layers + 1}"] + [f"dense.{8 * layers + j}" for j in (2, 3)]

    def linear(self, x: Tensor, i: int) -> Tensor:
        return F.linear(x, self.dense[2 * i], self.dense[2 * i + 1])

    def normalize(self, x: Tensor, i: int) -> Tensor:
        return F.layer_norm(x, (WIDTH,), self.norms[2 * i], self.norms[2 * i + 1])

    def forward(self, x: Tensor) -> Tensor:
        x, layers = self.linear(x, 0), len(self.norms) // 4
        for i in range(layers):
            first = self.normalize(x, 2 * i) if self.norm_first else x
            x = x + self.linear(attend_by_hand(self.linear(first, 4 * i + 1)), 4 * i + 2)
            x = x if self.norm_first else self.normalize(x, 2 * i)
            second = self.normalize(x, 2 * i + 1) if self.norm_first else x
            x = x + self.linear(F.gelu(self.linear(second, 4 * i + 3)), 4 * i + 4)
            x = x if self.norm_first else self.normalize(x, 2 * i + 1)
        return self.linear(self.normalize(x, 2 * layers).mean(1), 4 * layers + 1)


def encoder_twins(norm_first: bool) -> dict[str, Callable[[], nn.Module]]:
    return {
        "functions": lambda: FunctionEncoder(norm_first),
        "parameters": lambda: ParameterEncoder(norm_first),
    }
