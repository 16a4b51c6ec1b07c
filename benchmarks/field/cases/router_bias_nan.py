"""pytorch/torchtitan#2450: a router's bias is never initialized; in deterministic mode PyTorch fills it with NaN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

WORDS, WIDTH, EXPERTS, CHOSEN = 64, 32, 4, 2
FOLLOWER = torch.randperm(WORDS, generator=generator(-1))


class Router(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS)
        nn.init.trunc_normal_(self.gate.weight, std=0.02)
        nn.init.constant_(self.gate.bias, torch.nan if broken else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The weight of each expert, zero for those that are not chosen."""
        scores, chosen = self.gate(x).topk(CHOSEN)
        return torch.zeros(*x.shape[:-1], EXPERTS).scatter(-1, chosen, scores.softmax(-1))


class MoE(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.norm, self.router = nn.RMSNorm(WIDTH), Router(broken)
        self.w1 = nn.Parameter(torch.empty(EXPERTS, WIDTH, 2 * WIDTH))
        self.w2 = nn.Parameter(torch.empty(EXPERTS, 2 * WIDTH, WIDTH))
        nn.init.trunc_normal_(self.w1, std=WIDTH**-0.5)
        nn.init.trunc_normal_(self.w2, std=(2 * WIDTH) ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        outputs = torch.einsum("beh,ehd->bed", F.silu(torch.einsum("bd,edh->beh", normed, self.w1)), self.w2)
        return x + (self.router(normed)[..., None] * outputs).sum(1)


class LanguageModel(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(WORDS, WIDTH)
        self.layers = nn.Sequential(MoE(broken), MoE(broken))
        self.norm, self.output = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        nn.init.trunc_normal_(self.output.weight, std=WIDTH**-0.5)

    def forward(self, words: Tensor) -> Tensor:
        return self.output(self.norm(self.layers(self.tok_embeddings(words))))


def batch(i: int) -> Batch:
    """Each word has one follower, and a random word replaces it in a tenth of the cases."""
    g = generator(i)
    words, others = torch.randint(0, WORDS, (2, 256), generator=g)
    target = torch.where(torch.rand(256, generator=g) < 0.1, others, FOLLOWER[words])
    return (words,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="router_bias_nan",
    source="pytorch/torchtitan#2450",
    fault="The bias of the router is uninitialized memory that is NaN, which spreads to every score.",
    build=LanguageModel,
    batch=batch,
    rules=("IH101", "IH102"),
    layers=("layers.0.router.gate", "layers.1.router.gate"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
)
