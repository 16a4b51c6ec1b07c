"""huggingface/transformers#45902: the rotary frequencies are not computed again after `to_empty`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

VOCABULARY, WIDTH, HEADS, LENGTH, BACK = 16, 32, 4, 16, 3
SIZE = WIDTH // HEADS


class Rotary(nn.Module):
    def __init__(self, empty: bool) -> None:
        super().__init__()
        # A page that `to_empty` takes from the system reads as zeros.
        frequencies = torch.zeros(SIZE // 2) if empty else 100.0 ** -(torch.arange(0, SIZE, 2) / SIZE)
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        angle = torch.arange(x.shape[2])[:, None] * self.inv_freq
        first, second = x.chunk(2, 3)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([first * cos - second * sin, second * cos + first * sin], 3)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.qkv, self.o = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, SIZE)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(rotary(q), rotary(k), v, is_causal=True)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.silu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.rotary = Rotary(empty=broken)
        self.embedding, self.layers = nn.Embedding(VOCABULARY, WIDTH), nn.ModuleList([Block(), Block()])
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.rotary)
        return self.head(self.norm(x))


def batch(i: int) -> Batch:
    """The target is the token three positions before."""
    tokens = torch.randint(0, VOCABULARY, (32, LENGTH), generator=generator(i))
    target = tokens[:, :-BACK].flatten()
    return (tokens,), lambda output: F.cross_entropy(output[:, BACK:].flatten(0, 1), target)


CASE = Case(
    name="rotary_buffer_empty",
    source="huggingface/transformers#45902",
    fault="The buffer of rotary frequencies is left as `to_empty` made it: all positions look alike.",
    build=Decoder,
    batch=batch,
    rules=("IH102",),
    layers=("rotary",),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=300,
)
