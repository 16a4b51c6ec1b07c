"""All networks that are judged, by key: healthy ones, faulty ones, and those of the forecast."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain

import torch
from torch import Generator
from torch.optim import SGD, Optimizer

from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST, FRESH_HOSTS, HOSTS, fresh_mutants, mutant, mutants
from benchmarks.faults.faults import Fault
from benchmarks.faults.hosts import Host
from benchmarks.faults.labels import HEALTHY, HOST_SEEDS
from benchmarks.forecast import training
from benchmarks.forecast.grid import PLANS, Plan
from benchmarks.fresh import nets as fresh_nets
from benchmarks.fresh import plans as fresh_plans
from benchmarks.healthy import NETS
from benchmarks.nets import Case, Net

from .halves import FRESH, HALVES, USUAL, Half, half

SEED = 0
HOST_CHECKS = 10  # checked seeds of each healthy host; more than are trained


@dataclass(frozen=True)
class Entry:
    """A network to judge.

    Attributes:
        part: "healthy", "hosts" (healthy too), "faults" or "forecast".
        family: unit of the split.
        rate: learning rate of the SGD optimizer that is passed to the check.
        fresh: whether the network is in the fresh half. If not, its half depends on its family.
    """

    part: str
    name: str
    family: str
    seed: int
    make: Callable[[], Case] = field(repr=False, compare=False)
    rate: float = 0.01
    fresh: bool = False

    @property
    def key(self) -> str:
        return f"{self.part}|{self.name}|{self.seed}"

    @property
    def half(self) -> Half:
        return FRESH if self.fresh else half("faults" if self.part == "hosts" else self.part, self.family)

    def case(self) -> Case:
        """Return the network with newly drawn weights."""
        torch.manual_seed(self.seed)
        return self.make()

    def optimizer(self, case: Case) -> Optimizer:
        return SGD([p for p in case.model.parameters() if p.requires_grad], lr=self.rate)


@lru_cache(maxsize=1)
def every_entry() -> dict[str, Entry]:
    """Return the networks of all halves, by key."""
    every = chain(
        *(_healthy(nets, fresh) for nets, fresh in ((NETS, False), (fresh_nets.NETS, True))),
        *(_hosts(hosts, fresh) for hosts, fresh in ((HOSTS, False), (FRESH_HOSTS, True))),
        *(_faults(found, fresh) for found, fresh in ((mutants(SEED), False), (fresh_mutants(SEED), True))),
        _forecast(PLANS, SEED, False),
        _forecast(fresh_plans.PLANS, fresh_plans.SEED, True),
    )
    return {entry.key: entry for entry in every}


def entries(halves: Container[Half] = USUAL) -> dict[str, Entry]:
    """Return the networks of these halves, by key; by default without the fresh half."""
    return {key: entry for key, entry in every_entry().items() if entry.half in halves}


def _healthy(nets: Iterable[Net], fresh: bool) -> Iterator[Entry]:
    for net in nets:
        yield Entry("healthy", net.name, net.family, SEED, net.build, fresh=fresh)


def _hosts(hosts: Mapping[str, Host], fresh: bool) -> Iterator[Entry]:
    for name, host in hosts.items():
        for seed in range(HOST_CHECKS):
            make = partial(injected, name, HEALTHY, seed)
            yield Entry("hosts", f"{name}/{HEALTHY}", name, seed, make, host.rates[0], fresh)


def _faults(found: Iterable[tuple[Host, Fault]], fresh: bool) -> Iterator[Entry]:
    for host, fault in found:
        make = partial(injected, host.name, fault.name, SEED)
        yield Entry("faults", f"{host.name}/{fault.name}", host.name, SEED, make, host.rates[0], fresh)


def _forecast(plans: Iterable[Plan], seed: int, fresh: bool) -> Iterator[Entry]:
    for plan in plans:
        yield Entry("forecast", plan.name, plan.family, seed, partial(training.case, plan, seed), fresh=fresh)


def injected(host: str, fault: str, seed: int) -> Case:
    """Return a host, with a fault unless the name is "healthy", and the first batch of its training."""
    subject, _ = mutant(EVERY_HOST[host], EVERY_FAULT.get(fault), seed)
    task = subject.host.task
    x, y = task.draw(Generator().manual_seed(1000 + seed), task.batch, False)
    return Case(subject.model, subject.prepare(x), lambda output: subject.loss(output, y))


def trainings(halves: Container[Half] = HALVES) -> Iterator[tuple[str, str, int]]:
    """Yield (host, fault, seed) of every training run that labels the faults of these halves."""
    for name in EVERY_HOST:
        if _half_of(name) in halves:
            for seed in range(HOST_SEEDS):
                yield name, HEALTHY, seed
    for host, fault in chain(mutants(SEED), fresh_mutants(SEED)):
        if _half_of(host.name) in halves:
            yield host.name, fault.name, SEED


def _half_of(host: str) -> Half:
    return FRESH if host in FRESH_HOSTS else half("faults", host)
