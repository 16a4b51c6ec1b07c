"""All networks that are judged, by key: healthy ones, faulty ones, and those of the forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial

import torch
from torch import Generator
from torch.optim import SGD, Optimizer

from benchmarks.faults.catalogue import EVERY_FAULT, HOSTS, mutant, mutants
from benchmarks.faults.labels import HEALTHY, HOST_SEEDS
from benchmarks.forecast import training
from benchmarks.forecast.grid import PLANS
from benchmarks.healthy import NETS
from benchmarks.nets import Case

from .halves import Half, half

SEED = 0
HOST_CHECKS = 10  # checked seeds of each healthy host; more than are trained


@dataclass(frozen=True)
class Entry:
    """A network to judge.

    Attributes:
        part: "healthy", "hosts" (healthy too), "faults" or "forecast".
        family: unit of the split.
        rate: learning rate of the SGD optimizer that is passed to the check.
    """

    part: str
    name: str
    family: str
    seed: int
    make: Callable[[], Case] = field(repr=False, compare=False)
    rate: float = 0.01

    @property
    def key(self) -> str:
        return f"{self.part}|{self.name}|{self.seed}"

    @property
    def half(self) -> Half:
        return half("faults" if self.part == "hosts" else self.part, self.family)

    def case(self) -> Case:
        """Return the network with newly drawn weights."""
        torch.manual_seed(self.seed)
        return self.make()

    def optimizer(self, case: Case) -> Optimizer:
        return SGD([p for p in case.model.parameters() if p.requires_grad], lr=self.rate)


@lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    every = (*_healthy(), *_hosts(), *_faults(), *_forecast())
    return {entry.key: entry for entry in every}


def _healthy() -> Iterator[Entry]:
    for net in NETS:
        yield Entry("healthy", net.name, net.family, SEED, net.build)


def _hosts() -> Iterator[Entry]:
    for name, host in HOSTS.items():
        for seed in range(HOST_CHECKS):
            make = partial(injected, name, HEALTHY, seed)
            yield Entry("hosts", f"{name}/{HEALTHY}", name, seed, make, host.rates[0])


def _faults() -> Iterator[Entry]:
    for host, fault in mutants(SEED):
        make = partial(injected, host.name, fault.name, SEED)
        yield Entry("faults", f"{host.name}/{fault.name}", host.name, SEED, make, host.rates[0])


def _forecast() -> Iterator[Entry]:
    for plan in PLANS:
        yield Entry("forecast", plan.name, plan.family, SEED, partial(training.case, plan, SEED))


def injected(host: str, fault: str, seed: int) -> Case:
    """Return a host, with a fault unless the name is "healthy", and the first batch of its training."""
    subject, _ = mutant(HOSTS[host], EVERY_FAULT.get(fault), seed)
    task = subject.host.task
    x, y = task.draw(Generator().manual_seed(1000 + seed), task.batch, False)
    return Case(subject.model, subject.prepare(x), lambda output: subject.loss(output, y))


def trainings() -> Iterator[tuple[str, str, int]]:
    """Yield (host, fault, seed) of every training run that labels the faults."""
    for name in HOSTS:
        for seed in range(HOST_SEEDS):
            yield name, HEALTHY, seed
    for host, fault in mutants(SEED):
        yield host.name, fault.name, SEED
