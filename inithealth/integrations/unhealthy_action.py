"""The action on an unhealthy report: none, a stop after the current step, or an error."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from inithealth.console.log import Log
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, UnhealthyInit
from inithealth.report.finding_text import located
from inithealth.settings import Settings

_PROBATION = 10  # steps after which the suspects of the start are settled, watched or not

OnUnhealthy = Literal["warn", "stop", "raise"]


class UnhealthyAction:
    """Stops or raises at the same step on every rank. Each run has its own.

    Args:
        kind: the action.
        settings: which steps are watched.
        log: where a stop is reported.
    """

    def __init__(self, kind: OnUnhealthy, settings: Settings, log: Log) -> None:
        self._kind, self._settings, self._log = kind, settings, log
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
            error = UnhealthyInit(report if report is not None and bad else "found by another process: see its error")
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


def _end_bar(trainer: Any) -> None:
    """Close Lightning's tqdm bar, so that a traceback starts on a line of its own."""
    with suppress(Exception):  # no bar, or one of another kind
        trainer.progress_bar_callback.train_progress_bar.close()
