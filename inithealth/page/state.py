"""The parts of a run's document that change: the verdict and the findings."""

from __future__ import annotations

from collections import Counter
from typing import Any

from inithealth.evidence.wording import count
from inithealth.findings import Finding, Lifetime, Report, Severity
from inithealth.page.document import number
from inithealth.report.summary import health, not_judged, unmeasured


def state(report: Report) -> dict[str, Any]:
    """Return the fields of `document.STATE`."""
    amounts = Counter(cause.severity for cause in report.causes if cause.suppressed is None)
    return {
        "healthy": None if report.ok and report.incomplete else report.ok,
        "verdict": verdict(report),
        "errors": amounts[Severity.ERROR],
        "warnings": amounts[Severity.WARNING],
        "infos": amounts[Severity.INFO],
        "notMeasured": unmeasured(report),
        "notes": list(report.notes),
        "skipped": [{"code": each.code, "rule": each.rule, "reason": each.reason} for each in not_judged(report)],
        "findings": _findings(report),
    }


def verdict(report: Report) -> str:
    """Return the verdict in words: ``unhealthy: 1 error, 2 warnings``."""
    amounts = Counter(cause.severity for cause in report.causes if cause.suppressed is None)
    found = [
        count(amounts[severity], severity.value) for severity in (Severity.ERROR, Severity.WARNING) if amounts[severity]
    ]
    return f"{health(report)}: {', '.join(found)}" if found else health(report)


def _findings(report: Report) -> list[dict[str, Any]]:
    """Return the findings in the report's order, followed by those that are resolved."""
    known = {(each.finding.key, each.finding.role): each for each in report.lifetimes}
    present = [(finding, known.get((finding.key, finding.role))) for finding in report.findings]
    resolved = [(each.finding, each) for each in report.lifetimes if each.closed is not None]
    return [_finding(finding, lifetime) for finding, lifetime in (*present, *resolved)]


def _finding(finding: Finding, lifetime: Lifetime | None) -> dict[str, Any]:
    return {
        "key": finding.key,
        "explainedBy": finding.explained_by,
        "role": finding.role,
        "code": finding.code,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "suppressed": finding.suppressed,
        "layers": list(finding.layers),
        "message": finding.message,
        "cause": finding.cause,
        "fix": finding.fix,
        "verified": finding.verified,
        "verification": finding.verification,
        "measured": number(finding.measured),
        "limit": number(finding.limit),
        "source": finding.source,
        "step": finding.step,
        "opened": finding.step if lifetime is None else lifetime.opened,
        "worsened": [] if lifetime is None else list(lifetime.worsened),
        "closed": None if lifetime is None else lifetime.closed,
    }
