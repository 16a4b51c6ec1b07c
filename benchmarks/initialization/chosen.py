"""The networks: a stratified sample of the healthy ones, 60 in each round, ordered by a fixed hash of their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.faults.catalogue import EVERY_HOST
from benchmarks.fresh import nets as fresh_nets
from benchmarks.healthy import NETS

SHARES = {"host": 12, "everyday": 12, "timm": 13, "torchvision": 3, "transformers": 20}  # of each round


@dataclass(frozen=True)
class Chosen:
    """A network; a host has a training task, the others are trained on their batch."""

    name: str  # "timm/resnet18", "host/gpt"

    @property
    def library(self) -> str:
        return self.name.partition("/")[0]


def chosen(round_: int) -> Iterator[Chosen]:
    """Yield the networks of a round. Later rounds have networks that no earlier one has, if there are enough."""
    names = [net.name for net in (*NETS, *fresh_nets.NETS)] + [f"host/{name}" for name in EVERY_HOST]
    for library, share in SHARES.items():
        ordered = sorted((net for net in map(Chosen, names) if net.library == library), key=hashed)
        yield from ordered[round_ * share : (round_ + 1) * share]


def named(names: Iterable[str]) -> list[Chosen]:
    return list(map(Chosen, names))


def hashed(net: Chosen) -> str:
    """Return a fixed random number of a network, which orders them."""
    return hashlib.sha256(net.name.encode()).hexdigest()
