"""Trainings of the networks whose colors are measured: hosts of the accuracy benchmark, and some more.

The half of a network follows from a fixed hash of its name, as in the accuracy benchmark; so does its optimizer. The
six networks of the page's tests belong to the half that is used for fitting.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import inithealth
from benchmarks.faults.catalogue import EVERY_HOST
from benchmarks.faults.hosts import Host
from benchmarks.judging.halves import FITTED, Half, half
from benchmarks.page_colors_nets import more_hosts
from inithealth.findings import Report
from tests.page.networks import HEALTHY
from tests.zoo.case import Case

Optimizer = torch.optim.Optimizer
Rate = Callable[[int, int], float]  # share of the learning rate at a step of so many

WARM_UP = 50  # steps; a post-norm transformer needs some


@dataclass(frozen=True)
class Recipe:
    """An optimizer for a host's learning rates for SGD and Adam, and the course of the rate."""

    name: str
    make: Callable[[Any, tuple[float, float]], Optimizer]
    rate: Rate
    clips: bool = False


def constant(step: int, steps: int) -> float:
    return 1.0


def warmed(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP)


def cosine(step: int, steps: int) -> float:
    return warmed(step, steps) * (1 + math.cos(math.pi * step / steps)) / 2


RECIPES = (
    Recipe("SGD, momentum .9", lambda p, rates: torch.optim.SGD(p, rates[0], momentum=0.9), warmed),
    Recipe("AdamW, at most 1e-3", lambda p, rates: torch.optim.AdamW(p, min(1e-3, rates[1])), constant),
    Recipe("AdamW, at most 3e-4", lambda p, rates: torch.optim.AdamW(p, min(3e-4, rates[1])), constant),
    Recipe("AdamW, cosine", lambda p, rates: torch.optim.AdamW(p, rates[1], weight_decay=0.05), cosine, clips=True),
)


@dataclass(frozen=True)
class Training:
    """A network, what each step of its training reads, and its optimizer."""

    name: str
    half: Half
    model: nn.Module
    draw: Callable[[], tuple[Any, Callable[[Any], Tensor]]]  # returns a batch and its loss
    recipe: Recipe
    rates: tuple[float, float]


def trainings(seed: int = 0) -> Mapping[str, Callable[[], Training]]:
    """Return functions that create the healthy trainings, by name; another seed has other optimizers, too."""
    hosts = {**{name: lambda host=host: host for name, host in EVERY_HOST.items()}, **more_hosts()}
    return {
        **{name: lambda name=name, case=case: _of_case(name, case()) for name, case in HEALTHY.items()},
        **{
            (f"{name} host" if name in HEALTHY else name): lambda host=host: of_host(host(), seed)
            for name, host in hosts.items()
        },
    }


def half_of(name: str) -> Half:
    return FITTED if name in HEALTHY else half("page", name.removesuffix(" host"))


def of_host(host: Host, seed: int) -> Training:
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(1000 + seed)

    def draw() -> tuple[Any, Callable[[Any], Tensor]]:
        x, target = host.task.draw(draws, host.task.batch, False)
        return x, lambda output: host.task.loss(output, target)

    recipe = RECIPES[(hashlib.sha256(host.name.encode()).digest()[1] + seed) % len(RECIPES)]
    return Training(host.name, half("page", host.name), host.build(), draw, recipe, host.rates)


def _of_case(name: str, case: Case) -> Training:
    """Return a training on a single batch, which is memorized."""
    return Training(name, FITTED, case.model, lambda: (case.batch, case.loss), RECIPES[1], (0.1, 1e-3))


@dataclass(frozen=True)
class Trained:
    """The report of a watched training, its losses, and the seconds of its watched steps."""

    report: Report
    losses: tuple[float, ...]
    seconds: float

    @property
    def learned(self) -> tuple[float, float]:
        """The mean of the first and of the last losses."""
        few = max(1, len(self.losses) // 20)
        return sum(self.losses[:few]) / few, sum(self.losses[-few:]) / few


def trained(training: Training, steps: int, every: int) -> Trained:
    """Train with `inithealth.watch` at every nth step; the last step is watched too."""
    optimizer = training.recipe.make(training.model.parameters(), training.rates)
    rates = [group["lr"] for group in optimizer.param_groups]
    losses, seconds = [], 0.0
    with inithealth.watch(training.model, optimizer=optimizer, schedule=every, verbose=False) as monitor:
        for step in range(steps + 1):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * training.recipe.rate(step, steps)
            batch, loss_of = training.draw()
            started = time.process_time()
            optimizer.zero_grad()
            call = inithealth.Call.of(batch)
            loss = loss_of(training.model(*call.args, **call.kwargs))
            loss.backward()
            monitor.step(loss)
            if training.recipe.clips:
                nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
            optimizer.step()
            seconds += (time.process_time() - started) * (step % every == 0)
            losses.append(loss.item())
    return Trained(monitor.report, tuple(losses), seconds)


def chosen(only: str | None, names: str | None, seed: int = 0) -> Iterator[tuple[str, Callable[[], Training]]]:
    """Yield the trainings of one half, or of all; and only those whose name contains a text."""
    for name, build in trainings(seed).items():
        if only in (None, half_of(name)) and (names or "") in name:
            yield name, build
