"""The report in a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from inithealth.findings import Report
from inithealth.report.formats.table import render


def renderable(report: Report, *, full: bool = False) -> RenderableType:
    """Return what rich prints of a report."""
    return Text(render(report))
