"""LuEE-C/PPO-Keras#13: the critic ends in a tanh, but discounted returns exceed 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

STATE, ACTIONS, WIDTH, LENGTH, DISCOUNT = 8, 4, 32, 8, 0.8
REWARD = torch.randn(STATE, generator=generator(-1)) / STATE**0.5
BEST = torch.randn(STATE, ACTIONS, generator=generator(-2))


class ActorCritic(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.actor = nn.Sequential(
            nn.Linear(STATE, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, ACTIONS)
        )
        self.critic = nn.Sequential(
            nn.Linear(STATE, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1)
        )
        self.bound = nn.Tanh() if broken else nn.Identity()

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(states), self.bound(self.critic(states)).squeeze(-1)


def batch(i: int) -> Batch:
    """States drift slowly, and each is rewarded by itself: a state predicts most of its return."""
    g = generator(i)
    state = torch.randn(32, STATE, generator=g)
    states = [state]
    for _ in range(2 * LENGTH):
        state = 0.9 * state + 0.19**0.5 * torch.randn(32, STATE, generator=g)
        states.append(state)
    path = torch.stack(states, 1)
    rewards = (path @ REWARD > 0.5).float()
    returns = torch.stack([rewards[:, -1]] * (2 * LENGTH + 1), 1)
    for t in reversed(range(2 * LENGTH)):
        returns[:, t] = rewards[:, t] + DISCOUNT * returns[:, t + 1]
    seen, target = path[:, :LENGTH], returns[:, :LENGTH]
    actions = torch.randint(0, ACTIONS, (32, LENGTH), generator=g)
    advantages = ((seen @ BEST).argmax(2) == actions).float()

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, values = output
        log_prob = logits.log_softmax(2).gather(2, actions[..., None]).squeeze(2)
        return F.mse_loss(values, target) - (log_prob * advantages).mean()

    return (seen,), loss


CASE = Case(
    name="ppo_tanh_critic",
    source="LuEE-C/PPO-Keras#13",
    fault="A tanh follows the critic's last layer, so no value exceeds 1, though most returns do.",
    build=ActorCritic,
    batch=batch,
    rules=("IH208", "IH205"),
    layers=("critic.4", "bound"),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=200,
    fresh=True,
)
