"""huggingface/transformers#26441: the untied head of T5 is initialized with a standard deviation of 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

VOCABULARY, WIDTH, HEADS, LENGTH = 64, 128, 4, 12
NEXT = torch.randperm(VOCABULARY, generator=generator(-1))


class Block(nn.Module):
    """T5's block: no scale in the attention, since the query weights are small."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.wi, self.wo = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(2 * WIDTH, WIDTH, bias=False)
        nn.init.normal_(self.q.weight, std=(WIDTH * WIDTH // HEADS) ** -0.5)
        for linear in (self.k, self.v, self.o, self.wi, self.wo):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        q, k, v = (proj(normed).unflatten(2, (HEADS, -1)).transpose(1, 2) for proj in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
        x = x + self.o(attended.transpose(1, 2).flatten(2))
        return x + self.wo(F.relu(self.wi(self.norm2(x))))


class T5(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.shared, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks, self.norm = nn.Sequential(Block(), Block()), nn.RMSNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        nn.init.normal_(self.lm_head.weight, std=1.0 if broken else WIDTH**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.shared(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.lm_head(self.norm(self.blocks(x)))


def batch(i: int) -> Batch:
    """The target is a fixed permutation of the token before."""
    tokens = torch.randint(0, VOCABULARY, (32, LENGTH), generator=generator(i))
    target = NEXT[tokens[:, :-1]].flatten()
    return (tokens,), lambda output: F.cross_entropy(output[:, 1:].flatten(0, 1), target)


CASE = Case(
    name="t5_untied_head",
    source="huggingface/transformers#26441",
    fault="The untied output head has std 1, as if it were an embedding: the logits have std sqrt(width).",
    build=T5,
    batch=batch,
    rules=("IH208", "IH106"),
    layers=("lm_head",),
    optimizer="adam",
    rates=(1e-3, 3e-4),
    steps=100,
)
