"""A bug that shipped: the network with it, the network as upstream fixed it, and the expected finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    loss: Loss
    adam: bool = False  # as what it was trained with, where that matters

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trainable, lr=1e-4) if self.adam else torch.optim.SGD(trainable, lr=0.01)

    def checked(self) -> Report:
        return inithealth.check(self.model, self.batch, loss=self.loss, optimizer=self.optimizer)

    def watched(self, steps: int = 5) -> Report:
        """A short training loop, watched; it changes the model."""
        optimizer = self.optimizer
        with inithealth.watch(self.model, optimizer=optimizer) as monitor:
            for _ in range(steps):
                optimizer.zero_grad()
                loss = self.loss(self.model(self.batch))
                loss.backward()
                monitor.step(loss)
                optimizer.step()
        return monitor.report


@dataclass(frozen=True)
class Bug:
    """``build(False)`` is the network as it shipped, ``build(True)`` as it was fixed."""

    build: Callable[[bool], Scene]
    codes: tuple[str, ...]  # any of which names it
    severity: Severity
    layers: Callable[[nn.Module], set[str]]  # modules that are named, all of them
    typed: bool = True  # the fix is code that repairs the weights
    watched: bool = True  # a short training loop shows it as well

    @property
    def name(self) -> str:
        return self.build.__name__

    def built(self, fixed: bool, seed: int = 0) -> Scene:
        torch.manual_seed(seed)
        return self.build(fixed)


def seeded(samples: int = 8, length: int = 16) -> tuple[Tensor, Tensor]:
    """Tokens ``(samples, length)`` and those that follow them."""
    tokens = torch.randint(VOCABULARY, (samples, length + 1), generator=torch.Generator().manual_seed(5))
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
