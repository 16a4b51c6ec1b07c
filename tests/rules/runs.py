"""Short watched training runs, and synthetic recordings of several steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer

import inithealth
from inithealth import Report, Settings
from inithealth.recording import Layer, Recording, Step, Update
from tests.rules.nets import cross_entropy, vectors
from tests.rules.recordings import measured, recording, stack

EVERY = Settings(schedule="every", until=None)


def trained(
    model: nn.Module,
    steps: int = 12,
    *,
    optimizer: Callable[..., Optimizer] | None = None,
    between: Callable[[int, nn.Module], None] | None = None,
    **options: Any,
) -> Report:
    """Return the report of a watched run on one batch; ``between`` is called after each step, to break something."""
    make = optimizer or (lambda parameters: SGD(parameters, lr=0.01))
    descent = make(model.parameters())
    settings = Settings.model_validate({"schedule": "every", "until": None, **options})
    with inithealth.watch(model, optimizer=descent, settings=settings) as monitor:
        for step in range(steps):
            descent.zero_grad()
            loss = cross_entropy(model(vectors().to(next(model.parameters()).dtype)))
            loss.backward()
            monitor.step(loss)
            descent.step()
            if between is not None:
                with torch.no_grad():
                    between(step, model)
    return monitor.report


def several(
    later: Mapping[str, Any] | None = None,
    *,
    layers: tuple[Layer, ...] | None = None,
    steps: int = 12,
    updates: Mapping[str, Update] | None = None,
    losses: Sequence[float] | None = None,
    apart: int = 1,
    **more: Any,
) -> Recording:
    """Return equal steps except the last, which :func:`measured` creates from ``later``."""
    layers = stack() if layers is None else layers
    every = [
        Step(
            index=number * apart,
            loss=losses[number] if losses else 2.3,
            layers=measured(layers, **(later or {} if number == steps - 1 else {})),
            updates=dict(updates or {}) if number < steps - 1 else {},
        )
        for number in range(steps)
    ]
    return recording(layers, steps=tuple(every), **more)


def update(
    weight: float = 0.1,
    change: float = 1e-3,
    unmoved: float = 0.0,
    rate: float | None = 0.01,
    usual: float | None = None,
) -> Update:
    return Update(weight=weight, change=change, unmoved=unmoved, rate=rate, usual=usual)
