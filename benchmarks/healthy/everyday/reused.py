"""Healthy networks with generated or reused weights: hypernetworks, equilibria, an ODE."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...nets import Case, Net
from . import draws

FEATURES, CLASSES = 32, 8


class HyperNetwork(nn.Module):
    """A context embedding generates the weights of a small network, at the scale of Kaiming's by hyperfan-in."""

    def __init__(self, contexts: int = 8, size: int = 16, hidden: int = 32) -> None:
        super().__init__()
        self.contexts = nn.Embedding(contexts, size)
        self.trunk = nn.Sequential(nn.Linear(size, 32), nn.ReLU())
        self.shapes = ((hidden, FEATURES), (1, hidden))
        self.weights = nn.ModuleList(nn.Linear(32, a * b) for a, b in self.shapes)
        self.biases = nn.ModuleList(nn.Linear(32, a) for a, _ in self.shapes)
        for make, (_, fan_in) in zip(self.weights, self.shapes, strict=True):
            nn.init.normal_(make.weight, std=(2 / (32 * fan_in)) ** 0.5)
            nn.init.zeros_(make.bias)
        for make in self.biases:
            nn.init.zeros_(make.weight)
            nn.init.zeros_(make.bias)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        code = self.trunk(self.contexts(context))
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            made = weight(code).view(-1, *self.shapes[i])
            x = torch.einsum("boi,bi->bo", made, x) + bias(code)
            x = F.relu(x) if i == 0 else x
        return x


class Equilibrium(nn.Module):
    """A fixed point computed without gradients, and one step from it with them (Jacobian-free backpropagation)."""

    def __init__(self, width: int = 64, steps: int = 25) -> None:
        super().__init__()
        self.steps = steps
        self.inject, self.state = nn.Linear(FEATURES, width), nn.Linear(width, width, bias=False)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        nn.init.normal_(self.state.weight, std=0.01)
        self.head = nn.Linear(width, CLASSES)

    def step(self, z: Tensor, injected: Tensor) -> Tensor:
        return self.norm2(F.relu(z + self.norm1(injected + self.state(z))))

    def forward(self, x: Tensor) -> Tensor:
        injected = self.inject(x)
        z = torch.zeros_like(injected)
        with torch.no_grad():
            for _ in range(self.steps):
                z = self.step(z, injected)
        return self.head(self.step(z, injected))


class Unrolled(nn.Module):
    """One layer applied ten times, with the input added each time."""

    def __init__(self, width: int = 64, steps: int = 10) -> None:
        super().__init__()
        self.steps = steps
        self.inject, self.again, self.head = nn.Linear(FEATURES, width), nn.Linear(width, width), nn.Linear(width, 8)

    def forward(self, x: Tensor) -> Tensor:
        injected = self.inject(x)
        z = torch.tanh(injected)
        for _ in range(self.steps):
            z = torch.tanh(injected + self.again(z))
        return self.head(z)


class Ode(nn.Module):
    """Euler steps along a small vector field with normal weights of std 0.1 (torchdiffeq's demo)."""

    def __init__(self, dimensions: int = 4, steps: int = 20) -> None:
        super().__init__()
        self.steps = steps
        self.field = nn.Sequential(nn.Linear(dimensions, 50), nn.Tanh(), nn.Linear(50, dimensions))
        for module in self.field:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0, std=0.1)
                nn.init.constant_(module.bias, val=0)

    def forward(self, state: Tensor) -> Tensor:
        path = []
        for _ in range(self.steps):
            state = state + self.field(state) / 10
            path.append(state)
        return torch.stack(path, 1)


def classifier(model: nn.Module) -> Case:
    return draws.classifying(model, *draws.vectors(64, FEATURES, CLASSES))


def hypernetwork() -> Case:
    """The target depends on the context, which masks the inputs."""
    inputs, context = torch.randn(128, FEATURES, generator=draws.fresh()), draws.categories(128, (8,))[:, 0]
    masks = (torch.rand(8, FEATURES, generator=draws.fixed(1)) < 0.3).float()
    slopes = torch.randn(FEATURES, generator=draws.fixed(2))
    target = (inputs * masks[context] * slopes).sum(1, keepdim=True) / 3
    return draws.regressing(HyperNetwork(), (inputs, context), target)


def ode() -> Case:
    """Two damped spirals with known states at each step."""
    state = torch.randn(64, 4, generator=draws.fresh())
    turn = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    times = torch.arange(1, 21) / 10
    moves = torch.stack([torch.matrix_exp(torch.block_diag(turn, turn / 2) * float(t)) for t in times])
    return draws.regressing(Ode(), state, torch.einsum("tij,bj->bti", moves, state))


NETS: tuple[Net, ...] = (
    Net("everyday/hypernetwork", "hypernetwork", hypernetwork),
    Net("everyday/equilibrium", "equilibrium", lambda: classifier(Equilibrium())),
    Net("everyday/unrolled", "equilibrium", lambda: classifier(Unrolled())),
    Net("everyday/ode", "neural ODE", ode),
)
