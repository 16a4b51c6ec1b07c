"""Networks for sets."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday
from .fields_points import SHAPES, clouds


class DeepSets(nn.Module):
    """The sum of a set's digits, given as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 64)
        self.phi = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh())
        self.rho = nn.Linear(32, 1)

    def forward(self, digits: Tensor, mask: Tensor) -> Tensor:
        x = self.phi(self.embedding(digits))
        return self.rho((x * mask[..., None]).sum(1)).squeeze(-1)


def digit_sums(generator: Generator) -> Drawn:
    digits = torch.randint(10, (128, 10), generator=generator)
    mask = (torch.arange(10) < torch.randint(2, 11, (128, 1), generator=generator)).float()
    target = (digits * mask).sum(1)
    return {"digits": digits, "mask": mask}, lambda output: F.l1_loss(output, target)


class MAB(nn.Module):
    def __init__(self, q: int, k: int, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.fc_q, self.fc_k, self.fc_v = nn.Linear(q, width), nn.Linear(k, width), nn.Linear(k, width)
        self.ln0, self.ln1, self.fc_o = nn.LayerNorm(width), nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        q, k, v = self.fc_q(queries), self.fc_k(keys), self.fc_v(keys)
        q_, k_, v_ = (torch.cat(part.chunk(self.heads, 2), 0) for part in (q, k, v))
        a = torch.softmax(q_.bmm(k_.transpose(1, 2)) / math.sqrt(q.shape[2]), 2)
        o = self.ln0(torch.cat((q_ + a.bmm(v_)).chunk(self.heads, 0), 2))
        return self.ln1(o + F.relu(self.fc_o(o)))


class ISAB(nn.Module):
    def __init__(self, inputs: int, width: int, inducing: int = 8) -> None:
        super().__init__()
        self.I = nn.Parameter(torch.empty(1, inducing, width))
        nn.init.xavier_uniform_(self.I)
        self.mab0, self.mab1 = MAB(width, inputs, width), MAB(inputs, width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.mab1(x, self.mab0(self.I.repeat(len(x), 1, 1), x))


class SetTransformer(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.enc = nn.Sequential(ISAB(3, width), ISAB(width, width))
        self.seed = nn.Parameter(torch.empty(1, 1, width))
        nn.init.xavier_uniform_(self.seed)
        self.pma, self.out = MAB(width, width, width), nn.Linear(width, SHAPES)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.pma(self.seed.expand(len(x), -1, -1), self.enc(x))).squeeze(1)


def shape_kind_of_many(generator: Generator) -> Drawn:
    x, labels = clouds(generator, 32, 64)
    return x, lambda logits: F.cross_entropy(logits, labels)


NETS = (
    everyday("deep-sets", "deep sets", DeepSets, digit_sums),
    everyday("set-transformer", "set transformer", SetTransformer, shape_kind_of_many),
)
