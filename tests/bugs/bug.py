"""A bug that shipped: the network with it, the network mended as upstream did, and what a judge must say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import inithealth
from inithealth import Finding, Report, Severity

Loss = Callable[[Any], Tensor]
VOCABULARY = 96


@dataclass(frozen=True)
class Scene:
    """A model, and the batch and loss it is judged on."""

    model: nn.Module
    batch: Any
    loss: Loss | None = None

    def checked(self) -> Report:
        return inithealth.check(self.model, self.batch, loss=self.loss)


@dataclass(frozen=True)
class Bug:
    """``build(False)`` is the network as it shipped, ``build(True)`` as it was mended."""

    build: Callable[[bool], Scene]
    codes: tuple[str, ...]  # any of which names it
    severity: Severity
    layers: Callable[[nn.Module], set[str]]  # modules to blame, all of them
    typed: bool = True  # the fix is code that mends the weights
    optimizer: Callable[[Any], torch.optim.Optimizer] = field(default=lambda p: torch.optim.SGD(p, lr=1e-3))

    @property
    def name(self) -> str:
        return self.build.__name__


def seeded(samples: int = 8, length: int = 16) -> tuple[Tensor, Tensor]:
    """Tokens ``(samples, length)`` and those that follow them."""
    torch.manual_seed(0)
    tokens = torch.randint(VOCABULARY, (samples, length + 1))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def next_token(targets: Tensor) -> Loss:
    return lambda logits: nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def named(model: nn.Module, *ends: str) -> set[str]:
    """Modules whose dotted name ends so."""
    return {name for name, _ in model.named_modules() if name.endswith(ends)}


def alarms(report: Report) -> list[Finding]:
    """Causes above a note."""
    return [cause for cause in report.causes if cause.severity > Severity.INFO]


def typed(found: Finding, model: nn.Module) -> None:
    """What the reader of a finding does: type its fix."""
    exec(found.fix, {"model": model, "nn": nn})
