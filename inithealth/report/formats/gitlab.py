"""GitLab's Code Quality: a JSON list with a fingerprint for each cause."""

from __future__ import annotations

from collections import Counter

from inithealth.findings import Report, Severity
from inithealth.json_text import json_of_values
from inithealth.report.finding_text import headline
from inithealth.report.identity import fingerprint
from inithealth.report.source.line import SourceLine, repository_line

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info"}
_NOWHERE = SourceLine(".", 1)  # GitLab rejects an entry without a location


def render(report: Report) -> str:
    """Return the JSON list, without suppressed causes, which the format does not support."""
    seen: Counter[str] = Counter()
    entries = []
    for cause in report.causes:
        if cause.suppressed is not None:
            continue
        own = fingerprint(report, cause)
        seen[own] += 1
        where = repository_line(cause) or _NOWHERE
        entries.append(
            {
                "description": headline(cause),
                "check_name": cause.rule,
                "fingerprint": own if seen[own] == 1 else f"{own}-{seen[own]}",
                "severity": _SEVERITIES[cause.severity],
                "location": {"path": where.path, "lines": {"begin": where.line}},
            }
        )
    return json_of_values(entries)
