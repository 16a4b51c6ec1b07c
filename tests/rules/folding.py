"""Whether a finding is folded under another one in a report with both."""

from __future__ import annotations

from typing import Any

from inithealth import Finding, Rule, Severity
from inithealth.judge.diagnose import folded
from inithealth.rules.catalogue import catalogue


def found_by(rule: type[Rule], /, **more: Any) -> Finding:
    """Return a warning of the rule at twice its limit and at the first step, with the given changes."""
    known = {"severity": Severity.WARNING, "layers": ("fc1",), "message": "off", "measured": 2.0, "limit": 1.0, **more}
    return Finding(code=rule.code, rule=rule.name, **known)


def explains(rule: type[Rule], cause: Finding, code: str, /, **symptom: Any) -> bool:
    """Return whether a finding of that code is folded under the cause."""
    other = next(each for each in catalogue() if each.code == code)
    symptom = {"measured": 0.0 if code == "IH304" else 2.0, **symptom}  # a cut graph is never a consequence
    # The symptom is first: only ranks and steps order the cause before it.
    roles = {each.code: each.role for each in folded([(other(), found_by(other, **symptom)), (rule(), cause)])}
    return roles == {cause.code: "cause", code: "consequence"}
