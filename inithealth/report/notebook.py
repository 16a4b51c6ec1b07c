"""A report for a notebook: the verdict and a small static table of the causes."""

from __future__ import annotations

from html import escape

from inithealth.findings import Finding, Report, Severity
from inithealth.report.finding_text import title
from inithealth.report.layer_table import LayerTable
from inithealth.report.plain import plain
from inithealth.report.summary import remarks, verdict
from inithealth.report.terminal import printed

_COLORS = {Severity.ERROR: "#c62828", Severity.WARNING: "#b26a00", Severity.INFO: "#1565c0"}
_HEALTHY = "#2e7d32"
_MOST_CAUSES = 20
_WIDTH = 120  # characters of the layer table


def html(report: Report) -> str:
    """Return HTML without scripts or style sheets; the layer table is collapsed. Names are escaped."""
    worst = max((cause.severity for cause in report.causes if cause.suppressed is None), default=Severity.INFO)
    color = _HEALTHY if worst == Severity.INFO else _COLORS[worst]
    parts = [f'<p><b style="color:{color}">{escape(verdict(report))}</b></p>']
    if report.causes:
        headings = "".join(f'<th style="text-align:left">{each}</th>' for each in ("", "rule", "found", "fix"))
        rows = "".join(_row(cause) for cause in report.causes[:_MOST_CAUSES])
        parts.append(f"<table><tr>{headings}</tr>{rows}</table>")
    if len(report.causes) > _MOST_CAUSES:
        parts.append(f"<p>and {len(report.causes) - _MOST_CAUSES} more: print(report)</p>")
    parts += [f"<div>{escape(plain(remark))}</div>" for remark in remarks(report)]
    if report.layers:
        layers = printed(LayerTable(report), _WIDTH)
        parts.append(f"<details><summary>Layers</summary><pre>{escape(layers)}</pre></details>")
    return "<div>" + "".join(parts) + "</div>"


def _row(cause: Finding) -> str:
    found = cause.message if cause.suppressed is None else f"{cause.message} (suppressed: {cause.suppressed})"
    fix = "\n".join(map(plain, cause.fix.splitlines()))
    cells = [
        f'<b style="color:{_COLORS[cause.severity]}">{cause.severity.value}</b>',
        escape(plain(title(cause))),
        escape(plain(found)),
        f"<pre>{escape(fix)}</pre>",
    ]
    return "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in cells) + "</tr>"
