"""The harmful mutants, in an order of which every beginning is a stratified sample."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Container, Iterable
from functools import lru_cache

import torch

from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST, mutant
from benchmarks.faults.hosts import Subject
from benchmarks.judging.entries import Entry, entries
from benchmarks.judging.halves import Half
from benchmarks.judging.kept import Kept
from benchmarks.judging.scored import RESCALINGS
from benchmarks.judging.truth import true_of
from benchmarks.judging.work import LABELS

HARMFUL = ("slowed", "failed", "lost")
SEED = 0


def harmful(halves: Container[Half]) -> list[Entry]:
    """Return the mutants that the stored trainings label as harmful, without rescalings of the whole network."""
    trained, forecast = Kept(LABELS / "trained.jsonl"), Kept(LABELS / "foretold.jsonl")
    mutants = [each for each in entries(halves).values() if each.part == "faults" and fault_of(each) not in RESCALINGS]
    return [each for each in mutants if true_of(each, trained, forecast) in HARMFUL]


def fault_of(entry: Entry) -> str:
    return entry.name.split("/", 1)[1]


@lru_cache
def in_parameters(fault: str) -> bool:
    """Return whether a fault changes parameters. If not, it is in the inputs or in the code of the network."""
    host = next(host for host in EVERY_HOST.values() if EVERY_FAULT[fault].applies(Subject(host, SEED)))
    before = Subject(host, SEED).model.state_dict()
    after = mutant(host, EVERY_FAULT[fault], SEED)[0].model.state_dict()
    return not all(torch.equal(before[name], value) for name, value in after.items())


def stratified(mutants: Iterable[Entry]) -> list[Entry]:
    """Return the mutants in an order in which kinds of fault and hosts come equally often, drawn with a fixed seed.

    A larger sample contains each smaller one, so results of a small sample stay useful.
    """
    left = sorted(mutants, key=lambda each: each.key)
    random.Random(SEED).shuffle(left)
    faults: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    ordered = []
    while left:
        entry = min(left, key=lambda each: (faults[fault_of(each)] + hosts[each.family], faults[fault_of(each)]))
        left.remove(entry)
        faults[fault_of(entry)] += 1
        hosts[entry.family] += 1
        ordered.append(entry)
    return ordered
