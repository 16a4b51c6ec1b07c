"""All hosts, all faults, and every mutant that results from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch

from benchmarks.fresh.hosts import HOSTS as FRESH

from . import hosts, hosts_sequences, hosts_vision
from .bugs import BUGS
from .faults import FAULTS, Fault
from .hosts import Host, Subject

HOSTS: dict[str, Host] = {host.name: host for host in (*hosts.HOSTS, *hosts_vision.HOSTS, *hosts_sequences.HOSTS)}
FRESH_HOSTS: dict[str, Host] = {host.name: host for host in FRESH}
EVERY_HOST = HOSTS | FRESH_HOSTS
MOST_HOSTS = 18  # for each fault
MOST_FAULTS = 22  # for each fresh host
EVERY_FAULT: dict[str, Fault] = {fault.name: fault for fault in (*FAULTS, *BUGS)}


def mutant(host: Host, fault: Fault | None, seed: int) -> tuple[Subject, list[str]]:
    """Return a host with a fault (or none), and the names of the root-cause layers."""
    subject = Subject(host, seed)
    if fault is None:
        return subject, []
    with torch.no_grad():
        return subject, list(fault.inject(subject))


def mutants(seed: int) -> Iterator[tuple[Host, Fault]]:
    """Yield every fault with up to :data:`MOST_HOSTS` hosts that it applies to, selected by a fixed hash."""
    bare = {name: Subject(host, seed) for name, host in HOSTS.items()}
    for fault in EVERY_FAULT.values():
        hosts = [name for name, subject in bare.items() if fault.applies(subject)]
        hosts.sort(key=lambda name: hashlib.sha256(f"{fault.name}|{name}".encode()).digest())
        for name in hosts[:MOST_HOSTS]:
            yield HOSTS[name], fault


def fresh_mutants(seed: int) -> Iterator[tuple[Host, Fault]]:
    """Yield every fresh host with up to :data:`MOST_FAULTS` faults that apply to it, selected by a fixed hash."""
    for host in FRESH_HOSTS.values():
        subject = Subject(host, seed)
        faults = [fault for fault in EVERY_FAULT.values() if fault.applies(subject)]
        faults.sort(key=lambda fault: hashlib.sha256(f"{host.name}|{fault.name}".encode()).digest())
        for fault in faults[:MOST_FAULTS]:
            yield host, fault
