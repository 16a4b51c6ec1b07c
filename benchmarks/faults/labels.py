"""Labels faults by training: the effect of a fault on the final loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import Literal

import torch
from torch import Generator, Tensor

from .catalogue import mutant
from .faults import Fault
from .hosts import Host, Subject
from .lost import STEPS, Watched

OPTIMIZERS = ("sgd", "adam")
HEALTHY = "healthy"
HOST_SEEDS = 4  # training runs that measure the variation of a healthy host's loss
LOST = 0.1  # allowed excess loss, as a share of what the host learns
SPREADS = 3.0  # or this many standard deviations of the host's own loss
FAILED = 0.5  # share of what the host learns; learning less is a failure
HALF_A_LAYER = 0.5
WARM_UP = 0.2  # share of the steps with a rising learning rate, which a post-norm transformer needs

Losses = dict[str, float]  # optimizer -> final loss; "guess" -> loss of the best constant answer; "lost"
Label = Literal["benign", "mixed", "slowed", "failed", "lost"]


def label(losses: Losses, healthy: list[Losses], lasting: bool) -> Label:
    """Return the effect of a fault on the training of its host.

    A network's final loss is the mean of the held-out loss at six points in the last third of its training, each
    limited to twice the loss of guessing. A fault is harmful under an optimizer if the final loss exceeds the mean of
    the host's (four seeds) by more than a tenth of what the host learns (guessing minus its final loss) and by more
    than three standard deviations of the host's final losses. Host and mutant use the same batches in the same order
    and the same learning rate.

    Returns:
        "benign" if neither SGD nor Adam is harmed, "mixed" if one of them is; "failed" if under both less than half
        of what the host learns is learned, "slowed" if both are harmed less than that. "lost" if half a layer or more
        is lost permanently (copies that do not diverge, a detached graph), whether or not the task is harmed.
    """
    if lasting and losses["lost"] >= HALF_A_LAYER:
        return "lost"
    harmed = [worse(losses, healthy, name) for name in OPTIMIZERS]
    if not all(harmed):
        return "mixed" if any(harmed) else "benign"
    failed = [_failed(losses[name], [each[name] for each in healthy], losses["guess"]) for name in OPTIMIZERS]
    return "failed" if all(failed) else "slowed"


def worse(losses: Losses, healthy: list[Losses], optimizer: str) -> bool:
    """Return whether a network's final loss exceeds that of the healthy host by more than the margin."""
    return losses[optimizer] > mean(each[optimizer] for each in healthy) + margin(healthy, optimizer)


def margin(healthy: list[Losses], optimizer: str) -> float:
    """Return the allowed excess of a final loss: a tenth of what the host learns, or the spread of its seeds."""
    finals = [each[optimizer] for each in healthy]
    return max(LOST * (healthy[0]["guess"] - mean(finals)), SPREADS * stdev(finals))


def _failed(loss: float, healthy: list[float], guess: float) -> bool:
    return guess - loss < FAILED * (guess - mean(healthy))


def train(host: Host, fault: Fault | None, seed: int, change: Callable[[Subject], object] | None = None) -> Losses:
    """Return the final loss per optimizer, the loss of guessing, and the share of a layer that is lost permanently.

    ``change`` is called with the subject before each training.
    """
    found: Losses = {"guess": guess(host)}
    for name in OPTIMIZERS:
        subject, cause_layers = mutant(host, fault, seed)
        if change is not None:
            change(subject)
        found[name], lost = _trained(subject, cause_layers, name)
        found.setdefault("lost", lost)
    return found


def guess(host: Host) -> float:
    """Return the loss of the best constant answer: the classes' entropy, or the variance of the target."""
    _, target = _held_out(host)
    if target.is_floating_point():
        return float(target.var())
    shares = target.flatten().bincount().float() / target.numel()
    return float(-(shares * shares.clamp(min=1e-9).log()).sum())


def _held_out(host: Host) -> tuple[Tensor, Tensor]:
    return host.task.draw(Generator().manual_seed(99), 4 * host.task.batch, True)


def _trained(subject: Subject, cause_layers: Sequence[str], optimizer: str) -> tuple[float, float]:
    host, watched = subject.host, Watched(subject.model, cause_layers)
    parameters = [p for p in subject.model.parameters() if p.requires_grad]
    rate = host.rates[OPTIMIZERS.index(optimizer)]
    make = torch.optim.Adam if optimizer == "adam" else lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)
    descent, draws = make(parameters, lr=rate), Generator().manual_seed(1000 + subject.seed)
    x_out, y_out = _held_out(host)
    worst, lost = 2 * guess(host), 0.0
    ends = {host.steps - i * host.steps // 18 for i in range(6)}
    finals = []
    for step in range(1, host.steps + 1):
        x, y = host.task.draw(draws, host.task.batch, False)
        for group in descent.param_groups:
            group["lr"] = rate * min(1.0, step / (WARM_UP * host.steps))
        descent.zero_grad()
        loss = subject.loss(subject.model(subject.prepare(x)), y)
        if not math.isfinite(loss.item()):
            return worst, lost
        if loss.requires_grad:
            loss.backward()
            descent.step()
        if step == STEPS:
            lost = watched.lost()
        if step in ends:
            with torch.no_grad():
                value = float(subject.loss(subject.model(subject.prepare(x_out)), y_out))
            finals.append(min(value, worst) if math.isfinite(value) else worst)
    return mean(finals), lost
