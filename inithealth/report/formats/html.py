"""The page as one HTML file, which works from disk and offline."""

from __future__ import annotations

from inithealth.findings import Report
from inithealth.page.html import page
from inithealth.page.of_report import run_data


def render(report: Report) -> str:
    """Return the page with the report's data inside. Names and messages are shown as text."""
    return page(run_data(report))
