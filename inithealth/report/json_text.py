"""The report as JSON, whose schema is docs/report.schema.json."""

from __future__ import annotations

from inithealth.findings import Report


def json_text(report: Report) -> str:
    """What ``Report.from_json`` reads."""
    return report.to_json()
