"""Healthy PPO agents, with orthogonal initialization as in the reference implementations."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from ...nets import Case, Net
from . import draws

OBSERVATIONS, ACTIONS = 12, 4


def orthogonal(layer: nn.Module, gain: float = 2**0.5, bias: float = 0.0) -> nn.Module:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.constant_(layer.bias, bias)
    return layer


def clipped(old: Tensor, advantages: Tensor, returns: Tensor) -> Callable[[tuple[Tensor, Tensor, Tensor]], Tensor]:
    """Return PPO's loss of new log probabilities, entropies and values."""

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        log_probability, entropy, values = output
        ratio = (log_probability - old).exp()
        policy = -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()
        return policy + 0.5 * F.mse_loss(values, returns) - 0.01 * entropy.mean()

    return loss


class Agent(nn.Module):
    """PPO with two tanh networks: orthogonal weights, the policy's last layer with a gain of 0.01."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.critic = self.network(width, 1, gain=1.0)
        self.actor = self.network(width, ACTIONS, gain=0.01)

    @staticmethod
    def network(width: int, outputs: int, gain: float) -> nn.Sequential:
        return nn.Sequential(
            orthogonal(nn.Linear(OBSERVATIONS, width)), nn.Tanh(),
            orthogonal(nn.Linear(width, width)), nn.Tanh(), orthogonal(nn.Linear(width, outputs), gain),
        )  # fmt: skip

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        policy = Categorical(logits=self.actor(observations))
        return policy.log_prob(actions), policy.entropy(), self.critic(observations).squeeze(1)


class ContinuousAgent(Agent):
    """The agent for continuous actions: the network outputs the mean, the standard deviation is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.log_deviation = nn.Parameter(torch.zeros(1, ACTIONS))

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = self.actor(observations)
        policy = Normal(mean, self.log_deviation.expand_as(mean).exp())
        return policy.log_prob(actions).sum(1), policy.entropy().sum(1), self.critic(observations).squeeze(1)


class ScreenAgent(nn.Module):
    """PPO on four stacked screens: one convolutional trunk for both heads."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(
            orthogonal(nn.Conv2d(4, 16, 8, stride=4)), nn.ReLU(), orthogonal(nn.Conv2d(16, 32, 4, stride=2)), nn.ReLU(),
            orthogonal(nn.Conv2d(32, 32, 3, stride=1)), nn.ReLU(),
            nn.Flatten(), orthogonal(nn.Linear(32, 128)), nn.ReLU(),
        )  # fmt: skip
        self.actor = orthogonal(nn.Linear(128, ACTIONS), gain=0.01)
        self.critic = orthogonal(nn.Linear(128, 1), gain=1)

    def forward(self, screens: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.network(screens / 255.0)
        policy = Categorical(logits=self.actor(hidden))
        return policy.log_prob(actions), policy.entropy(), self.critic(hidden).squeeze(1)


def experience(count: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Return observations, the value of each action, and random actions."""
    observations = torch.randn(count, OBSERVATIONS, generator=draws.fresh())
    worth = draws.scores(observations, ACTIONS)
    return observations, worth, torch.randint(ACTIONS, (count,), generator=draws.fresh())


def on_policy(model: nn.Module, observations: Tensor, worth: Tensor, actions: Tensor) -> Case:
    """The old action probabilities are the network's own, as in a first update."""
    taken = worth.gather(1, actions[:, None]).squeeze(1) if actions.ndim == 1 else (worth * actions).sum(1)
    advantages = (taken - taken.mean()) / taken.std()
    with torch.no_grad():
        old = model(observations, actions)[0]
    return Case(model, (observations, actions), clipped(old, advantages, taken + worth.mean(1)))


def ppo() -> Case:
    return on_policy(Agent(), *experience())


def continuous_ppo() -> Case:
    observations, worth, _ = experience()
    actions = torch.randn(len(worth), ACTIONS, generator=draws.fresh())
    return on_policy(ContinuousAgent(), observations, worth, actions)


def screen_ppo() -> Case:
    """Four copies of an image of bright spots with decreasing brightness."""
    screens = draws.blobs(64, 36).view(64, 1, 36, 36) * torch.tensor([64, 128, 192, 255.0]).view(1, 4, 1, 1)
    quarters = F.adaptive_avg_pool2d(screens[:, 3:] / 255, 2).flatten(1)
    worth = (quarters - quarters.mean()) / quarters.std()
    return on_policy(ScreenAgent(), screens, worth, torch.randint(ACTIONS, (64,), generator=draws.fresh()))


NETS: tuple[Net, ...] = (
    Net("everyday/ppo", "PPO", ppo),
    Net("everyday/continuous_ppo", "PPO", continuous_ppo),
    Net("everyday/screen_ppo", "PPO", screen_ppo),
)
