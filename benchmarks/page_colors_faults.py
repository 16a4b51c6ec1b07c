"""Faults whose colors are measured: those of the page's tests, and one host of each half for each injected fault.

Only faults that harm the training of their host, and that are in some of its layers, are measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import inithealth
from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST, mutant, mutants
from benchmarks.faults.labels import HEALTHY, HOST_SEEDS, label
from benchmarks.judging.entries import injected
from benchmarks.judging.halves import FITTED, HALVES, Half, half
from benchmarks.judging.kept import Kept
from inithealth.findings import Report
from tests.page.networks import FAULTY

SEED = 0
BENIGN = ("benign", "mixed")
_LABELS = Kept(Path(__file__).parent / "labels" / "trained.jsonl")


@dataclass(frozen=True)
class Faulty:
    """A network with a fault; ``check`` returns its report, and the modules that are the root cause."""

    name: str
    half: Half
    check: Callable[[], tuple[Report, Collection[str]]]


def faulty() -> Iterator[Faulty]:
    for name, (build, _, _) in FAULTY.items():
        yield Faulty(name, FITTED, lambda build=build: _of_case(build()))
    found: dict[tuple[str, Half], list[str]] = {}
    for host, fault in mutants(SEED):
        found.setdefault((fault.name, half("page", host.name)), []).append(host.name)
    for fault in EVERY_FAULT:
        for side in HALVES:
            hosts = found.get((fault, side), [])
            first = next((host for host in sorted(hosts, key=lambda h: _order(fault, h)) if _harms(host, fault)), None)
            if first is not None and mutant(EVERY_HOST[first], EVERY_FAULT[fault], SEED)[1]:
                yield Faulty(f"{fault}, {first}", side, lambda h=first, f=fault: _of_host(h, f))


def _order(fault: str, host: str) -> bytes:
    return hashlib.sha256(f"page|{fault}|{host}".encode()).digest()


def _harms(host: str, fault: str) -> bool:
    """Return whether training labeled the fault as harmful to the host."""
    losses = _LABELS.get(f"{host}|{fault}|{SEED}")
    healthy = [_LABELS.get(f"{host}|{HEALTHY}|{seed}") for seed in range(HOST_SEEDS)]
    if losses is None or "losses" not in losses or None in healthy:
        return False
    known = [each["losses"] for each in healthy if each]
    return label(losses["losses"], known, EVERY_FAULT[fault].lasting) not in BENIGN


def _of_case(case: Any) -> tuple[Report, Collection[str]]:
    report = inithealth.check(case.model, case.batch, loss=case.loss)
    return report, report.causes[0].layers


def _of_host(host: str, fault: str) -> tuple[Report, Collection[str]]:
    case = injected(host, fault, SEED)
    return inithealth.check(case.model, case.batch, loss=case.loss), mutant(EVERY_HOST[host], EVERY_FAULT[fault], SEED)[
        1
    ]
