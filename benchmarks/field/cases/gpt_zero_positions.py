"""karpathy/minGPT#62: the position embeddings of a GPT start at zero, unlike its token embeddings."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

TOKENS, LENGTH, WIDTH, HEADS, DEPTH = 10, 6, 48, 4, 2
CONTEXT = 2 * LENGTH
STD = 0.02


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in self.qkv(self.ln1(x)).chunk(3, 2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.ln2(x))


class Gpt(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(TOKENS, WIDTH)
        self.pos_emb = nn.Parameter(torch.zeros(1, CONTEXT, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.ln_f, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS, bias=False)
        self.apply(self._init_weights)
        if not broken:
            nn.init.normal_(self.pos_emb, std=STD)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=STD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.ln_f(self.blocks(self.tok_emb(tokens) + self.pos_emb)))


def batch(i: int) -> Batch:
    """Digits, and then the same digits in reverse."""
    digits = torch.randint(0, TOKENS, (64, LENGTH), generator=generator(i))
    text = torch.cat([digits, digits.flip(1), digits[:, :1]], 1)
    target = text[:, LENGTH : 2 * LENGTH]

    def loss(output: Tensor) -> Tensor:
        return F.cross_entropy(output[:, LENGTH - 1 : -1].flatten(0, 1), target.flatten())

    return (text[:, :CONTEXT],), loss


CASE = Case(
    name="gpt_zero_positions",
    source="karpathy/minGPT#62",
    fault="The position embeddings start at zero, where N(0, 0.02) trains a little faster.",
    build=Gpt,
    batch=batch,
    rules=("IH103",),
    layers=("pos_emb",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
    fresh=True,
)
