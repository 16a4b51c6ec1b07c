"""Does a reported fault harm training? Trains the faulty model and its healthy twin."""

from __future__ import annotations

import copy
import math
from statistics import median
from typing import Literal

import torch
from torch import Tensor, nn

from .case import Case

SEEDS = (0, 1, 2)
HELD_OUT = range(90_000, 90_004)  # batches for the final loss; training uses those from 1 up
FAILED = 0.5  # share of the twin's progress; less is a failure
SLOWED = 0.85  # less than this share is harm
LEARNS = 0.1  # share of its first loss that a healthy twin must at least lose

Label = Literal["failed", "slowed", "harmless", "invalid"]


def losses(case: Case, broken: bool) -> list[dict[str, float]]:
    """For each seed the held-out loss before ("first") and after training at the best learning rate ("last").

    A loss that is not finite counts as infinity.
    """
    return [_best(case, broken, seed) for seed in SEEDS]


def label(broken: list[dict[str, float]], healthy: list[dict[str, float]]) -> Label:
    """What training says about a fault.

    Progress is the twin's first loss minus the final loss. "failed": in the median seed the faulty model makes
    less than half of its twin's progress; "slowed": less than 85 %; "harmless" otherwise; "invalid": the twin
    itself does not learn.
    """
    shares = []
    for bad, good in zip(broken, healthy, strict=True):
        progress = good["first"] - good["last"]
        if not progress > LEARNS * abs(good["first"]):
            return "invalid"
        shares.append((good["first"] - bad["last"]) / progress)
    share = median(shares)
    return "failed" if share < FAILED else "slowed" if share < SLOWED else "harmless"


def progress(model: nn.Module, case: Case, rate: float) -> float:
    """The held-out loss of `model` after training it in place; infinity as soon as a loss is not finite."""
    optimizer = optimizer_of(model, case, rate)
    for i in range(1, case.steps + 1):
        inputs, criterion = case.batch(i)
        optimizer.zero_grad()
        loss = criterion(model(*inputs))
        if not math.isfinite(loss.item()):
            return math.inf
        loss.backward()
        optimizer.step()
    return held_out(model, case)


def optimizer_of(model: nn.Module, case: Case, rate: float) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if case.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate)
    return torch.optim.SGD(parameters, lr=rate, momentum=0.9)


def held_out(model: nn.Module, case: Case) -> float:
    """The mean loss on batches that training never uses, in training mode as the first steps are."""
    total = 0.0
    with torch.no_grad():
        for i in HELD_OUT:
            inputs, criterion = case.batch(i)
            value: Tensor = criterion(model(*inputs))
            total += float(value)
    return total / len(HELD_OUT) if math.isfinite(total) else math.inf


def _best(case: Case, broken: bool, seed: int) -> dict[str, float]:
    found = []
    for rate in case.rates:
        torch.manual_seed(seed)
        model = case.build(broken)
        first = held_out(copy.deepcopy(model), case)  # a data-dependent start is decided by the first batch
        found.append({"first": first, "last": progress(model, case, rate), "rate": rate})
    return min(found, key=lambda each: each["last"])
