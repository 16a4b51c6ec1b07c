"""Healthy mixtures of experts, with soft or hard gates."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

FEATURES, CLASSES = 32, 8


class SoftExperts(nn.Module):
    """Every expert processes every sample; a softmax weights their outputs."""

    def __init__(self, experts: int = 6, width: int = 48) -> None:
        super().__init__()
        self.gate = nn.Linear(FEATURES, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, CLASSES)) for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        outputs = torch.stack([expert(x) for expert in self.experts], 1)
        return torch.einsum("be,bec->bc", self.gate(x).softmax(-1), outputs)


class TaskGates(nn.Module):
    """Shared experts with a gate for each of two tasks (MMoE); the gates have no biases."""

    def __init__(self, experts: int = 4, width: int = 32) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.empty(experts, FEATURES, width))
        self.b1 = nn.Parameter(torch.zeros(experts, 1, width))
        for expert in self.w1:
            nn.init.xavier_normal_(expert.data)
        self.gates = nn.ModuleList(nn.Linear(FEATURES, experts, bias=False) for _ in range(2))
        self.towers = nn.ModuleList(nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(torch.baddbmm(self.b1, x.expand(len(self.w1), *x.shape), self.w1))
        mixed = [torch.einsum("be,ebw->bw", gate(x).softmax(1), hidden) for gate in self.gates]
        return torch.cat([tower(m) for tower, m in zip(self.towers, mixed, strict=True)], 1)


class Switch(nn.Module):
    """Routes each token to one of many experts; experts that no token selects are not called."""

    def __init__(self, width: int, experts: int, hidden: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False)
        self.w_in = nn.ParameterList(torch.empty(width, hidden) for _ in range(experts))
        self.w_out = nn.ParameterList(torch.empty(hidden, width) for _ in range(experts))
        for weight in (*self.w_in, *self.w_out):
            nn.init.trunc_normal_(weight, std=(0.1 / weight.shape[0]) ** 0.5)
        nn.init.trunc_normal_(self.router.weight, std=(0.1 / width) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        probability, choice = self.router(x).softmax(-1).max(-1)
        out = torch.zeros_like(x)
        for i in choice.unique().tolist():
            chosen = choice == i
            out[chosen] = F.relu(x[chosen] @ self.w_in[i]) @ self.w_out[i]
        return out * probability[..., None]


class SwitchMLP(nn.Module):
    """Two Switch layers in a pre-norm residual stream, with more experts than a small batch calls."""

    def __init__(self, width: int = 64, experts: int = 32) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(FEATURES, width), nn.Linear(width, CLASSES)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.layers = nn.ModuleList(Switch(width, experts, 2 * width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for norm, layer in zip(self.norms, self.layers, strict=False):
            x = x + layer(norm(x))
        return self.head(self.norms[-1](x))


def classifier(model: nn.Module, count: int = 64) -> Case:
    return draws.classifying(model, *draws.vectors(count, FEATURES, CLASSES))


NETS: tuple[Net, ...] = (
    Net("everyday/soft_experts", "soft experts", lambda: classifier(SoftExperts())),
    Net("everyday/task_gates", "soft experts", lambda: draws.regressing(TaskGates(), *draws.measured(64, FEATURES, 2))),
    Net("everyday/switch_mlp", "routed experts", lambda: classifier(SwitchMLP(), 32)),
)
