"""A small causal transformer with flex attention and a per-head distance bias."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import flex_attention as flex

from ..nets import Case, Net

HEADS, WIDTH, TOKENS, WORDS = 4, 64, 32, 96


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor, mask: flex.BlockMask) -> Tensor:
        q, k, v = (each.unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in self.qkv(self.first(x)).chunk(3, dim=-1))
        mixed = flex.flex_attention(q, k, v, score_mod=_nearer, block_mask=mask)
        assert isinstance(mixed, Tensor)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.second(x))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(4))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)
        self.mask = flex.create_block_mask(_before, None, None, TOKENS, TOKENS, device="cpu")

    def forward(self, words: Tensor) -> Tensor:
        x = self.words(words)
        for block in self.blocks:
            x = block(x, self.mask)
        logits: Tensor = self.head(self.norm(x))
        return logits


def _nearer(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return score - (query - key) * torch.exp2(-(head + 1.0))


def _before(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return query >= key


def _case() -> Case:
    words = torch.randint(WORDS, (8, TOKENS), generator=torch.Generator().manual_seed(0))
    return Case(
        Transformer(), words, lambda logits: F.cross_entropy(logits[:, :-1].flatten(0, 1), words[:, 1:].flatten())
    )


@contextmanager
def backward_on_a_cpu() -> Iterator[None]:
    """Allow flex attention's backward pass on a CPU, which works although torch rejects it."""
    with mock.patch.object(flex, "_validate_device", return_value=None):
        yield


FLEX = Net("flex_attention", "flex_attention", _case)
