"""The findings as Markdown for TensorBoard's Text dashboard: narrow, causes only, with escaped layer names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from inithealth.findings import Finding, Report
from inithealth.report.plain import printable
from inithealth.report.summary import counts, health, unmeasured

MOST_ROWS = 30
_MARKUP = re.compile(r"([\\`*_\[\]|])")


def alerts(report: Report, step: int) -> str:
    """Return the verdict, a table of the causes with their consequences, and what was not judged."""
    lines = [f"**{health(report)}{counts(report)}** · {escaped(report.model)} · step {step}", ""]
    rows = _unexplained(report)
    if rows:
        # Layer and rule share a cell: TensorBoard makes a column of short names so narrow that they break.
        lines += ["| S | Layer, rule | Problem | Fix |", "|---|---|---|---|"]
        lines += [_row(report, finding) for finding in rows[:MOST_ROWS]]
        lines += ["", "S: severity. E error, W warning, I info."]
    if len(rows) > MOST_ROWS:
        lines += ["", f"{len(rows) - MOST_ROWS} more causes are not shown."]
    for title, words in (
        ("Not judged", [f"{skipped.code} {skipped.rule}: {skipped.reason}" for skipped in report.skipped]),
        ("Not measured", unmeasured(report)),
        ("Notes", report.notes),
    ):
        if words:
            lines += ["", f"{title}:", "", *(f"- {escaped(word)}" for word in words)]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return Markdown that shows the text literally, in one table row."""
    safe = printable("\n".join(text.splitlines())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(_MARKUP.sub(r"\\\1", line) for line in safe.split("\n"))


def _unexplained(report: Report) -> list[Finding]:
    # A consequence whose cause is not in the report must still be shown.
    keys = {cause.key for cause in report.causes}
    return [finding for finding in report.findings if finding.role == "cause" or finding.explained_by not in keys]


def _row(report: Report, finding: Finding) -> str:
    more = f"and {len(finding.layers) - 1} more" if len(finding.layers) > 1 else ""
    place = [*finding.layers[:1], more, f"{finding.code} {finding.rule}"]
    problem = [finding.message, finding.cause, _explains(report, finding), finding.source]
    cells = (finding.severity.value[0].upper(), _lines(place), _lines(problem), escaped(finding.fix) or "-")
    return f"| {' | '.join(cells)} |"


def _lines(parts: Iterable[str | None]) -> str:
    return "<br>".join(escaped(part) for part in parts if part)


def _explains(report: Report, cause: Finding) -> str:
    consequences = report.consequences(cause) if cause.role == "cause" else ()
    if not consequences:
        return ""
    layers = {layer for finding in consequences for layer in finding.layers} - set(cause.layers)
    codes = ", ".join(sorted({finding.code for finding in consequences}))
    where = f" in {_count(len(layers), 'other layer')}" if layers else ""
    return f"explains {_count(len(consequences), 'finding')} ({codes}){where}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
