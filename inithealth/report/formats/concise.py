"""One line for each cause, in the format of compiler messages."""

from __future__ import annotations

from inithealth.commands import inert
from inithealth.findings import Finding, Report
from inithealth.report.finding_text import headline
from inithealth.report.plain import plain
from inithealth.report.summary import verdict


def render(report: Report) -> str:
    """Return ``models/net.py:12: IH201 vanishing-activations: what is wrong (error)``, then the verdict."""
    return inert("\n".join([*(plain(_line(report, cause)) for cause in report.causes), verdict(report)]))


def _line(report: Report, cause: Finding) -> str:
    where = cause.source or ".".join([report.model, *cause.layers[:1]])
    how = cause.severity.value if cause.suppressed is None else f"suppressed: {cause.suppressed}"
    return f"{where}: {headline(cause)} ({how})"
