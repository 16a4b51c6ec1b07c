"""fla-org/flame#42: the decay parameters of a gated DeltaNet stay zero: their initialization skips sharded tensors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

KEYS, VALUES, WIDTH, HEADS, SIZE = 16, 8, 32, 4, 8


class GatedDeltaNet(nn.Module):
    def __init__(self, zero: bool) -> None:
        super().__init__()
        self.norm, self.o_norm = nn.RMSNorm(WIDTH), nn.RMSNorm(SIZE)
        self.q, self.k, self.v, self.g, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(5))
        self.a, self.b = nn.Linear(WIDTH, HEADS, bias=False), nn.Linear(WIDTH, HEADS, bias=False)
        dt = torch.exp(math.log(1e-3) + torch.rand(HEADS) * math.log(100))
        self.A_log = nn.Parameter(torch.zeros(HEADS) if zero else (16 * torch.rand(HEADS)).log())
        self.dt_bias = nn.Parameter(torch.zeros(HEADS) if zero else dt + torch.log(-torch.expm1(-dt)))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v, g = (linear(normed).unflatten(2, (HEADS, SIZE)) for linear in (self.q, self.k, self.v, self.g))
        q, k = F.normalize(F.silu(q), dim=3), F.normalize(F.silu(k), dim=3)
        decay = torch.exp(-self.A_log.exp() * F.softplus(self.a(normed) + self.dt_bias))
        read = delta_rule(q, k, v, decay, self.b(normed).sigmoid())
        return x + self.o((self.o_norm(read) * F.silu(g)).flatten(2))


def delta_rule(q: Tensor, k: Tensor, v: Tensor, decay: Tensor, beta: Tensor) -> Tensor:
    """Reads a memory that decays, and in which each key overwrites its own value."""
    memory = v.new_zeros(v.shape[0], HEADS, SIZE, SIZE)
    reads = []
    for query, key, value, kept, strength in zip(*(each.unbind(1) for each in (q, k, v, decay, beta)), strict=True):
        memory = kept[..., None, None] * memory
        error = value - (memory @ key[..., None])[..., 0]
        memory = memory + (strength[..., None] * error)[..., None] * key[..., None, :]
        reads.append((memory @ query[..., None])[..., 0])
    return torch.stack(reads, 1)


class Recall(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.keys, self.values = nn.Embedding(KEYS, WIDTH), nn.Embedding(VALUES + 1, WIDTH)
        self.mixer, self.norm, self.head = GatedDeltaNet(broken), nn.RMSNorm(WIDTH), nn.Linear(WIDTH, VALUES)

    def forward(self, keys: Tensor, values: Tensor) -> Tensor:
        x = self.mixer(self.keys(keys) + self.values(values))
        return self.head(self.norm(x[:, -1]))


def batch(i: int) -> Batch:
    """Each key with a value, then one of the first four keys without: what was its value?"""
    g = generator(i)
    keys = torch.rand(64, KEYS, generator=g).argsort(1)
    values = torch.randint(0, VALUES, (64, KEYS), generator=g)
    asked = torch.randint(0, 4, (64, 1), generator=g)
    target = values.gather(1, asked)[:, 0]
    keys = torch.cat([keys, keys.gather(1, asked)], 1)
    values = torch.cat([values, torch.full((64, 1), VALUES)], 1)
    return (keys, values), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="deltanet_zero_decay",
    source="fla-org/flame#42",
    fault="A_log and dt_bias are zero, so the memory is halved at every step.",
    build=Recall,
    batch=batch,
    rules=("IH103", "IH205", "IH102"),
    layers=("mixer.A_log", "mixer.dt_bias"),
    optimizer="adam",
    rates=(1e-2, 3e-3),
    steps=250,
)
