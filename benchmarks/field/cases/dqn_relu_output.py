"""dennybritz/reinforcement-learning#104: the layer of the Q-values has the library's default activation, a ReLU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

ACTIONS, SIZE = 3, 16


class QNetwork(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 16, 4, 2, 1), nn.Conv2d(16, 32, 4, 2, 1)
        self.fc1, self.predictions = nn.Linear(32 * 16, 64), nn.Linear(64, ACTIONS)
        for layer in (self.conv1, self.conv2, self.fc1, self.predictions):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.broken = broken

    def forward(self, frames: Tensor) -> Tensor:
        hidden = F.relu(self.conv2(F.relu(self.conv1(frames))))
        values = self.predictions(F.relu(self.fc1(hidden.flatten(1))))
        return F.relu(values) if self.broken else values


def batch(i: int) -> Batch:
    """Pong: the value falls with the distance of the paddle from the ball after the action."""
    g = generator(i)
    rows = torch.arange(64)
    ball, paddle = torch.randint(1, SIZE - 1, (2, 64), generator=g)
    height = torch.randint(2, SIZE - 4, (64,), generator=g)
    frames = 0.05 * torch.rand(64, 4, SIZE, SIZE, generator=g)
    for k in range(4):  # the ball falls by a row from frame to frame
        frames[rows, k, height + k - 2, ball] += 1
        for offset in (-1, 0, 1):
            frames[rows, k, SIZE - 1, paddle + offset] += 1
    action = torch.randint(0, ACTIONS, (64,), generator=g)
    value = 0.5 - (ball - paddle - 2 * (action - 1)).abs() / 5
    return (frames,), lambda output: F.mse_loss(output[rows, action], value)


CASE = Case(
    name="dqn_relu_output",
    source="dennybritz/reinforcement-learning#104",
    fault="A ReLU follows the last layer, so Q-values cannot be negative, though most returns are.",
    build=QNetwork,
    batch=batch,
    rules=("IH204", "IH208"),
    layers=("predictions",),
    optimizer="adam",
    rates=(3e-3, 1e-3, 3e-4),
    steps=400,
)
