"""Common networks of science and control."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..batches import CLASSES, FEATURES


class Siren(nn.Module):
    """Sine layers from coordinates ``(points, 2)`` to colors ``(points, 3)``, initialized as published."""

    def __init__(self, width: int = 64, omega: float = 30.0) -> None:
        super().__init__()
        self.omega = omega
        layers = [nn.Linear(2, width), nn.Linear(width, width), nn.Linear(width, width)]
        self.layers = nn.ModuleList(layers)
        self.out = nn.Linear(width, 3)
        nn.init.uniform_(layers[0].weight, -1 / 2, 1 / 2)
        bound = (6 / width) ** 0.5 / omega
        for layer in (*layers[1:], self.out):
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.sin(self.omega * layer(x))
        out: Tensor = self.out(x)
        return out


class Pinn(nn.Module):
    """Returns u(x) and u''(x), each ``(points, 1)``: the loss is the residual of a differential equation."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, 1),
        )  # fmt: skip
        for module in self.net:
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        u: Tensor = self.net(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        return u, curvature


class Equilibrium(nn.Module):
    """Twelve iterations of z = tanh(Wz + Ux), then a linear head."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.inject = nn.Linear(FEATURES, width)
        self.turn = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, CLASSES)
        nn.init.orthogonal_(self.turn.weight, 0.8)

    def forward(self, x: Tensor) -> Tensor:
        injected = self.inject(x)
        z = torch.zeros_like(injected)
        for _ in range(12):
            z = torch.tanh(self.turn(z) + injected)
        out: Tensor = self.head(z)
        return out


class ActorCritic(nn.Module):
    """Action logits ``(samples, 4)`` and values ``(samples,)``; orthogonal, the policy's head at 0.01."""

    def __init__(self, observations: int = 8, width: int = 64) -> None:
        super().__init__()
        self.actor = nn.Sequential(
            nn.Linear(observations, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 4)
        )
        self.critic = nn.Sequential(
            nn.Linear(observations, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )
        for net, last in ((self.actor, 0.01), (self.critic, 1.0)):
            for i, gain in ((0, 2**0.5), (2, 2**0.5), (4, last)):
                layer = net[i]
                assert isinstance(layer, nn.Linear)
                nn.init.orthogonal_(layer.weight, gain)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(x), self.critic(x).squeeze(1)


class Regressor(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
