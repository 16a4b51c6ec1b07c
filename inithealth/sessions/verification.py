"""Tries the fix of each cause: its operations run on the model, which is checked with the same batch and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from inithealth.evidence.candidates import Candidate, Measured, alternatives
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report, Severity
from inithealth.operations import Operation
from inithealth.report.finding_text import located
from inithealth.report.identity import Spot, spots

_MOST_CANDIDATES = 4  # for each cause, its own fix included: each costs a check
_NO_OPERATIONS = "not tried: the fix is not only a change of parameters"
_CLEARS = "the fix clears this finding"

Operations = tuple[Operation, ...]
Checked = Callable[[Operations], Report]


class NotTried(Exception):
    """The operations could not run, or the model could not be checked with them."""


class _Trial(NamedTuple):
    """A check of the model with the operations of some fixes."""

    operations: Operations = ()
    after: Report | None = None
    error: str = ""  # why there is no report

    def outcome(self, cause: Finding, before: Report) -> str:
        """Return what the operations do to a cause; "" if they clear it, and nothing new is found."""
        if self.after is None:
            return f"not tried: {self.error}"
        if self.after.incomplete and not before.incomplete:
            return f"not tried: the model could not be measured with the fix: {self.after.not_measured[-1]}"
        left = _left(cause, self.after)
        if left:
            return f"the fix leaves {_listed(left)}"
        new = _new(before, self.after)
        return f"{_CLEARS}, but then there is {_listed(new)}" if new else ""


def verified(report: Report, checked: Checked) -> Report:
    """Return the report with what each cause's fix does.

    All fixes are tried together, and one by one only if that does not clear all. A fix that does not clear its finding
    is replaced by another one that does.

    Args:
        report: of the model as it is.
        checked: returns the report of the same model and batch after some operations, or raises :class:`NotTried`.
    """
    causes = [cause for cause in report.causes if cause.suppressed is None]
    with_operations = [cause for cause in causes if cause.operations]
    together = _tried(checked, merged(cause.operations for cause in with_operations))
    if not any(together.outcome(cause, report) for cause in with_operations):
        found, last = [_cleared(cause) for cause in with_operations], together
    else:
        found, last = _one_by_one(with_operations, report, checked, together)
    results = dict(zip(map(id, with_operations), found, strict=True))
    results |= {id(each): _failed(each, _NO_OPERATIONS) for each in causes if not each.operations}
    return report.model_copy(
        update={
            "findings": tuple(results.get(id(each), each) for each in report.findings),
            "fixed_measurements": last.after.measurements if last.after is not None else (),
        }
    )


def merged(fixes: Iterable[Sequence[Operation]]) -> Operations:
    """Return the operations of several fixes. A parameter is changed by the first fix that names it."""
    found: list[Operation] = []
    for fix in fixes:
        changed = {operation.parameter for operation in found}
        found += [operation for operation in fix if operation.parameter not in changed]
    return tuple(found)


def _one_by_one(
    causes: Sequence[Finding], report: Report, checked: Checked, together: _Trial
) -> tuple[list[Finding], _Trial]:
    """Return what the fix of each cause does after those that cleared theirs, and the last trial that cleared one."""
    found, last = [], _Trial()
    for cause in causes:
        trial = together if len(causes) == 1 else _tried(checked, merged([last.operations, cause.operations]))
        failed = trial.outcome(cause, report)
        if not failed:
            found.append(_cleared(cause))
            last = trial
            continue
        replaced = _replaced(cause, failed, report, checked, last)
        found.append(_failed(cause, failed) if replaced is None else replaced[0])
        last = last if replaced is None else replaced[1]
    return found, last


def _replaced(
    cause: Finding, failed: str, report: Report, checked: Checked, last: _Trial
) -> tuple[Finding, _Trial] | None:
    """Return the cause with the first other fix that clears it, and its trial; None if no one does."""
    for name, fix in _candidates(cause, report):
        trial = _tried(checked, merged([last.operations, fix.operations]))
        if not trial.outcome(cause, report):
            text = f"{_CLEARS}. It is {name}; of the usual one: {failed}"
            return _cleared(cause, fix=str(fix), operations=fix.operations, verification=text), trial
    return None


def _candidates(cause: Finding, report: Report) -> list[Candidate]:
    """Return the other fixes to try for a cause."""
    rules: dict[str, set[str]] = {}
    for finding in report.findings:
        for layer in finding.layers:
            rules.setdefault(layer, set()).add(finding.rule)
    found = {layer.name: rules[layer.module] for layer in report.layers if layer.module in rules}
    measured = Measured(report.layers, {each.layer: each for each in report.measurements}, found)
    different: dict[frozenset[Operation], Candidate] = {}
    for each in alternatives(cause.operations, measured):
        different.setdefault(frozenset(each.fix.operations), each)
    different.pop(frozenset(cause.operations), None)
    return list(different.values())[: _MOST_CANDIDATES - 1]


def _tried(checked: Checked, operations: Operations) -> _Trial:
    if not operations:
        return _Trial()
    try:
        return _Trial(operations, checked(operations))
    except NotTried as error:
        return _Trial(operations, error=str(error))


def _cleared(cause: Finding, **more: Any) -> Finding:
    return cause.model_copy(update={"verified": "clears", "verification": _CLEARS, **more})


def _failed(cause: Finding, outcome: str) -> Finding:
    tried = "" if outcome.startswith("not tried") else "partly"
    return cause.model_copy(update={"verified": tried, "verification": outcome})


def _left(cause: Finding, after: Report) -> list[Finding]:
    """Return the findings of the same rule on the same layers that a fix leaves, as a cause or as a consequence."""
    mine = set(spots(cause))
    return [each for each in after.findings if each.severity >= Severity.WARNING and mine & set(spots(each))]


def _new(report: Report, after: Report) -> list[Finding]:
    """Return the causes, errors and warnings, on layers that had no finding of the rule before."""
    known: set[Spot] = {spot for finding in report.findings for spot in spots(finding)}
    new = (each for each in after.causes if each.severity >= Severity.WARNING and each.suppressed is None)
    return [each for each in new if not known & set(spots(each))]


def _listed(findings: Sequence[Finding]) -> str:
    more = f", and {count(len(findings) - 1, 'other finding')}" if len(findings) > 1 else ""
    return f"{located(findings[0])}{more}"
