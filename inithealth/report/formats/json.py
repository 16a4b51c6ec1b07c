"""JSON. Its schema is docs/report.schema.json."""

from __future__ import annotations

from inithealth.findings import Report


def render(report: Report) -> str:
    """Return the JSON that ``Report.from_json`` reads."""
    return report.to_json()
