"""The values of a running training's layers, computed once for the report and for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inithealth.findings import Report
from inithealth.page.deviations import Deviations
from inithealth.page.kept_values import KeptValues
from inithealth.page.step_values import packed
from inithealth.page.structure import structure
from inithealth.recorded_run import StepValues
from inithealth.recording import Recording, Step, Update
from inithealth.report.cause_layers import rules_of_causes


@dataclass(frozen=True)
class Values:
    """The values of one step, as `step_values.packed` returns them."""

    step: int
    block: bytes


class RunValues:
    """Computes the values of each recorded step of one run, and keeps those of the report."""

    def __init__(self) -> None:
        self._deviations: Deviations | None = None
        self._kept: KeptValues | None = None
        self._last: Step | None = None  # its updates are measured later
        self._values: dict[str, Sequence[float]] = {}
        self._block = b""

    def add(self, recording: Callable[[], Recording], report: Callable[[], Report], step: Step) -> Values:
        """Add a step and return its values, without its updates.

        Args:
            recording: returns the recording with this step; called for the first step.
            report: returns the report of the first step; called for the first step.
        """
        if self._deviations is None or self._kept is None:
            start = recording()
            self._deviations = Deviations(start, rules_of_causes(report()))
            self._kept = KeptValues(len(self._deviations.layers))
            for earlier in start.steps[:-1]:  # of the run that this one continues
                self._kept.add(earlier.index, packed(self._deviations.values(earlier)))
        self._last, self._values = step, self._deviations.values(step)
        self._block = packed(self._values)
        self._kept.add(step.index, self._block)
        return Values(step.index, self._block)

    def complete(self, updates: Mapping[str, Update]) -> Values | None:
        """Return the values of the last step with its updates; None if there is none, or if it was returned before."""
        step, self._last = self._last, None
        if step is None or self._deviations is None or self._kept is None:
            return None
        block = self._block
        if updates:
            block = packed({**self._values, "update": self._deviations.updates(updates)})
            self._kept.replace_last(block)
        return Values(step.index, block)

    def structure(self, recording: Recording, report: Report) -> dict[str, object]:
        """Return the structure of the run's document; empty before the first step."""
        if self._deviations is None:
            return {}
        return structure(recording, self._deviations, rules_of_causes(report), report.versions)

    @property
    def started(self) -> bool:
        """Whether a step was added."""
        return self._kept is not None

    @property
    def waiting(self) -> bool:
        """Whether the last step has no updates yet."""
        return self._last is not None

    @property
    def kept(self) -> StepValues | None:
        """The values of the report."""
        return None if self._kept is None else self._kept.values
