"""Tries the fix of each cause: its operations run on the model, which is checked with the same batch and restored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, Severity
from inithealth.operations import Operation
from inithealth.report.finding_text import located
from inithealth.report.identity import Spot, spots

_NO_OPERATIONS = "not tried: the fix is not only a change of parameters"


class NotTried(Exception):
    """The operations could not run, or the model could not be checked with them."""


def verified(report: Report, checked: Callable[[tuple[Operation, ...]], Report]) -> Report:
    """Return the report with what each cause's fix does.

    Args:
        report: of the model as it is.
        checked: returns the report of the same model and batch after some operations, or raises :class:`NotTried`.
    """
    found = tuple(
        each if each.role == "consequence" or each.suppressed is not None else _tried(each, report, checked)
        for each in report.findings
    )
    return report.model_copy(update={"findings": found})


def _tried(cause: Finding, report: Report, checked: Callable[[tuple[Operation, ...]], Report]) -> Finding:
    if not cause.operations:
        return cause.model_copy(update={"verification": _NO_OPERATIONS})
    try:
        after = checked(cause.operations)
    except NotTried as error:
        return cause.model_copy(update={"verification": f"not tried: {error}"})
    return cause.model_copy(update=_result(cause, report, after))


def _result(cause: Finding, report: Report, after: Report) -> dict[str, Any]:
    """Return the fields on what a fix does, given the reports before and after it."""
    if after.incomplete and not report.incomplete:
        return {"verification": f"not tried: the model could not be measured with the fix: {after.not_measured[-1]}"}
    left = _left(cause, after)
    if left:
        return {"verified": "partly", "verification": f"the fix leaves {_listed(left)}"}
    new = _new(report, after)
    if new:
        return {"verified": "partly", "verification": f"the fix clears this finding, but then there is {_listed(new)}"}
    return {"verified": "clears", "verification": "the fix clears this finding"}


def _left(cause: Finding, after: Report) -> list[Finding]:
    """Return the findings of the same rule on the same layers that a fix leaves, as a cause or as a consequence."""
    mine = set(spots(cause))
    return [each for each in after.findings if each.severity >= Severity.WARNING and mine & set(spots(each))]


def _new(report: Report, after: Report) -> list[Finding]:
    """Return the errors on layers that had no finding of the rule before."""
    known: set[Spot] = {spot for finding in report.findings for spot in spots(finding)}
    new = (each for each in after.causes if each.severity is Severity.ERROR and each.suppressed is None)
    return [each for each in new if not known & set(spots(each))]


def _listed(findings: Sequence[Finding]) -> str:
    more = f", and {count(len(findings) - 1, 'other finding')}" if len(findings) > 1 else ""
    return f"{located(findings[0])}{more}"
