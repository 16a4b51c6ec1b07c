"""Healthy off-policy actors and critics, initialized like their reference implementations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from ...nets import Case, Net
from . import draws
from .policies import ACTIONS, OBSERVATIONS, experience

ATOMS = 51


def fan_in(layer: nn.Linear, bound: float | None = None) -> nn.Linear:
    """Initialize uniformly in one over the square root of the inputs, or in ``bound``."""
    bound = bound or layer.in_features**-0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.uniform_(layer.bias, -bound, bound)
    return layer


class SoftActor(nn.Module):
    """SAC's Gaussian actor, squashed by tanh, with PyTorch's defaults: the action and its log probability."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(OBSERVATIONS, width), nn.Linear(width, width)
        self.mean, self.log_deviation = nn.Linear(width, ACTIONS), nn.Linear(width, ACTIONS)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        hidden = F.relu(self.fc2(F.relu(self.fc1(observations))))
        log_deviation = -5 + 0.5 * (2 + 5) * (torch.tanh(self.log_deviation(hidden)) + 1)
        policy = Normal(self.mean(hidden), log_deviation.exp())
        raw = policy.rsample()
        action = torch.tanh(raw)
        return action, (policy.log_prob(raw) - torch.log(1 - action.pow(2) + 1e-6)).sum(1)


class TwinCritic(nn.Module):
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.q1, self.q2 = (
            nn.Sequential(
                nn.Linear(OBSERVATIONS + ACTIONS, width), nn.ReLU(inplace=True),
                nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, 1),
            )
            for _ in range(2)
        )  # fmt: skip

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([observations, actions], 1)
        return self.q1(both), self.q2(both)


class Dueling(nn.Module):
    """Values and advantages in two streams (Wang et al. 2016)."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(OBSERVATIONS, width), nn.ReLU())
        self.value = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        self.advantage = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, ACTIONS))

    def forward(self, observations: Tensor) -> Tensor:
        hidden = self.features(observations)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(1, keepdim=True)


class DeterministicActor(nn.Module):
    """DDPG's actor: the last layer is uniform in 3e-3, so no action is saturated initially."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([fan_in(nn.Linear(OBSERVATIONS, 200)), fan_in(nn.Linear(200, 150))])
        self.last = fan_in(nn.Linear(150, ACTIONS), 3e-3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return torch.tanh(self.last(x))


class DeterministicCritic(nn.Module):
    """DDPG's critic: the actions are an input of the second layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = fan_in(nn.Linear(OBSERVATIONS, 200))
        self.second = fan_in(nn.Linear(200 + ACTIONS, 150))
        self.last = fan_in(nn.Linear(150, 1), 3e-3)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        hidden = F.relu(self.first(observations))
        return self.last(F.relu(self.second(torch.cat([hidden, actions], 1))))


def sac_actor() -> Case:
    observations, worth, _ = experience()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        action, log_probability = output
        return (0.2 * log_probability + (action - worth.tanh()).square().sum(1)).mean()

    return Case(SoftActor(), observations, loss)


def returned(observations: Tensor, actions: Tensor) -> Tensor:
    """A return that depends on observations and actions."""
    return draws.scores(torch.cat([observations, actions], 1), 1, seed=9) + observations[:, :1] / 2


def twin_critic() -> Case:
    observations, worth, _ = experience()
    actions = torch.randn(worth.shape, generator=draws.fresh()).tanh()
    target = returned(observations, actions)
    loss = lambda q: F.mse_loss(q[0], target) + F.mse_loss(q[1], target)  # noqa: E731
    return Case(TwinCritic(), (observations, actions), loss)


def dueling_dqn() -> Case:
    observations, worth, actions = experience()
    target = worth.gather(1, actions[:, None])
    return Case(Dueling(), observations, lambda q: F.smooth_l1_loss(q.gather(1, actions[:, None]), target))


def distributional_dqn() -> Case:
    """C51: a distribution over returns from -3 to 3 for each action."""
    observations, worth, actions = experience()
    atoms = torch.linspace(-3, 3, ATOMS)
    model = nn.Sequential(
        nn.Linear(OBSERVATIONS, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, ACTIONS * ATOMS), nn.Unflatten(1, (ACTIONS, ATOMS)),
    )  # fmt: skip
    target = (-2 * (worth.gather(1, actions[:, None]) - atoms) ** 2).softmax(1)
    return Case(model, observations, lambda out: F.cross_entropy(out[torch.arange(len(out)), actions], target))


def ddpg_actor() -> Case:
    observations, worth, _ = experience()
    return Case(DeterministicActor(), observations, lambda action: (action - worth.tanh()).square().sum(1).mean())


def ddpg_critic() -> Case:
    observations, worth, _ = experience()
    actions = torch.randn(worth.shape, generator=draws.fresh()).tanh()
    return draws.regressing(DeterministicCritic(), (observations, actions), returned(observations, actions))


NETS: tuple[Net, ...] = (
    Net("everyday/sac_actor", "SAC", sac_actor),
    Net("everyday/twin_critic", "SAC", twin_critic),
    Net("everyday/dueling_dqn", "DQN", dueling_dqn),
    Net("everyday/distributional_dqn", "DQN", distributional_dqn),
    Net("everyday/ddpg_actor", "DDPG", ddpg_actor),
    Net("everyday/ddpg_critic", "DDPG", ddpg_critic),
)
