"""Which findings follow from another: causes first, each followed by its consequences."""

from __future__ import annotations

from collections.abc import Sequence

from inithealth.findings import Finding, Severity
from inithealth.rules.base import Rule


def folded(found: Sequence[tuple[Rule, Finding]]) -> tuple[Finding, ...]:
    """Return the causes, worst first, each followed by its consequences; a cause gets the highest severity of them."""
    # A finding of an earlier step may explain one of a later step, but not the reverse.
    ordered = sorted(found, key=lambda pair: (pair[1].step, pair[0].order(pair[1])))
    parent: dict[int, int] = {}
    for place, (own, symptom) in enumerate(ordered):
        for earlier, (rule, cause) in enumerate(ordered[:place] if own.may_follow(symptom) else ()):
            # A finding of severity info explains nothing.
            if cause.severity > Severity.INFO and rule.accounts_for(cause, symptom):
                parent[place] = parent.get(earlier, earlier)
                break
    families = [
        (cause, [ordered[child][1] for child, root in parent.items() if root == place])
        for place, (_, cause) in enumerate(ordered)
        if place not in parent
    ]
    families = [(_as_severe(cause, children), children) for cause, children in families]
    families.sort(key=lambda family: -family[0].severity.rank)  # stable: within a severity by rank
    result: list[Finding] = []
    for cause, children in families:
        result.append(cause)
        result += [c.model_copy(update={"role": "consequence", "explained_by": cause.key}) for c in children]
    return tuple(result)


def _as_severe(cause: Finding, children: Sequence[Finding]) -> Finding:
    worst = max([cause.severity, *(child.severity for child in children)])
    return cause.model_copy(update={"severity": worst})
