"""athms/mad-lab#3: the wrapper's initialization overwrites that of Mamba's time steps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

CLASSES, TOKENS, LENGTH = 8, 16, 24
WIDTH, STATE, RANK = 32, 4, 4
STD = 0.1  # the gain that 0.02 has at the original's width


class Mamba(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(WIDTH)
        self.in_proj, self.out_proj = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.conv = nn.Conv1d(WIDTH, WIDTH, 4, padding=3, groups=WIDTH)
        self.x_proj, self.dt_proj = nn.Linear(WIDTH, RANK + 2 * STATE, bias=False), nn.Linear(RANK, WIDTH)
        self.A_log = nn.Parameter(torch.arange(1.0, STATE + 1).log().repeat(WIDTH, 1))
        self.D = nn.Parameter(torch.ones(WIDTH))

    def reset_dt(self) -> None:
        """Steps between 0.001 and 0.1, as Mamba starts."""
        nn.init.uniform_(self.dt_proj.weight, -(RANK**-0.5), RANK**-0.5)
        dt = torch.exp(math.log(1e-3) + torch.rand(WIDTH) * math.log(100))
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, x: Tensor) -> Tensor:
        u, gate = self.in_proj(self.norm(x)).chunk(2, 2)
        u = F.silu(self.conv(u.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2))
        dt, b, c = self.x_proj(u).split([RANK, STATE, STATE], 2)
        dt = F.softplus(self.dt_proj(dt))
        decay = torch.exp(dt[..., None] * -self.A_log.exp())
        added = (dt * u)[..., None] * b[:, :, None]
        y = (scan(decay, added) * c[:, :, None]).sum(3) + self.D * u
        return x + self.out_proj(y * F.silu(gate))


def scan(decay: Tensor, added: Tensor) -> Tensor:
    """The states of shape (batch, time, width, state)."""
    states = [torch.zeros_like(added[:, 0])]
    for kept, new in zip(decay.unbind(1), added.unbind(1), strict=True):
        states.append(torch.addcmul(new, kept, states[-1]))
    return torch.stack(states[1:], 1)


class LanguageModel(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.embedding, self.layers = nn.Embedding(TOKENS, WIDTH), nn.ModuleList([Mamba(), Mamba()])
        self.norm, self.head = nn.RMSNorm(WIDTH), nn.Linear(WIDTH, CLASSES)
        self.apply(self._init_weights)
        if not broken:
            for layer in self.layers:
                layer.reset_dt()

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=STD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x[:, -1]))


def batch(i: int) -> Batch:
    """The first token, which only the state carries to the end, is the class."""
    tokens = torch.randint(CLASSES, TOKENS, (32, LENGTH), generator=generator(i))
    target = tokens[:, 0] - CLASSES
    tokens[:, 0] = target
    return (tokens,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="mamba_dt_overwritten",
    source="athms/mad-lab#3",
    fault="Every linear layer is set to N(0, std) with zero biases, the time-step projection too: states decay fast.",
    build=LanguageModel,
    batch=batch,
    rules=("IH205",),
    layers=("layers.0.dt_proj", "layers.1.dt_proj"),
    optimizer="adam",
    rates=(2e-2, 1e-2),
    steps=250,
)
