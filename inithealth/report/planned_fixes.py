"""Which operations of a report to run for each cause, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from inithealth.evidence.fix_text import Fix
from inithealth.findings import Finding, Report, Severity
from inithealth.operations import Operation
from inithealth.report.finding_text import title
from inithealth.report.plain import plain


class PlannedFix(NamedTuple):
    """What is done for one cause."""

    cause: Finding
    operations: tuple[Operation, ...]  # to run
    reason: str = ""  # why its fix is not applied, or not as a whole

    @property
    def lines(self) -> Iterator[str]:
        """The statements that have the effect of the operations, and the reason."""
        for line in Fix.of(self.operations).splitlines():
            if line != "import math":
                yield plain(f"{title(self.cause)}: {line}")
        if self.reason:
            yield plain(f"{title(self.cause)}: not applied{self.reason}")


def planned_fixes(report: Report) -> list[PlannedFix]:
    """Return what to do for each cause. A parameter is changed for the first cause that names it."""
    tried = any(cause.verification for cause in report.causes)
    found: list[PlannedFix] = []
    changed: dict[str, Finding] = {}
    for cause in report.causes:
        reason = _reason(cause, tried=tried)
        if reason:
            found.append(PlannedFix(cause, (), reason))
            continue
        before = [operation for operation in cause.operations if operation.parameter in changed]
        new = tuple(operation for operation in cause.operations if operation.parameter not in changed)
        found.append(PlannedFix(cause, new, _repeated(before, changed)))
        changed.update({operation.parameter: cause for operation in new})
    return found


def _reason(cause: Finding, *, tried: bool) -> str:
    """Return why the fix of a cause is not applied; "" if it is. Of fixes that were tried, those that clear are."""
    if cause.suppressed is not None:
        return f": suppressed: {cause.suppressed}"
    if cause.severity < Severity.WARNING:
        return ": its severity is info"
    if not cause.operations:
        return f": no change of parameters alone fixes it: {cause.fix}" if cause.fix else ": it has no fix"
    return f": {cause.verification}" if tried and cause.verified != "clears" else ""


def _repeated(operations: Sequence[Operation], changed: dict[str, Finding]) -> str:
    if not operations:
        return ""
    first = operations[0].parameter
    more = f" and {len(operations) - 1} more" if len(operations) > 1 else ""
    return f" to {first}{more}: changed for {title(changed[first])}"
