"""Networks that learn operators and equations of motion."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from .everyday_net import Drawn, everyday


class ODEFunc(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0, std=0.1)
                nn.init.constant_(m.bias, val=0)

    def forward(self, y: Tensor) -> Tensor:
        return self.net(y**3)


def runge_kutta(velocity: Callable[[Tensor], Tensor], y: Tensor, steps: int, size: float) -> Tensor:
    """Return the path ``(steps, samples, 2)``."""
    path = []
    for _ in range(steps):
        k1 = velocity(y)
        k2 = velocity(y + size / 2 * k1)
        k3 = velocity(y + size / 2 * k2)
        y = y + size / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(y + size * k3))
        path.append(y)
    return torch.stack(path)


class NeuralODE(nn.Module):
    """torchdiffeq's demo of a spiral, with its initialization and fixed steps."""

    def __init__(self) -> None:
        super().__init__()
        self.func = ODEFunc()

    def forward(self, y0: Tensor) -> Tensor:
        return runge_kutta(self.func, y0, 10, 0.1)


def spiral(generator: Generator) -> Drawn:
    turn = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    angle = 2 * math.pi * torch.rand(32, generator=generator)
    start = torch.stack([angle.cos(), angle.sin()], 1) * (0.5 + 1.5 * torch.rand(32, 1, generator=generator))
    path = runge_kutta(lambda y: y**3 @ turn, start, 10, 0.1)
    return start, lambda output: torch.mean(torch.abs(output - path))


class HamiltonianNet(nn.Module):
    """Velocities in phase space, from the gradient of a learned energy; orthogonal weights, as published."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.linear1 = nn.Linear(2, width)
        self.linear2 = nn.Linear(width, width)
        self.linear3 = nn.Linear(width, 1, bias=False)
        for layer in (self.linear1, self.linear2, self.linear3):
            nn.init.orthogonal_(layer.weight)

    def forward(self, state: Tensor) -> Tensor:
        state = state.detach().requires_grad_()
        energy = self.linear3(self.linear2(self.linear1(state).tanh()).tanh())
        slope = torch.autograd.grad(energy.sum(), state, create_graph=True)[0]
        return torch.stack([slope[:, 1], -slope[:, 0]], 1)


def pendulum(generator: Generator) -> Drawn:
    state = torch.randn(128, 2, generator=generator)
    velocity = torch.stack([state[:, 1], -3 * state[:, 0].sin()], 1)
    velocity = velocity + 0.1 * torch.randn(128, 2, generator=generator)
    return state, lambda output: F.mse_loss(output, velocity)


NETS = (
    everyday("neural-ode", "neural ODE", NeuralODE, spiral),
    everyday("hamiltonian", "Hamiltonian net", HamiltonianNet, pendulum),
)
