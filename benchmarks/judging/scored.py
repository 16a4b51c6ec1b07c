"""Scores verdicts against the true labels: false alarms, misses, wrong causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.faults.faults import Fault

from .entries import Entry
from .verdicts import Verdict


@dataclass(frozen=True)
class Judged:
    """A network, its true label and the verdict about it.

    ``truth``: "healthy"; for faults "benign", "mixed", "slowed", "failed" or "lost"; for the forecast "trains", "mixed"
    or "fails".
    """

    entry: Entry
    truth: str
    verdict: Verdict
    fault: Fault | None = None
    cause_layers: tuple[str, ...] = ()

    @property
    def coded(self) -> bool:
        """Return whether the first cause comes from a rule that names the fault."""
        return bool(self.fault and self.verdict.causes) and self.verdict.causes[0].code in self.fault.codes

    @property
    def named(self) -> bool:
        """Return whether there is one cause that lists a root-cause layer first, or no layer if the fault has none."""
        if len(self.verdict.causes) != 1:
            return False
        layers = self.verdict.causes[0].layers
        return _within(layers[0], self.cause_layers) if layers else not self.cause_layers or self.coded

    @property
    def rescaled(self) -> bool:
        """Return whether all weights are scaled by 3 or 1/3 in a network whose normalization removes the scale."""
        return self.fault is not None and self.fault.name in RESCALINGS


RESCALINGS = ("all 1/3", "all x3")


def _within(layer: str, cause_layers: Sequence[str]) -> bool:
    return any(layer == cause_layer or layer.startswith(f"{cause_layer}.") for cause_layer in cause_layers)


@dataclass(frozen=True)
class Measure:
    """A share in the table: the fraction of the selected networks that meet a condition."""

    title: str
    selects: Callable[[Judged], bool]
    met: Callable[[Judged], bool]
    target: str  # target of the benchmark, "" if the share is only shown
    most: bool = False  # the share is a maximum: it counts errors
    of_peers: bool = True  # whether it can be measured for tools that report no cause


def _harmful(judged: Judged) -> bool:
    return judged.entry.part == "faults" and judged.truth in ("slowed", "failed", "lost") and not judged.rescaled


def _alarmed(judged: Judged) -> bool:
    """Return whether there is an error, or at least a warning if training is only slowed."""
    return judged.verdict.flagged if judged.truth == "slowed" else judged.verdict.error


MEASURES: tuple[Measure, ...] = (
    Measure("healthy: error", lambda j: j.entry.part == "healthy", lambda j: j.verdict.error, "0", most=True),
    Measure(
        "healthy: warning or error",
        lambda j: j.entry.part == "healthy",
        lambda j: j.verdict.flagged,
        "≤ 2 %",
        most=True,
    ),
    Measure(
        "healthy hosts: warning or error",
        lambda j: j.entry.part == "hosts",
        lambda j: j.verdict.flagged,
        "0",
        most=True,
    ),
    Measure("harmful faults found", _harmful, _alarmed, "≥ 98 %"),
    Measure("harmful faults: any warning", _harmful, lambda j: j.verdict.flagged, ""),
    Measure("harmful faults: right rule", _harmful, lambda j: j.coded, "≥ 95 %", of_peers=False),
    Measure("harmful faults: one cause, root-cause layer first", _harmful, lambda j: j.named, "≥ 95 %", of_peers=False),
    Measure("benign faults: error", lambda j: j.truth == "benign", lambda j: j.verdict.error, "≤ 3 %", most=True),
    Measure(
        "benign faults: warning or error", lambda j: j.truth == "benign", lambda j: j.verdict.flagged, "", most=True
    ),
    Measure(
        "harmed under one optimizer only: warning or error",
        lambda j: j.entry.part == "faults" and j.truth == "mixed",
        lambda j: j.verdict.flagged,
        "",
    ),
    Measure(
        "harmful, all weights x3 or 1/3: warning or error",
        lambda j: j.rescaled and j.truth in ("slowed", "failed"),
        lambda j: j.verdict.flagged,
        "",
    ),
    Measure("forecast: failing, error", lambda j: j.truth == "fails", lambda j: j.verdict.error, "≥ 95 %"),
    Measure("forecast: failing, warning or error", lambda j: j.truth == "fails", lambda j: j.verdict.flagged, ""),
    Measure("forecast: training, error", lambda j: j.truth == "trains", lambda j: j.verdict.error, "≤ 1 %", most=True),
    Measure(
        "forecast: training, warning or error",
        lambda j: j.truth == "trains",
        lambda j: j.verdict.flagged,
        "",
        most=True,
    ),
)


def count(measure: Measure, judged: Iterable[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Return the selected networks and those judged wrongly. A broken verdict is always wrong."""
    selected = [each for each in judged if measure.selects(each)]
    return selected, [each for each in selected if each.verdict.broken or measure.met(each) == measure.most]
