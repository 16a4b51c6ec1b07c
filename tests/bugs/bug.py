"""A published bug: the network with it, the network with the upstream fix, and the expected finding."""

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
    """A model with the batch and loss for its check."""

    model: nn.Module
    batch: Any
    loss: Loss
    adam: bool = False  # train with Adam, if that matters

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trainable, lr=1e-4) if self.adam else torch.optim.SGD(trainable, lr=0.01)

    def checked(self) -> Report:
        return inithealth.check(self.model, self.batch, loss=self.loss, optimizer=self.optimizer)

    def watched(self, steps: int = 5) -> Report:
        """Return the report of a short watched training loop, which changes the model."""
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
    """``build(False)`` is the published network, ``build(True)`` the fixed one."""

    build: Callable[[bool], Scene]
    codes: tuple[str, ...]  # each of them is a correct code
    severity: Severity
    layers: Callable[[nn.Module], set[str]]  # all modules in the finding
    typed: bool = True  # the fix is code that repairs the weights
    watched: bool = True  # a short training loop shows it, too

    @property
    def name(self) -> str:
        return self.build.__name__

    def built(self, fixed: bool, seed: int = 0) -> Scene:
        torch.manual_seed(seed)
        return self.build(fixed)


def seeded(samples: int = 8, length: int = 16) -> tuple[Tensor, Tensor]:
    """Return tokens ``(samples, length)`` and the next tokens."""
    tokens = torch.randint(VOCABULARY, (samples, length + 1), generator=torch.Generator().manual_seed(5))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def next_token(targets: Tensor) -> Loss:
    return lambda logits: nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def named(model: nn.Module, *ends: str) -> set[str]:
    """Return the modules whose dotted name has one of these endings."""
    return {name for name, _ in model.named_modules() if name.endswith(ends)}


def alarms(report: Report) -> list[Finding]:
    """Return the causes above info."""
    return [cause for cause in report.causes if cause.severity > Severity.INFO]


def typed(found: Finding, model: nn.Module) -> None:
    """Run the fix of a finding, as a user would."""
    exec(found.fix, {"model": model, "nn": nn})
