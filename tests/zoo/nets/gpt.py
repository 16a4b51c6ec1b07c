"""A small GPT with tied embedding and head, written in three ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..batches import VOCABULARY
from .transformer import HEADS, LENGTH, WIDTH, Block, attend, attend_by_hand


class ModuleBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, attn_mask=later, need_weights=False)[0]
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ModuleGPT(nn.Module):
    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(ModuleBlock() for _ in range(layers)))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(self.blocks(self.tokens(x) + self.positions(torch.arange(x.shape[1])))))
        return out


class FunctionGPT(nn.Module):
    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(layers))
        self.norm = nn.LayerNorm(WIDTH)

    def parameter_order(self) -> list[str]:
        stems = ["norm1", "qkv", "mix", "norm2", "wide", "narrow"]
        blocks = [f"blocks.{i}.{stem}.{kind}" for i in range(len(self.blocks)) for stem in stems for kind in KINDS]
        return ["tokens.weight", "positions.weight", *blocks, "norm.weight", "norm.bias"]

    def forward(self, x: Tensor) -> Tensor:
        x = self.tokens(x) + self.positions.weight[: x.shape[1]]
        for block in self.blocks:
            block = cast(Block, block)
            x = x + block.attention(block.norm1(x), causal=True)
            x = x + block.dense(block.norm2(x))
        return F.linear(self.norm(x), self.tokens.weight)


class ParameterGPT(nn.Module):
    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.empty(VOCABULARY, WIDTH))
        self.positions = nn.Parameter(torch.empty(LENGTH, WIDTH))
        scales = ((3, 1), (1, 1), (4, 1), (1, 4)) * layers
        self.w = nn.ParameterList(torch.empty(a * WIDTH, b * WIDTH) for a, b in scales)
        self.b = nn.ParameterList(torch.empty(a * WIDTH) for a, _ in scales)
        self.scale = nn.ParameterList(torch.empty(WIDTH) for _ in range(2 * layers + 1))
        self.shift = nn.ParameterList(torch.empty(WIDTH) for _ in range(2 * layers + 1))

    def parameter_order(self) -> list[str]:
        order, halves = ["tokens", "positions"], len(self.w) // 2
        for i in range(halves):
            order += [f"scale.{i}", f"shift.{i}", f"w.{2 * i}", f"b.{2 * i}", f"w.{2 * i + 1}", f"b.{2 * i + 1}"]
        return [*order, f"scale.{halves}", f"shift.{halves}"]

    def linear(self, x: Tensor, i: int) -> Tensor:
        return F.linear(x, self.w[i], self.b[i])

    def normalize(self, x: Tensor, i: int) -> Tensor:
        return F.layer_norm(x, (WIDTH,), self.scale[i], self.shift[i])

    def forward(self, x: Tensor) -> Tensor:
        x = F.embedding(x, self.tokens) + self.positions[: x.shape[1]]
        halves = len(self.w) // 2
        for i in range(0, halves, 2):
            attention = attend_by_hand if i else attend
            x = x + self.linear(attention(self.linear(self.normalize(x, i), 2 * i), True), 2 * i + 1)
            x = x + self.linear(F.gelu(self.linear(self.normalize(x, i + 1), 2 * i + 2)), 2 * i + 3)
        return self.normalize(x, halves) @ self.tokens.t()


KINDS = ("weight", "bias")
GPT_TWINS: dict[str, Callable[[], nn.Module]] = {"functions": FunctionGPT, "parameters": ParameterGPT}


def initialize(model: ModuleGPT) -> None:
    """GPT-2's initialization: std 0.02, and residual projections divided by the square root of their number."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.MultiheadAttention):
            nn.init.normal_(module.in_proj_weight, std=0.02)
    for block in model.blocks:
        block = cast(ModuleBlock, block)
        for end in (block.attention.out_proj, cast(nn.Linear, block.mlp[2])):
            nn.init.normal_(end.weight, std=0.02 / (2 * len(model.blocks)) ** 0.5)
            nn.init.zeros_(end.bias)
