"""Reports the findings of a running training: to the log, TensorBoard and the user's callback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from inithealth.console.log import LEVELS, Log
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, Severity
from inithealth.record.failures import Failures
from inithealth.record.live.guarded import Guard
from inithealth.recording import Recording, Step
from inithealth.report.finding_text import headline, located, title
from inithealth.report.summary import health
from inithealth.sessions.lifetimes import identity
from inithealth.sessions.run_values import Values

_MOST_NOTES = 2  # notes in the line of a healthy run


class Sink(Protocol):
    """Receives the findings and measurements of a run, such as a writer of TensorBoard's events."""

    def report(self, recording: Recording, report: Report, step: int) -> None:
        """Receive the findings when they have changed."""

    def step(self, recording: Recording, step: Step) -> None:
        """Receive a recorded step, at the latest after its report."""

    def started(self, structure: Mapping[str, Any], values: Values) -> None:
        """Receive the structure of the run and the values of its first step, without its updates."""

    def valued(self, values: Values) -> None:
        """Receive the values of a recorded step with its updates."""

    def close(self) -> None:
        """End the run."""


class Alerts:
    """Reports each cause once, again if it gets worse, and when it is resolved.

    A healthy first verdict is one line. The first alarm is logged as the whole report, each later one as a line, so
    that no cause is logged twice. Errors in the writers, callbacks and handlers of the log are logged, never raised.
    """

    def __init__(
        self, writer: Any = None, on_alert: Callable[[Finding], None] | None = None, log: Log | None = None
    ) -> None:
        self.sinks: list[Sink] = []
        self.on_alert = on_alert
        self.log = log or Log()
        self.failures = Failures()  # what could not be delivered
        self._guard = Guard(self.failures, self._log_error, foreign=True)
        self.quiet = False  # on ranks other than 0
        self.resumed = False  # whether this run continues one that was not recorded
        # Whether a report that fails at a step is raised: the error then shows it, and the log does not repeat it.
        self.raised_at: Callable[[int], bool] = _never
        self._worst: dict[str, Severity] = {}  # of each alert so far: a recurring one is reported only if it is worse
        self._open: dict[str, Finding] = {}
        self._judged = False
        self._shown = False  # whether the report has been logged
        self._steps = 0
        if writer is not None:
            self.add_writer(writer)

    def add_writer(self, writer: Any) -> None:
        """Also write to a SummaryWriter."""
        from inithealth.tensorboard.summaries import Summaries

        self.sinks.append(Summaries(writer))

    def judged(self, recording: Recording, report: Report, index: int) -> None:
        """Report the changes of the findings."""
        if self.quiet:
            return
        self._log_new(report, self._new(report), index)
        self.safely(self._log_resolved, report, index)
        for sink in self.sinks:
            self.safely(sink.report, recording, report, index)

    def measured(self, recording: Callable[[], Recording], step: Step) -> None:
        """Write a recorded step: each of the first 999, then every tenth, every hundredth, and so on."""
        self._steps += 1
        every = 10 ** max(0, len(str(self._steps)) - 3)
        if self.sinks and (self._steps % every == 0 or step.broken):
            numbers = recording()
            for sink in self.sinks:
                self.safely(sink.step, numbers, step)

    def started(self, structure: Mapping[str, Any], values: Values) -> None:
        """Write the structure of the run, and the values of its first step."""
        for sink in self.sinks:
            self.safely(sink.started, structure, values)

    def valued(self, values: Values) -> None:
        """Write the values of a recorded step."""
        for sink in self.sinks:
            self.safely(sink.valued, values)

    def close(self) -> None:
        for sink in self.sinks:
            self.safely(sink.close)

    def _new(self, report: Report) -> list[Finding]:
        """Return the causes that are new or worse than when they were reported."""
        found = []
        for cause in report.causes:
            before = self._worst.get(identity(cause))
            if before is None or cause.severity > before:
                self._worst[identity(cause)] = cause.severity
                found.append(cause)
        return found

    def _log_new(self, report: Report, new: Sequence[Finding], index: int) -> None:
        alarms = [cause for cause in report.causes if _is_alarm(cause, report)]
        first, self._judged = not self._judged, True
        if not report.ok and self.raised_at(index):
            self._shown = True
        elif alarms and not self._shown:
            self._shown = True
            worst = max(cause.severity for cause in alarms)
            self.safely(self.log.report, max(LEVELS[worst], logging.WARNING), report)
        else:
            if first:
                self.safely(self.log.line, logging.INFO, self._healthy(report, index))
            for cause in new:
                self.safely(self._log_cause, cause, note=cause not in alarms)
        for cause in new:  # the callback may be a pager: no notes
            if self.on_alert is not None and cause.severity > Severity.INFO and cause.suppressed is None:
                self.safely(self.on_alert, cause)

    def _healthy(self, report: Report, index: int) -> str:
        """Return the line of a healthy verdict, with notes such as suspects on probation, and what is missing."""
        notes = [title(cause) for cause in report.causes if cause.suppressed is None]
        suppressed = len(report.causes) - len(notes)
        notes = list(dict.fromkeys(notes))
        more = f" and {len(notes) - _MOST_NOTES} more" if len(notes) > _MOST_NOTES else ""
        facts = [
            f"{report.model}, {count(len(report.layers), 'layer')}",
            *(["resumed: the initialization is not judged"] if self.resumed else ()),
            *([f"info: {', '.join(notes[:_MOST_NOTES])}{more}"] if notes else ()),
            *([f"{suppressed} suppressed"] if suppressed else ()),
            *(["not everything was measured: see the report"] if report.not_measured else ()),
        ]
        return f"{health(report)} at step {index} ({'; '.join(facts)})"

    def _log_cause(self, cause: Finding, *, note: bool) -> None:
        suppressed = "" if cause.suppressed is None else f" (suppressed: {cause.suppressed})"
        level = logging.INFO if suppressed else LEVELS[cause.severity]
        self.log.line(level, f"{headline(cause)}{suppressed}", finding=cause, note=note)

    def _log_resolved(self, report: Report, index: int) -> None:
        found = {identity(each) for each in report.findings}  # a cause that became a consequence is not resolved
        if any(each.rule.startswith("non-finite") for each in report.findings):
            found |= set(self._open)  # with NaN in the numbers the others cannot be measured: none of them is resolved
        for alert, cause in sorted(self._open.items()):
            if alert not in found:
                # The layer is left out for rules of the steps, because the worst layer changes.
                name = title(cause) if identity(cause) == cause.code else located(cause)
                note = not _is_alarm(cause, report)
                self.log.line(logging.INFO, f"resolved at step {index}: {name}", finding=cause, note=note)
        still = {alert: cause for alert, cause in self._open.items() if alert in found}
        self._open = still | {identity(cause): cause for cause in report.causes}

    def safely(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call a function and log its error: a full disk must not end the training."""
        self._guard.run(call, args, kwargs, what=_name(call), always=True)

    def _log_error(self, what: str, error: BaseException) -> None:
        self.log.warning(f"{what} failed; the training continues", exc_info=True)


def _is_alarm(cause: Finding, report: Report) -> bool:
    """Return whether a cause is not suppressed and is above info or fails the report."""
    failing = report.fail_on != "never" and cause.severity >= Severity(report.fail_on)
    return cause.suppressed is None and (cause.severity > Severity.INFO or failing)


def _name(call: Callable[..., Any]) -> str:
    try:
        return str(call.__qualname__)
    except Exception:  # the user's object may raise anything
        return type(call).__name__


def _never(index: int) -> bool:
    return False
