"""Where findings go while a run goes on: the log, TensorBoard, the user's function."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from inithealth.findings import Finding, Report, Severity
from inithealth.recording import Recording, Step

logger = logging.getLogger("inithealth")

_LEVELS = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}


_RUNNING = "IH4"  # codes of what steps tell


class Alerts:
    """Tells each cause once, again when it gets worse, and when it is over.

    Errors of what it tells are logged, never raised.
    """

    def __init__(self, writer: Any = None, on_alert: Callable[[Finding], None] | None = None) -> None:
        self.sinks: list[Any] = []  # objects with step(recording, step), report(recording, report, step), close()
        self.on_alert = on_alert
        self.quiet = False  # on ranks other than 0
        self._told: dict[str, Severity] = {}  # the worst of each alert so far: one that comes back is told if worse
        self._open: set[str] = set()
        self._steps = 0
        self._shown = False  # the table, once
        if writer is not None:
            self.add_writer(writer)

    def add_writer(self, writer: Any) -> None:
        """Also write to a SummaryWriter."""
        from inithealth.tensorboard.summaries import Summaries

        self.sinks.append(Summaries(writer))

    def judged(self, recording: Recording, report: Report, index: int) -> None:
        """The findings may have changed."""
        if self.quiet:
            return
        if not self._shown and any(
            cause.severity > Severity.INFO and cause.suppressed is None for cause in report.causes
        ):
            self._shown = True
            logger.warning("%s", report)
        for cause in report.causes:
            before = self._told.get(_alert(cause))
            if before is None or cause.severity > before:
                self._told[_alert(cause)] = cause.severity
                self._tell(cause)
        found = {_alert(each) for each in report.findings}  # what has become a consequence is not over
        for alert in sorted(self._open - found):
            logger.info("%s: no longer found at step %d", alert, index)
        self._open = (self._open & found) | {_alert(cause) for cause in report.causes}
        for sink in self.sinks:
            _safely(sink.report, recording, report, index)

    def measured(self, recording: Callable[[], Recording], step: Step) -> None:
        """One more step was recorded. Of the first 999 each is shown, then every tenth, hundredth: 900 a decade."""
        self._steps += 1
        every = 10 ** max(0, len(str(self._steps)) - 3)
        if self.sinks and (self._steps % every == 0 or step.broken):
            numbers = recording()
            for sink in self.sinks:
                _safely(sink.step, numbers, step)

    def close(self) -> None:
        for sink in self.sinks:
            _safely(sink.close)

    def _tell(self, cause: Finding) -> None:
        if cause.suppressed is not None:
            logger.info("%s %s: %s (suppressed: %s)", cause.code, cause.rule, cause.message, cause.suppressed)
            return
        logger.log(_LEVELS[cause.severity], "%s %s: %s", cause.code, cause.rule, cause.message)
        if self.on_alert is not None and cause.severity > Severity.INFO:  # a pager is not for notes
            _safely(self.on_alert, cause)


def _alert(cause: Finding) -> str:
    """What is told once: while a run goes on, the worst layer of one trouble changes from step to step."""
    return cause.code if cause.code.startswith(_RUNNING) else cause.key


def _safely(call: Callable[..., Any], *args: Any) -> None:
    """A full disk or a pager that is down must not end the training."""
    try:
        call(*args)
    except Exception:
        name = getattr(call, "__qualname__", type(call).__name__)
        logger.warning("%s failed; the training goes on", name, exc_info=True)
