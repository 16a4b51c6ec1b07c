"""kyegomez/BitNet#32: the skip connection around the attention adds the output to itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

VOCABULARY, WIDTH, HEADS, LENGTH, DEPTH = 16, 32, 4, 8, 6


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))


class Transformer(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.layers = nn.ModuleList(Attention() for _ in range(DEPTH))
        self.ffn_layers = nn.ModuleList(FeedForward() for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)
        self.broken = broken

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.positions.weight
        for attention, ffn in zip(self.layers, self.ffn_layers, strict=True):
            attended = attention(x)
            x = attended + (attended if self.broken else x)
            x = ffn(x) + x
        return self.head(self.norm(x))


def batch(i: int) -> Batch:
    """The target is the token before."""
    tokens = torch.randint(0, VOCABULARY, (32, LENGTH), generator=generator(i))
    target = tokens.roll(1, 1)[:, 1:].flatten()
    return (tokens,), lambda output: F.cross_entropy(output[:, 1:].flatten(0, 1), target)


CASE = Case(
    name="bitnet_lost_skip",
    source="kyegomez/BitNet#32",
    fault="The line after the attention is x = x + x: no skip connection bypasses the attention in any block.",
    build=Transformer,
    batch=batch,
    rules=("IH207", "IH206", "IH201"),
    layers=tuple(f"layers.{i}" for i in range(DEPTH)),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=150,
)
