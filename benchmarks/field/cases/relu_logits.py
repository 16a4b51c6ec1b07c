"""WeiTang114/MVCNN-TensorFlow#14: a ReLU follows the classifier."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.field.case import Batch, Case, generator

VIEWS, CLASSES = 4, 10
TEMPLATES = torch.randn(CLASSES, 1, 12, 12, generator=generator(-1))


class MultiView(nn.Module):
    def __init__(self, broken: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten()
        )
        self.fc6, self.fc8 = nn.Linear(32 * 9, 64), nn.Linear(64, CLASSES)
        self.broken = broken

    def forward(self, views: Tensor) -> Tensor:
        pooled = self.features(views.flatten(0, 1)).unflatten(0, views.shape[:2]).amax(1)
        logits = self.fc8(F.relu(self.fc6(pooled)))
        return F.relu(logits) if self.broken else logits


def batch(i: int) -> Batch:
    g = generator(i)
    target = torch.randint(0, CLASSES, (32,), generator=g)
    views = TEMPLATES[target][:, None] + torch.randn(32, VIEWS, 1, 12, 12, generator=g)
    return (views,), lambda output: F.cross_entropy(output, target)


CASE = Case(
    name="relu_logits",
    source="WeiTang114/MVCNN-TensorFlow#14",
    fault="A ReLU follows the last layer, whose outputs are the logits of a cross-entropy.",
    build=MultiView,
    batch=batch,
    rules=("IH208",),
    layers=("fc8",),
    optimizer="sgd",
    rates=(0.1, 0.01),
    steps=200,
    known=True,
)
