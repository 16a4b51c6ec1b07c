"""The input of the accuracy benchmark: an initialized network with a batch and a loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """``batch`` and ``loss`` are arguments of ``inithealth.check``; without a loss, check chooses one."""

    model: nn.Module
    batch: Any
    loss: Callable[[Any], Tensor] | None = None


@dataclass(frozen=True)
class Net:
    """A kind of network. ``build`` draws from torch's global random state, which the caller seeds."""

    name: str  # "timm/resnet18": unique in the benchmark
    family: str  # unit of the split: networks that differ only in size or details share it
    build: Callable[[], Case]
