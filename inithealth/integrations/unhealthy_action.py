"""The action on an unhealthy report: none, a stop after the current step, or an error."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from inithealth.console.log import Log
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, UnhealthyInit
from inithealth.integrations.report_file import ReportFile
from inithealth.report.finding_text import located
from inithealth.report.plain import printable
from inithealth.report.planned_fixes import planned_fixes
from inithealth.settings import Settings

_PROBATION = 10  # steps after which the suspects of the start are settled, watched or not

OnUnhealthy = Literal["warn", "stop", "raise"]


class UnhealthyAction:
    """Stops or raises at the same step on every rank. Each run has its own.

    Args:
        kind: the action.
        settings: which steps are watched.
        log: where a stop is reported.
        file: where the report is written.
    """

    def __init__(self, kind: OnUnhealthy, settings: Settings, log: Log, file: ReportFile) -> None:
        self._kind, self._settings, self._log, self._file = kind, settings, log, file
        self._stopped = False

    def raises_at(self, step: int) -> bool:
        """Return whether a report that fails at that step is raised."""
        return self._kind == "raise" and self._decides_at(step)

    def take(self, trainer: Any, step: int, report: Report | None) -> None:
        """Stop the run or raise UnhealthyInit if the report of any rank fails."""
        # All ranks must take part in the reduction at the same steps, whatever they found.
        if self._kind == "warn" or not self._decides_at(step):
            return
        bad = report is not None and not report.ok
        if not trainer.strategy.reduce_boolean_decision(bad, all=False):
            return
        if self._kind == "raise":
            _end_bar(trainer)
            # The traceback shows the line that raises: it is not the one with the text for other processes.
            error = UnhealthyInit("found by another process: see its error")
            if report is not None and bad:
                error = UnhealthyInit(report, _advice(report, self._file.saved))
            raise error
        trainer.should_stop = True
        if not self._stopped and trainer.is_global_zero:  # min_steps may delay the stop
            self._log_stop(step, report.failures if report is not None else ())
        self._stopped = True

    def _decides_at(self, step: int) -> bool:
        return step < _PROBATION or self._settings.watches(step)

    def _log_stop(self, step: int, failures: Sequence[Finding]) -> None:
        """Log the cause: Lightning ends the run without a message and with exit status 0."""
        causes = [located(each) for each in sorted(failures, key=lambda each: each.severity, reverse=True)]
        more = f" and {count(len(causes) - 1, 'more cause')}" if len(causes) > 1 else ""
        why = f"{causes[0]}{more}" if causes else "another process found a cause"
        self._log.line(logging.ERROR, f'stopped at step {step}: {why} (on_unhealthy="stop")')


def _advice(report: Report, file: Path | None) -> str:
    """Return how to get the code of the fixes; "" if the report has none.

    Args:
        file: that has the report. None: it is in the error alone.
    """
    if not any(plan.operations for plan in planned_fixes(report)):
        return ""
    if file is not None:
        return printable(f"the fixes as code: inithealth fix {shlex.quote(str(file))}")
    return "to apply the fixes and get their code: error.report.apply(model), where error is this exception"


def _end_bar(trainer: Any) -> None:
    """Close Lightning's tqdm bar, so that a traceback starts on a line of its own."""
    with suppress(Exception):  # no bar, or one of another kind
        trainer.progress_bar_callback.train_progress_bar.close()
