"""The true label of a network, from the stored losses of trainings."""

from __future__ import annotations

from benchmarks.faults.catalogue import EVERY_FAULT
from benchmarks.faults.labels import HEALTHY, HOST_SEEDS, Losses, label
from benchmarks.forecast import training

from .entries import Entry
from .kept import Kept


def true_of(entry: Entry, trained: Kept, forecast: Kept) -> str | None:
    """Return the label of a network, or None if it is not known yet."""
    if entry.part in ("healthy", "hosts"):
        return "healthy"
    if entry.part == "forecast":
        plan = forecast.get(entry.name)
        return training.label(plan["losses"]) if plan and "losses" in plan else None
    _, fault = entry.name.split("/", 1)
    losses, healthy = mutant_losses(entry, trained), host_losses(entry, trained)
    if losses is None or healthy is None:
        return None
    return label(losses, healthy, EVERY_FAULT[fault].lasting)


def mutant_losses(entry: Entry, trained: Kept) -> Losses | None:
    """Return the losses of a host with a fault, or None if they are not known."""
    host, fault = entry.name.split("/", 1)
    return _losses(f"{host}|{fault}|{entry.seed}", trained)


def host_losses(entry: Entry, trained: Kept) -> list[Losses] | None:
    """Return the losses of the healthy host of a mutant, one dictionary for each seed, or None if one is not known."""
    host, _ = entry.name.split("/", 1)
    found = [_losses(f"{host}|{HEALTHY}|{seed}", trained) for seed in range(HOST_SEEDS)]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else None


def _losses(key: str, trained: Kept) -> Losses | None:
    return (trained.get(key) or {}).get("losses")
