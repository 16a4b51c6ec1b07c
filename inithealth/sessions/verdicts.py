"""The verdict on a running training: updated when something may have changed, reported to the alerts."""

from __future__ import annotations

from collections.abc import Mapping

from inithealth.findings import Report, Severity
from inithealth.judge.diagnose import diagnose, of_steps
from inithealth.record.failures import Failures, lines
from inithealth.recording import Recording, Step, Update
from inithealth.sessions.alerts import Alerts
from inithealth.sessions.history import History
from inithealth.sessions.lifetimes import Lifetimes
from inithealth.sessions.run_values import RunValues
from inithealth.settings import Settings


class Verdicts:
    """Judges the recording of one run.

    Args:
        history: the recorded steps.
        settings: select the rules.
        alerts: report the findings.
    """

    def __init__(self, history: History, settings: Settings, alerts: Alerts) -> None:
        self._history, self._settings, self._alerts = history, settings, alerts
        self._values, self._lifetimes = RunValues(), Lifetimes()
        self._news, self._failed = False, (0, 0)  # numbers of errors that the report has
        self._judged: Report | None = None
        self._report: Report | None = None  # the same with the values of the steps
        self._of_steps: set[tuple[str, Severity]] = set()  # last findings of the rules that compare steps

    @property
    def report(self) -> Report:
        """The report of the steps so far."""
        failed = (self._history.errors, self._alerts.failures.errors)
        if self._judged is None or failed != self._failed:
            self._failed = failed
            self._judged, self._report = diagnose(self._history.recording, self._settings), None
            self._lifetimes.update(self._judged)
        if self._report is None:
            of_run: dict[str, object] = {"history": self._values.kept, "lifetimes": self._lifetimes.all}
            undelivered = tuple(f"{line}: this was not delivered" for line in lines(self._alerts.failures))
            of_run["notes"] = (*self._judged.notes, *undelivered)
            self._report = self._judged.model_copy(update=of_run)
        return self._report

    def take_news(self) -> bool:
        """Return whether the findings may have changed since the last call."""
        news, self._news = self._news, False
        return news

    def discard(self) -> None:
        """Discard the report, because the recording has changed."""
        self._judged = None

    def judge(self, index: int) -> None:
        """Judge the recording and report the findings.

        Args:
            index: of the latest step.
        """
        self._news = True
        self._alerts.judged(self._history.recording, self.report, index)

    def steps_have_changed(self) -> bool:
        """Return whether the findings of the rules that compare steps have changed."""
        found = {(each.key, each.severity) for each in of_steps(self._history.recording, self._settings)}
        before, self._of_steps = self._of_steps, found
        return found != before

    def measured(self, step: Step) -> None:
        """Report the measurements of a step, after it was judged."""
        self._alerts.safely(self._add_values, step)
        self._alerts.measured(self._recording, step)

    def updated(self, updates: Mapping[str, Update]) -> None:
        """Add the changes of the weights by the optimizer step after the last recorded step, by layer."""
        self._history.note_updates(updates)
        if updates or self._values.waiting:
            self._alerts.safely(self._complete_values, updates)

    def close(self) -> None:
        self._alerts.safely(self._complete_values, {})
        self._alerts.close()

    def _recording(self) -> Recording:
        return self._history.recording

    def _add_values(self, step: Step) -> None:
        first = not self._values.started
        values = self._values.add(self._recording, lambda: self.report, step)
        self._report = None
        if first:
            self._alerts.started(self._values.structure(self._recording(), self.report), values)

    def _complete_values(self, updates: Mapping[str, Update]) -> None:
        values = self._values.complete(updates)
        if values is not None:
            self._report = None
            self._alerts.valued(values)


def unjudged(model: str, step: int, failures: Mapping[str, str]) -> Report:
    """Return the report of a run that cannot be judged, because of errors."""
    return Report(model=model, step=step, not_measured=lines(failures), incomplete=True)


def with_errors(report: Report | None, failures: Failures) -> Report | None:
    """Return a report with the errors that were recorded after it was made; None if there is nothing to report."""
    if failures.errors == 0:
        return report
    if report is None:
        return unjudged("the model", 0, failures)
    late = tuple(line for line in lines(failures) if line not in report.not_measured)
    return report.model_copy(update={"not_measured": (*report.not_measured, *late), "incomplete": True})
