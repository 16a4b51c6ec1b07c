"""archsyscall/DeepRL-TensorFlow2#5: the actor ends in a softmax, and its loss treats the probabilities as logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

STATE, ACTIONS = 6, 4
with torch.random.fork_rng():
    torch.manual_seed(1000)
    BEST = nn.Sequential(nn.Linear(STATE, 32), nn.Tanh(), nn.Linear(32, ACTIONS)).requires_grad_(False)


class Actor(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(STATE, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, ACTIONS)
        )
        if broken:
            self.model.append(nn.Softmax(dim=1))

    def forward(self, states: Tensor) -> Tensor:
        return self.model(states)


def batch(i: int) -> Batch:
    """Actions drawn at random; the policy gradient repeats those with a positive advantage."""
    g = generator(i)
    states = torch.randn(256, STATE, generator=g)
    actions = torch.randint(0, ACTIONS, (256,), generator=g)
    advantages = (BEST(states).argmax(1) == actions).float()

    def loss(output: Tensor) -> Tensor:
        return (F.cross_entropy(output, actions, reduction="none") * advantages).sum() / advantages.sum()

    return (states,), loss


CASE = Case(
    name="a2c_double_softmax",
    source="archsyscall/DeepRL-TensorFlow2#5",
    fault="The actor's outputs are probabilities, but the loss treats them as logits and applies a second softmax.",
    build=Actor,
    batch=batch,
    rules=("IH208",),
    layers=("model.4", "model.5"),
    optimizer="adam",
    rates=(1e-2, 3e-3, 1e-3),
    steps=300,
)
