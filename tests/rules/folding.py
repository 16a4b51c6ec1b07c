"""Whether a finding is folded under another one, as in a report of the two."""

from __future__ import annotations

from typing import Any

from inithealth import Finding, Rule, Severity
from inithealth.judge.diagnose import folded
from inithealth.rules.catalogue import catalogue


def found_by(rule: type[Rule], /, **more: Any) -> Finding:
    """A warning of the rule, twice its limit and at the first step, but for what is given."""
    known = {"severity": Severity.WARNING, "layers": ("fc1",), "message": "off", "measured": 2.0, "limit": 1.0, **more}
    return Finding(code=rule.code, rule=rule.name, **known)


def explains(rule: type[Rule], cause: Finding, code: str, /, **symptom: Any) -> bool:
    """Whether a finding of that code is folded under the cause, found by the rule."""
    other = next(each for each in catalogue() if each.code == code)
    symptom = {"measured": 0.0 if code == "IH304" else 2.0, **symptom}  # a cut graph is nobody's consequence
    # The symptom is first: only ranks and steps put the cause before it.
    roles = {each.code: each.role for each in folded([(other(), found_by(other, **symptom)), (rule(), cause)])}
    return roles == {cause.code: "cause", code: "consequence"}
