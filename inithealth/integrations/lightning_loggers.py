"""Writes the summary scalars with ``log_metrics`` of any Lightning logger, and the page if it keeps files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inithealth.findings import Report
from inithealth.integrations.logger_pages import log_page
from inithealth.recording import Recording, Step
from inithealth.sessions.monitor import Monitor
from inithealth.sessions.run_values import Values


class MetricsSink:
    """Logs with its own step, because ``log_every_n_steps`` would drop step 0.

    Args:
        logger: a Lightning logger.
        monitor: of the run, whose page is logged at its end; None logs no page.
    """

    def __init__(self, logger: Any, monitor: Monitor | None = None) -> None:
        self._logger, self._monitor = logger, monitor

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
        """Log the page of the whole run, once."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None and monitor.recorded:
            log_page(self._logger, monitor.report)

    def _log(self, values: dict[str, float], step: int) -> None:
        from inithealth.tensorboard.scalars import GROUP

        self._logger.log_metrics({GROUP + name: value for name, value in values.items()}, step=step)
