"""Checks the losses of steps without other measurements for NaN and infinity."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EVERY = 25  # steps between two checks that would synchronize with the device


class LossMonitor:
    """Checks losses immediately, or later if that would synchronize with the device."""

    def __init__(self) -> None:
        self.since: int | None = None  # step of the first non-finite loss
        self._losses: list[tuple[int, Tensor]] = []

    def add(self, index: int, loss: Tensor | float | None) -> None:
        """Add the loss of one step."""
        if loss is None or self.since is not None:
            return
        if not isinstance(loss, Tensor) or (loss.device.type == "cpu" and loss.numel() == 1):
            value = loss.detach().item() if isinstance(loss, Tensor) else loss
            self.since = None if math.isfinite(value) else index
            return
        self._losses.append((index, loss.detach()))
        if len(self._losses) >= _EVERY:
            broken = [at for at, each in self._losses if not bool(torch.isfinite(each).all())]
            self._losses.clear()
            self.since = broken[0] if broken else None

    def taken(self) -> int | None:
        """Return the step of the first non-finite loss, and reset it."""
        since, self.since = self.since, None
        return since
