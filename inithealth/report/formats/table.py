"""The report as plain text: verdict, causes, layers."""

from __future__ import annotations

from inithealth.findings import Report
from inithealth.report.terminal import text


def render(report: Report) -> str:
    """Return plain ASCII text with the width of the terminal."""
    return text(report)
