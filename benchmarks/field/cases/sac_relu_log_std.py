"""sweetice/Deep-reinforcement-learning-with-pytorch#36: SAC's log-std passes a ReLU, so no std is below 1."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

STATE, ACTIONS, WIDTH, TEMPERATURE = 6, 2, 64, 0.1
POLICY = torch.randn(STATE, ACTIONS, generator=generator(-1)) / STATE**0.5


class Actor(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(STATE, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mu_head, self.log_std_head = nn.Linear(WIDTH, ACTIONS), nn.Linear(WIDTH, ACTIONS)
        self.broken = broken

    def forward(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sampled actions and their log-probabilities."""
        hidden = F.relu(self.fc2(F.relu(self.fc1(states))))
        mu, log_std = self.mu_head(hidden), self.log_std_head(hidden)
        if self.broken:
            log_std = F.relu(log_std)
        log_std = log_std.clamp(-20, 2)
        action = torch.tanh(mu + noise * log_std.exp())
        log_prob = -(noise**2) / 2 - log_std - math.log(2 * math.pi) / 2 - torch.log(1 - action**2 + 1e-6)
        return action, log_prob.sum(1)


def batch(i: int) -> Batch:
    """The critic is known: its value falls with the distance from the best action."""
    g = generator(i)
    states = torch.randn(128, STATE, generator=g)
    noise = torch.randn(128, ACTIONS, generator=g)
    best = torch.tanh(states @ POLICY)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        action, log_prob = output
        values = -4 * ((action - best) ** 2).sum(1)
        return (TEMPERATURE * log_prob - values).mean()

    return (states, noise), loss


CASE = Case(
    name="sac_relu_log_std",
    source="sweetice/Deep-reinforcement-learning-with-pytorch#36",
    fault="A ReLU follows the head of the log-std, so the policy cannot become less random than std 1.",
    build=Actor,
    batch=batch,
    rules=("IH204", "IH208", "IH304"),
    layers=("log_std_head",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=400,
    fresh=True,
)
