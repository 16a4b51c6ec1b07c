"""Healthy agents for PPO, orthogonal as its reference implementations have them."""

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
    """PPO's loss of new log probabilities, entropies and values."""

    def loss(output: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        log_probability, entropy, values = output
        ratio = (log_probability - old).exp()
        policy = -torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()
        return policy + 0.5 * F.mse_loss(values, returns) - 0.01 * entropy.mean()

    return loss


class Agent(nn.Module):
    """PPO with two tanh networks: orthogonal, the policy's last layer with a gain of 0.01."""

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
    """The same for continuous actions: the mean from the network, the deviation a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.log_deviation = nn.Parameter(torch.zeros(1, ACTIONS))

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = self.actor(observations)
        policy = Normal(mean, self.log_deviation.expand_as(mean).exp())
        return policy.log_prob(actions).sum(1), policy.entropy().sum(1), self.critic(observations).squeeze(1)


class ScreenAgent(nn.Module):
    """PPO on four stacked screens: one convolutional trunk below both heads."""

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
    """Observations, what each of the actions is worth, and the actions taken at random."""
    observations = torch.randn(count, OBSERVATIONS, generator=draws.fresh())
    worth = draws.scores(observations, ACTIONS)
    return observations, worth, torch.randint(ACTIONS, (count,), generator=draws.fresh())


def on_policy(model: nn.Module, observations: Tensor, worth: Tensor, actions: Tensor) -> Case:
    """The probabilities that the actions were taken with are those of the network itself, as in a first update."""
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
    """Four copies of a picture of bright spots, each dimmer than the next."""
    screens = draws.blobs(64, 36).view(64, 1, 36, 36) * torch.tensor([64, 128, 192, 255.0]).view(1, 4, 1, 1)
    quarters = F.adaptive_avg_pool2d(screens[:, 3:] / 255, 2).flatten(1)
    worth = (quarters - quarters.mean()) / quarters.std()
    return on_policy(ScreenAgent(), screens, worth, torch.randint(ACTIONS, (64,), generator=draws.fresh()))


NETS: tuple[Net, ...] = (
    Net("everyday/ppo", "PPO", ppo),
    Net("everyday/continuous_ppo", "PPO", continuous_ppo),
    Net("everyday/screen_ppo", "PPO", screen_ppo),
)
