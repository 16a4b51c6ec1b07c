"""A report in every format that people and machines read."""

from __future__ import annotations

from importlib import import_module

from inithealth.findings import Report

# Each module has a function of the same name that makes text of a report.
_HOMES = {
    "table": "inithealth.report.table",
    "concise": "inithealth.report.concise",
    "json": "inithealth.report.json_text",
    "markdown": "inithealth.report.markdown",
    "github": "inithealth.report.github",
    "gitlab": "inithealth.report.gitlab",
    "junit": "inithealth.report.junit",
    "sarif": "inithealth.report.sarif",
}
FORMATS = tuple(_HOMES)


def rendered(report: Report, name: str) -> str:
    """The report in that format, without a newline at the end. Raises KeyError for an unknown format."""
    home = import_module(_HOMES[name])
    text: str = getattr(home, home.__name__.rpartition(".")[2])(report)
    return text
