"""Does a fault harm? Training tells; what it told is kept, so that new rules need no new training."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Generator, Tensor

from .faults import FAULTS, Fault
from .hosts import HOSTS, Host, Subject

OPTIMIZERS = ("sgd", "adam")
HEALTHY = "healthy"
HOST_SEEDS = 4  # trainings that tell how much a healthy host's loss varies
LOST = 0.1  # share of what the host learns that a mutant may miss
SPREADS = 3.0  # or so many standard deviations of the host's own loss
WARM_UP = 0.2  # share of the steps in which the learning rate rises: a post-norm transformer wants it

Key = tuple[str, str, int]  # host, fault, seed
Losses = dict[str, float]  # optimizer -> final loss; "guess" -> what the best constant answer costs


def label(losses: Losses, healthy: list[Losses]) -> str:
    """Whether a fault harms: "benign", "slower" (under one optimizer) or "harmful" (under both).

    A network's final loss is the mean of the held-out loss at six points in the last third of its training,
    each at most twice what guessing costs. A fault harms under an optimizer when the final loss is above the
    mean of the host's (four seeds) by more than a tenth of what the host learns (guessing minus its final
    loss) and by more than three standard deviations of the host's final losses. Host and mutant see the same
    batches in the same order and have the same learning rate.
    """
    harmed = [_harmed(losses[name], [each[name] for each in healthy], healthy[0]["guess"]) for name in OPTIMIZERS]
    return ("benign", "slower", "harmful")[sum(harmed)]


def _harmed(loss: float, healthy: list[float], guess: float) -> bool:
    middle = mean(healthy)
    return loss > middle + max(LOST * (guess - middle), SPREADS * stdev(healthy))


def mutant(host: Host, fault: Fault | None, seed: int) -> tuple[Subject, list[str]]:
    """A host with a fault (or none), and the culprits' names."""
    subject = Subject(host, seed)
    if fault is None:
        return subject, []
    with torch.no_grad():
        return subject, list(fault.inject(subject))


def cases(seeds: int) -> Iterator[tuple[Host, Fault, int]]:
    """Every fault in every host that it applies to; the first seed's before the second's."""
    for seed in range(seeds):
        for host in HOSTS:
            bare = Subject(host, seed)
            for fault in FAULTS:
                if fault.applies(bare):
                    yield host, fault, seed


def train(host: Host, fault: Fault | None, seed: int) -> Losses:
    """The final loss under each optimizer, and what guessing costs."""
    found = {name: _trained(mutant(host, fault, seed)[0], name) for name in OPTIMIZERS}
    return {**found, "guess": guess(host)}


def guess(host: Host) -> float:
    """The loss of the best constant answer: the classes' entropy, or the variance of the target."""
    _, target = _held_out(host)
    if target.is_floating_point():
        return float(target.var())
    shares = target.flatten().bincount().float() / target.numel()
    return float(-(shares * shares.clamp(min=1e-9).log()).sum())


def _held_out(host: Host) -> tuple[Tensor, Tensor]:
    return host.task.draw(Generator().manual_seed(99), 4 * host.task.batch, True)


def _trained(subject: Subject, optimizer: str) -> float:
    host = subject.host
    parameters = [p for p in subject.model.parameters() if p.requires_grad]
    rate = host.rates[OPTIMIZERS.index(optimizer)]
    make = torch.optim.Adam if optimizer == "adam" else lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)
    descent, draws = make(parameters, lr=rate), Generator().manual_seed(1000 + subject.seed)
    x_out, y_out = _held_out(host)
    worst = 2 * guess(host)
    ends = {host.steps - i * host.steps // 18 for i in range(6)}
    finals = []
    for step in range(1, host.steps + 1):
        x, y = host.task.draw(draws, host.task.batch, False)
        for group in descent.param_groups:
            group["lr"] = rate * min(1.0, step / (WARM_UP * host.steps))
        descent.zero_grad()
        loss = subject.loss(subject.model(subject.prepare(x)), y)
        if not math.isfinite(loss.item()):
            return worst
        if loss.requires_grad:
            loss.backward()
            descent.step()
        if step in ends:
            with torch.no_grad():
                value = float(subject.loss(subject.model(subject.prepare(x_out)), y_out))
            finals.append(min(value, worst) if math.isfinite(value) else worst)
    return mean(finals)


class Labels:
    """Losses by host, fault and seed, in a file of JSON lines that grows and is read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.losses: dict[Key, Losses] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            entry = json.loads(line)
            self.losses[entry["host"], entry["fault"], entry["seed"]] = entry["losses"]

    def healthy(self, host: str) -> list[Losses]:
        return [losses for (name, fault, _), losses in self.losses.items() if (name, fault) == (host, HEALTHY)]

    def of(self, host: str, fault: str, seed: int) -> str | None:
        """The label; None where the training is still to be done."""
        losses, healthy = self.losses.get((host, fault, seed)), self.healthy(host)
        return label(losses, healthy) if losses and len(healthy) == HOST_SEEDS else None

    def fill(self, seeds: int) -> None:
        """Train what has no result yet, a line of progress each."""
        wanted: list[tuple[Host, Fault | None, int]] = [(h, None, seed) for h in HOSTS for seed in range(HOST_SEEDS)]
        wanted += cases(seeds)
        missing = [case for case in wanted if _key(*case) not in self.losses]
        for done, (host, fault, seed) in enumerate(missing, 1):
            key, losses = _key(host, fault, seed), train(host, fault, seed)
            self.losses[key] = losses
            entry = {"host": key[0], "fault": key[1], "seed": seed, "losses": losses}
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            found = self.of(*key) or ""
            print(f"{done}/{len(missing)} {key[0]} {key[1]} {seed}: {found}", flush=True)


def _key(host: Host, fault: Fault | None, seed: int) -> Key:
    return host.name, fault.name if fault else HEALTHY, seed
