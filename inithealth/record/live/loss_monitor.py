"""The losses of steps that nothing else is measured of: whether they are finite, and since when not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EVERY = 25  # steps between two looks, where a look would have to wait for the device


class LossMonitor:
    """Looks at losses as they come, or later where that would hold up the training."""

    def __init__(self) -> None:
        self.since: int | None = None  # step of the first loss that was not finite
        self._losses: list[tuple[int, Tensor]] = []

    def add(self, index: int, loss: Tensor | float | None) -> None:
        """The loss of one more step."""
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
        """The step of the first loss that was not finite, once."""
        since, self.since = self.since, None
        return since
