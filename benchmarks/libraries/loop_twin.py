"""Trains one twin of a plain loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.utils.tensorboard import SummaryWriter

import inithealth

from . import twin
from .run import Loop
from .twin import Twin

Fix = Callable[[Any, list[Any]], None]


class Unwatched:
    """The monitor of the plain twin: does nothing."""

    def __enter__(self) -> Unwatched:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def observe(self, loss: Any) -> None:
        return None

    def step(self, loss: Any = None, *, optimizer: Any = None) -> None:
        return None


class Registered:
    """The Watch of one training: starts its clock, applies a fix, and makes the monitor."""

    def __init__(self, writer: SummaryWriter | None, fix: Fix | None) -> None:
        self.writer, self.fix, self.started = writer, fix, 0.0
        self.model: nn.Module = nn.Identity()
        self.optimizers: list[Optimizer] = []
        self.monitor: Any = Unwatched()

    def __call__(self, model: nn.Module, optimizers: Optimizer | Sequence[Optimizer], scaler: Any = None) -> Any:
        self.model = model
        self.optimizers = [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)
        if self.fix is not None:
            self.fix(model, self.optimizers)
        self.started = time.process_time()
        if self.writer is not None:
            options = {"optimizer": optimizers, "scaler": scaler, "writer": self.writer}
            self.monitor = inithealth.watch(model, schedule="every", verbose=False, **options)
        return self.monitor


def train(loop: Loop, steps: int, folder: Path, *, watched: bool, fix: Fix | None = None, seed: int = 0) -> Twin:
    """Train a loop from a seed, with a monitor or without.

    Raises:
        Exception: an error of the loop, unchanged.
    """
    twin.seed(seed)
    writer = SummaryWriter(str(folder / "events")) if watched else None
    registered = Registered(writer, fix)
    losses = loop.train(steps, registered)
    seconds = time.process_time() - registered.started
    if writer is not None:
        writer.close()
    digests = twin.digests(dict(registered.model.state_dict()), registered.optimizers)
    report = registered.monitor.report if watched else None
    return Twin(digests, tuple(losses), seconds, twin.size(folder / "events"), 0, report)
