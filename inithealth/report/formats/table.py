"""The report as people read it: verdict, causes, layers, in plain text."""

from __future__ import annotations

from inithealth.findings import Report
from inithealth.report.terminal import text


def render(report: Report) -> str:
    """Return plain ASCII at the width of the terminal."""
    return text(report)
