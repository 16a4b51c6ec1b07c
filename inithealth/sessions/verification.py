"""Tries the fix of each cause: its operations run on the model, which is checked with the same batch and restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inithealth.evidence.candidates import Candidate, Measured, alternatives
from inithealth.evidence.fix_text import Fix
from inithealth.findings import Finding, Report
from inithealth.sessions.fix_trials import CLEARS, Checked, FixTrial, merged, tried

_MOST_CANDIDATES = 4  # for each cause, its own fix included: each costs a check
_NO_OPERATIONS = "not tried: the fix is not only a change of parameters"


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
    together = tried(FixTrial(report), checked, with_operations, (each.operations for each in with_operations))
    if not any(map(together.outcome, with_operations)):
        found, last = [_cleared(cause) for cause in with_operations], together
    else:
        found, last = _one_by_one(with_operations, checked, together)
    results = dict(zip(map(id, with_operations), found, strict=True))
    results |= {id(each): _failed(each, _NO_OPERATIONS) for each in causes if not each.operations}
    return report.model_copy(
        update={
            "findings": tuple(results.get(id(each), each) for each in report.findings),
            "fixed_measurements": last.after.measurements if last.after is not None else (),
        }
    )


def _one_by_one(causes: Sequence[Finding], checked: Checked, together: FixTrial) -> tuple[list[Finding], FixTrial]:
    """Return what the fix of each cause does after those that cleared theirs, and the last trial that cleared one."""
    found, last = [], FixTrial(together.before)
    for cause in causes:
        trial = together if len(causes) == 1 else tried(last, checked, [cause], [cause.operations])
        failed = trial.outcome(cause)
        other = _other(cause, trial, checked, last) if failed else (_cleared(cause), trial)
        found.append(_failed(cause, failed) if other is None else other[0])
        last = last if other is None else other[1]
    return found, last


def _other(cause: Finding, trial: FixTrial, checked: Checked, last: FixTrial) -> tuple[Finding, FixTrial] | None:
    """Return the cause with the first other fix that clears it, and its trial; None if no one does.

    Args:
        trial: of its own fix.
        last: the trial that other fixes add to.
    """
    waiting, fix = _alternatives(cause, trial.before), Fix.of(cause.operations)
    usual = trial.outcome(cause).removeprefix("not tried: ").replace("the fix", "it", 1)
    for _ in range(_MOST_CANDIDATES - 1):
        candidate = _grown(cause, fix, trial) or (waiting.pop(0) if waiting else None)
        if candidate is None:
            return None
        name, fix = candidate
        trial = tried(last, checked, [cause], [fix.operations])
        if not trial.outcome(cause):
            text = f"{CLEARS}. It is {name}. The usual fix was tried first: {usual}"
            return _cleared(cause, fix=str(fix), operations=fix.operations, verification=text), trial
    return None


def _grown(cause: Finding, fix: Fix, trial: FixTrial) -> Candidate | None:
    """Return a fix with those of what it left or uncovered.

    One fault is often in more layers than the first report names. None if they have no operations on other parameters.
    """
    found = [*trial.left(cause), *trial.new]
    operations = merged([fix.operations, *(each.operations for each in found)])
    if len(operations) == len(fix.operations):
        return None
    return Candidate("the usual one with the fixes of what that leaves or uncovers", Fix.of(operations))


def _alternatives(cause: Finding, report: Report) -> list[Candidate]:
    """Return the other fixes for the weights that the fix of a cause changes."""
    rules: dict[str, set[str]] = {}
    for finding in report.findings:
        for layer in finding.layers:
            rules.setdefault(layer, set()).add(finding.rule)
    found = {layer.name: rules[layer.module] for layer in report.layers if layer.module in rules}
    measured = Measured(report.layers, {each.layer: each for each in report.measurements}, found)
    different = {frozenset(cause.operations): Candidate("", Fix())}
    for each in alternatives(cause.operations, measured):
        different.setdefault(frozenset(each.fix.operations), each)
    return list(different.values())[1:]


def _cleared(cause: Finding, **more: Any) -> Finding:
    return cause.model_copy(update={"verified": "clears", "verification": CLEARS, **more})


def _failed(cause: Finding, outcome: str) -> Finding:
    state = "" if outcome.startswith("not tried") else "partly"
    return cause.model_copy(update={"verified": state, "verification": outcome})
