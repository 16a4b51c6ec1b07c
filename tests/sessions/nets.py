"""A small classifier, its batch, and networks of zeros."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inithealth import Report

INPUTS = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(32) % 4
BATCH = (INPUTS, TARGETS)


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def zero_head() -> nn.Sequential:
    """Return a healthy network: the head gets a gradient at the first step, the body at the second."""
    net = perceptron()
    nn.init.zeros_(net[2].weight)
    return net


def never_receiving() -> nn.Sequential:
    net = perceptron()
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    return net


def cross_entropy(output: Tensor) -> Tensor:
    return F.cross_entropy(output, TARGETS)


def alarm_summary(report: Report) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(cause.code, cause.severity.value, cause.layers) for cause in report.causes]
