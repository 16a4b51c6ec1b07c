"""Verdicts against what the networks are: false alarms, misses, wrong names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.faults.faults import Fault

from .entries import Entry
from .verdicts import Verdict


@dataclass(frozen=True)
class Judged:
    """One network, what it is and what was said of it.

    ``truth``: "healthy"; "benign", "mixed", "slowed", "failed" or "lost" of a fault; "trains", "mixed" or
    "fails" of the forecast.
    """

    entry: Entry
    truth: str
    verdict: Verdict
    fault: Fault | None = None
    culprits: tuple[str, ...] = ()

    @property
    def coded(self) -> bool:
        """Whether the first cause is of a rule that names the fault."""
        return bool(self.fault and self.verdict.causes) and self.verdict.causes[0].code in self.fault.codes

    @property
    def named(self) -> bool:
        """Whether there is one cause with a culprit first, or no layer where none is to blame."""
        if len(self.verdict.causes) != 1:
            return False
        layers = self.verdict.causes[0].layers
        return _within(layers[0], self.culprits) if layers else not self.culprits or self.coded

    @property
    def rescaled(self) -> bool:
        """Whether all weights are a few times off in a network whose norms take the scale away."""
        return self.fault is not None and self.fault.name in RESCALINGS


RESCALINGS = ("all 1/3", "all x3")


def _within(layer: str, culprits: Sequence[str]) -> bool:
    return any(layer == culprit or layer.startswith(f"{culprit}.") for culprit in culprits)


@dataclass(frozen=True)
class Measure:
    """A share that the table shows: of the networks in question, those that are as wanted."""

    title: str
    asked: Callable[[Judged], bool]
    met: Callable[[Judged], bool]
    wanted: str  # what the benchmark asks for, "" for what is shown only
    most: bool = False  # the share is of what is wrong: it should be small
    of_peers: bool = True  # whether tools that name no cause can be measured so


def _harmful(judged: Judged) -> bool:
    return judged.entry.part == "faults" and judged.truth in ("slowed", "failed", "lost") and not judged.rescaled


def _alarmed(judged: Judged) -> bool:
    """An error, or at least a warning where training is only slowed."""
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
    Measure("harmful faults: one cause, culprit first", _harmful, lambda j: j.named, "≥ 95 %", of_peers=False),
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
    """Those in question, and those of them that are wrong; what could not be judged is neither silent nor right."""
    asked = [each for each in judged if measure.asked(each)]
    return asked, [each for each in asked if each.verdict.broken or measure.met(each) == measure.most]
