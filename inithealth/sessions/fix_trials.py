"""Checks of the model with the operations of fixes, and what they do to the causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, Severity
from inithealth.operations import Operation
from inithealth.report.finding_text import located
from inithealth.report.identity import Spot, spots

CLEARS = "the fix clears this finding"

Operations = tuple[Operation, ...]
Checked = Callable[[Operations], Report]


class NotTried(Exception):
    """The operations could not run, or the model could not be checked with them."""


class FixTrial(NamedTuple):
    """A check of the model with the operations of some fixes."""

    before: Report
    fixed: tuple[Finding, ...] = ()  # the causes whose fixes these are
    operations: Operations = ()
    after: Report | None = None
    error: str = ""  # why there is no report

    def outcome(self, cause: Finding) -> str:
        """Return what the operations do to a cause; "" if they clear it, and nothing new is found."""
        if self.after is None:
            return f"not tried: {self.error}"
        if self.after.incomplete and not self.before.incomplete:
            return f"not tried: the model could not be measured with the fix: {self.after.not_measured[-1]}"
        left = self.left(cause)
        if left:
            return f"the fix leaves {_listed(left)}"
        return f"{CLEARS}, but then there is {_listed(self.new)}" if self.new else ""

    def left(self, cause: Finding) -> list[Finding]:
        """Return the findings of the same rule on the same layers, as a cause or as a consequence."""
        found, mine = self.after.findings if self.after is not None else (), set(spots(cause))
        return [each for each in found if each.severity >= Severity.WARNING and mine & set(spots(each))]

    @property
    def new(self) -> list[Finding]:
        """The causes, errors and warnings, that are not among the other causes before and their consequences."""
        keys = {cause.key for cause in self.fixed}
        others = [each for each in self.before.findings if each not in self.fixed and each.explained_by not in keys]
        known: set[Spot] = {spot for finding in others for spot in spots(finding)}
        found = self.after.causes if self.after is not None else ()
        serious = [each for each in found if each.severity >= Severity.WARNING and each.suppressed is None]
        return [each for each in serious if not known & set(spots(each))]


def tried(
    last: FixTrial, checked: Checked, causes: Sequence[Finding], fixes: Iterable[Sequence[Operation]]
) -> FixTrial:
    """Return a trial of some fixes in addition to those of the last one."""
    operations = merged([last.operations, *fixes])
    trial = FixTrial(last.before, (*last.fixed, *causes), operations)
    if not operations:
        return trial
    try:
        return trial._replace(after=checked(operations))
    except NotTried as error:
        return trial._replace(error=str(error))


def merged(fixes: Iterable[Sequence[Operation]]) -> Operations:
    """Return the operations of several fixes. A parameter is changed by the first fix that names it."""
    found: list[Operation] = []
    for fix in fixes:
        changed = {operation.parameter for operation in found}
        found += [operation for operation in fix if operation.parameter not in changed]
    return tuple(found)


def _listed(findings: Sequence[Finding]) -> str:
    more = f", and {count(len(findings) - 1, 'other finding')}" if len(findings) > 1 else ""
    return f"{located(findings[0])}{more}"
