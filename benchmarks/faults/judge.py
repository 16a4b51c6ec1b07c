"""What the rules say of each network, against what training said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Generator, Tensor

import inithealth
from inithealth import Severity

from .faults import FAULTS, Fault
from .hosts import HOSTS, Host
from .labels import HEALTHY, OPTIMIZERS, Labels, cases, mutant

HEALTHY_SEEDS = 10  # judging is cheap: more seeds of the hosts than were trained


@dataclass(frozen=True)
class Verdict:
    """What was said of one network; causes at warning or worse, as (severity, code, layers, message)."""

    host: str
    fault: str
    seed: int
    label: str
    culprits: tuple[str, ...]
    codes: tuple[str, ...]
    causes: tuple[tuple[str, str, tuple[str, ...], str], ...]
    lasting: bool = False

    @property
    def found(self) -> bool:
        return bool(self.causes)

    @property
    def error(self) -> bool:
        return any(severity == "error" for severity, *_ in self.causes)

    @property
    def one(self) -> bool:
        return len(self.causes) == 1

    @property
    def first(self) -> bool:
        """Whether the first cause names a culprit first, or no layer where none is to blame."""
        if not self.causes:
            return False
        layers = self.causes[0][2]
        return _within(layers[0], self.culprits) if layers else not self.culprits or self.coded

    @property
    def coded(self) -> bool:
        return bool(self.causes) and self.causes[0][1] in self.codes

    @property
    def right(self) -> bool:
        """One cause, the culprit first: what the benchmark is about."""
        return self.one and self.first

    def json(self) -> str:
        return json.dumps(asdict(self))


def judged(labels: Labels, seeds: int, optimizer: str) -> list[Verdict]:
    """The verdict on every host and on every labelled mutant."""
    verdicts = [_judge(host, None, seed, HEALTHY, optimizer) for host in HOSTS for seed in range(HEALTHY_SEEDS)]
    for host, fault, seed in cases(seeds):
        label = labels.of(host.name, fault.name, seed)
        if label is not None:
            verdicts.append(_judge(host, fault, seed, label, optimizer))
    return verdicts


def _judge(host: Host, fault: Fault | None, seed: int, label: str, optimizer: str) -> Verdict:
    subject, culprits = mutant(host, fault, seed)
    x, y = host.task.draw(Generator().manual_seed(1000 + seed), host.task.batch, False)
    parameters = [p for p in subject.model.parameters() if p.requires_grad]
    rate = host.rates[OPTIMIZERS.index(optimizer)]
    make = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD

    def loss(output: Tensor) -> Tensor:
        return subject.loss(output, y)

    report = inithealth.check(subject.model, subject.prepare(x), loss=loss, optimizer=make(parameters, lr=rate))
    causes = [cause for cause in report.causes if cause.severity >= Severity.WARNING]
    return Verdict(
        host.name,
        fault.name if fault else HEALTHY,
        seed,
        label,
        tuple(culprits),
        fault.codes if fault else (),
        tuple((str(cause.severity.value), cause.code, cause.layers, cause.message) for cause in causes),
        fault is not None and fault.lasting,
    )


def by_fault(verdicts: list[Verdict]) -> Iterator[tuple[str, list[Verdict]]]:
    """The verdicts of each kind of fault, in the catalogue's order."""
    for fault in FAULTS:
        found = [verdict for verdict in verdicts if verdict.fault == fault.name]
        if found:
            yield fault.name, found


def _within(layer: str, culprits: tuple[str, ...]) -> bool:
    return any(layer == culprit or layer.startswith(f"{culprit}.") for culprit in culprits)
