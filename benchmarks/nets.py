"""What the accuracy benchmark judges: a network at its initialization, with a batch and a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """``batch`` and ``loss`` are what ``inithealth.check`` takes; without a loss the output's own, or a projection."""

    model: nn.Module
    batch: Any
    loss: Callable[[Any], Tensor] | None = None


@dataclass(frozen=True)
class Net:
    """A kind of network, built anew from torch's global random state, which the caller seeds."""

    name: str  # "timm/resnet18": unique in the benchmark
    family: str  # what the split goes by: networks that differ in size or detail only have the same
    build: Callable[[], Case]
