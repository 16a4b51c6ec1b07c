"""udacity/deep-reinforcement-learning#14: the bound of the weights is computed from the fan-out, not the fan-in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

STATE, ACTIONS, WIDTHS = 24, 4, (96, 64)
BEST = torch.randn(STATE, ACTIONS, generator=generator(-1)) / STATE**0.5
WORTH = torch.randn(STATE, 3, generator=generator(-2)) / STATE**0.5


def hidden_init(layer: nn.Linear, dimension: int) -> None:
    bound = layer.weight.shape[dimension] ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound)


class Ddpg(nn.Module):
    """Actor and critic; the weights of their last layers are from U(-0.003, 0.003)."""

    def __init__(self, broken: bool) -> None:
        super().__init__()
        first, second = WIDTHS
        self.actor1, self.actor2, self.actor3 = (
            nn.Linear(STATE, first),
            nn.Linear(first, second),
            nn.Linear(second, ACTIONS),
        )
        self.critic1, self.critic2, self.critic3 = (
            nn.Linear(STATE, first),
            nn.Linear(first + ACTIONS, second),
            nn.Linear(second, 1),
        )
        for layer in (self.actor1, self.actor2, self.critic1, self.critic2):
            hidden_init(layer, 0 if broken else 1)
        for layer in (self.actor3, self.critic3):
            nn.init.uniform_(layer.weight, -3e-3, 3e-3)

    def forward(self, states: Tensor, tried: Tensor) -> tuple[Tensor, Tensor]:
        """The actor's action, and the critic's value of an action that was tried."""
        hidden = F.relu(self.actor2(F.relu(self.actor1(states))))
        seen = torch.cat([F.relu(self.critic1(states)), tried], 1)
        return torch.tanh(self.actor3(hidden)), self.critic3(F.relu(self.critic2(seen))).squeeze(1)


def value(states: Tensor, actions: Tensor) -> Tensor:
    return torch.tanh(states @ WORTH).sum(1) - ((actions - torch.tanh(states @ BEST)) ** 2).sum(1)


def batch(i: int) -> Batch:
    """The actor follows the true value, so it does not depend on how well the critic is trained."""
    g = generator(i)
    states = torch.randn(128, STATE, generator=g)
    tried = 2 * torch.rand(128, ACTIONS, generator=g) - 1

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        action, predicted = output
        regret = ((action - torch.tanh(states @ BEST)) ** 2).sum(1).mean()
        return F.mse_loss(predicted, value(states, tried)) + regret

    return (states, tried), loss


CASE = Case(
    name="ddpg_fan_in",
    source="udacity/deep-reinforcement-learning#14",
    fault="Hidden weights are from U(-b, b) with b = 1/sqrt(fan-out), where 1/sqrt(fan-in) is intended.",
    build=Ddpg,
    batch=batch,
    rules=("IH106", "IH201", "IH202"),
    layers=("actor1", "actor2", "critic1", "critic2"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    fresh=True,
)
