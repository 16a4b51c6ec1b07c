"""PufferAI/PufferLib#459: wrapping a policy in an LSTM initializes it again, so the small head gets gain 1."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

OBSERVED, WIDTH, ACTIONS, LENGTH = 8, 64, 4, 6
TEACHER = torch.randn(OBSERVED, ACTIONS, generator=generator(-1))


def layer_init(layer: nn.Linear, std: float = 2**0.5) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, std)
    nn.init.zeros_(layer.bias)
    return layer


class RecurrentPolicy(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(layer_init(nn.Linear(OBSERVED, WIDTH)), nn.GELU())
        self.lstm = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.decoder = nn.Sequential(
            layer_init(nn.Linear(WIDTH, WIDTH)), nn.GELU(), layer_init(nn.Linear(WIDTH, ACTIONS), std=0.01)
        )
        self.value = layer_init(nn.Linear(WIDTH, 1), std=1.0)
        for name, parameter in self.named_parameters() if broken else self.lstm.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter, 1.0)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        hidden, _ = self.lstm(self.encoder(observations))
        return self.decoder(hidden), self.value(hidden).squeeze(2)


def batch(i: int) -> Batch:
    """The reward of each action depends on all observations so far; expected returns instead of sampled actions."""
    observations = torch.randn(64, LENGTH, OBSERVED, generator=generator(i))
    steps = torch.arange(1, LENGTH + 1)[:, None]
    rewards = torch.tanh(observations.cumsum(1) @ TEACHER / steps.sqrt() / OBSERVED**0.5)

    def loss(output: tuple[Tensor, Tensor]) -> Tensor:
        logits, value = output
        returns = (logits.softmax(2) * rewards).sum(2)
        entropy = -(logits.softmax(2) * logits.log_softmax(2)).sum(2)
        return (-returns + 0.5 * F.mse_loss(value, returns.detach()) - 0.01 * entropy).mean()

    return (observations,), loss


CASE = Case(
    name="ppo_head_overwritten",
    source="PufferAI/PufferLib#459",
    fault="A wrapper initializes all weights again with gain 1, also the policy head that had gain 0.01.",
    build=RecurrentPolicy,
    batch=batch,
    rules=("IH106", "IH208"),
    layers=("decoder.2",),
    optimizer="adam",
    rates=(3e-3, 1e-3),
    steps=300,
)
