"""A check of a model that is larger than the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from inithealth.findings import Report
from inithealth.sessions.objective import LossFunction
from inithealth.settings import Settings


def paged_check(
    build: Callable[[], nn.Module],
    batch: Callable[[nn.Module], Any],
    *,
    loss: LossFunction | None = None,
    late_loss: Callable[[], LossFunction | None] | None = None,
    optimizer: str | None = None,
    settings: Settings | None = None,
    memory: int,
    init: Callable[[nn.Module], object] | None = None,
    weights: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Return the report of a model whose weights are made, or read, while they are used.

    Args:
        build: returns the model; it runs without memory for the weights.
        batch: returns the batch for the model, whose parameters have no memory yet.
        late_loss: returns the loss, called after `batch`: for a function that builds the model together with its loss.
        memory: in bytes.
        weights: a folder of safetensors files.
        progress: called with how far the check is.
    """
    raise NotImplementedError
