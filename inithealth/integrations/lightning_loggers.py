"""Writes the summary scalars with ``log_metrics`` of any Lightning logger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inithealth.findings import Report
from inithealth.recording import Recording, Step
from inithealth.sessions.run_values import Values


class MetricsSink:
    """Logs with its own step, because ``log_every_n_steps`` would drop step 0."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def step(self, recording: Recording, step: Step) -> None:
        from inithealth.tensorboard.scalars import step_scalars

        self._log(step_scalars(step), step.index)

    def report(self, recording: Recording, report: Report, step: int) -> None:
        from inithealth.tensorboard.scalars import report_scalars

        self._log(report_scalars(report), step)

    def started(self, structure: Mapping[str, Any], values: Values) -> None:
        return None

    def valued(self, values: Values) -> None:
        return None

    def close(self) -> None:
        return None

    def _log(self, values: dict[str, float], step: int) -> None:
        from inithealth.tensorboard.scalars import GROUP

        self._logger.log_metrics({GROUP + name: value for name, value in values.items()}, step=step)
