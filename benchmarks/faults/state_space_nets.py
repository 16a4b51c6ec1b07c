"""A selective state space model as a host."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .more_tasks_sequences import SIDES, WORDS


class MambaBlock(nn.Module):
    """The mixer of Gu and Dao (2023): a gate, a short convolution, and a diagonal state with input-dependent steps."""

    def __init__(self, width: int, states: int = 4) -> None:
        super().__init__()
        inner, rank = 2 * width, max(1, width // 16)
        self.ranks = (rank, states, states)
        self.norm = nn.RMSNorm(width)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, 4, groups=inner, padding=3)
        self.x_proj = nn.Linear(inner, sum(self.ranks), bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        pace = torch.exp(torch.rand(inner) * math.log(0.1 / 0.001) + math.log(0.001))
        with torch.no_grad():  # the softplus of the bias is between 0.001 and 0.1
            self.dt_proj.bias.copy_(pace + (-(-pace).expm1()).log())

    def forward(self, x: Tensor) -> Tensor:
        y, gate = self.in_proj(self.norm(x)).chunk(2, -1)
        y = F.silu(self.conv1d(y.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        return x + self.out_proj(self.scanned(y) * F.silu(gate))

    def scanned(self, y: Tensor) -> Tensor:
        rank, write, read = self.x_proj(y).split(self.ranks, -1)
        pace = F.softplus(self.dt_proj(rank))[..., None]
        decay = (pace * -self.A_log.exp()).exp()  # (samples, positions, inner, states)
        added = pace * write[:, :, None] * y[..., None]
        state, states = torch.zeros_like(added[:, 0]), []
        for position in range(y.shape[1]):
            state = decay[:, position] * state + added[:, position]
            states.append(state)
        return (torch.stack(states, 1) @ read[..., None]).squeeze(-1) + self.D * y


class Mamba(nn.Module):
    """Mamba's own initialization: embedding N(0, 0.02), branch outputs scaled by the number of branches."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(WORDS, width)
        self.blocks = nn.Sequential(*(MambaBlock(width) for _ in range(depth)))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, SIDES)
        nn.init.normal_(self.tokens.weight, std=0.02)
        with torch.no_grad():
            for block in self.blocks:
                nn.init.kaiming_uniform_(block.out_proj.weight, a=5**0.5)
                block.out_proj.weight.div_(depth**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x))))
