"""A report for a notebook: the verdict, and the page in a frame without access to the notebook."""

from __future__ import annotations

from html import escape

from inithealth.findings import Finding, Report, Severity
from inithealth.page.html import packed_page
from inithealth.page.of_report import run_data
from inithealth.page.step_values import size
from inithealth.report.finding_text import title
from inithealth.report.layer_table import LayerTable
from inithealth.report.plain import plain
from inithealth.report.summary import remarks, verdict
from inithealth.report.terminal import printed

_COLORS = {Severity.ERROR: "#c62828", Severity.WARNING: "#b26a00", Severity.INFO: "#1565c0"}
_HEALTHY = "#2e7d32"
_MOST_VALUES = 96_000  # bytes of the steps' values, of which base64 makes a third more
_MOST_BYTES = 280_000  # of the whole: a saved notebook stays below 300 kB a report
_MOST_CAUSES = 20
_WIDTH = 120  # characters of the layer table
_HEIGHT = 720  # pixels of the frame


def html(report: Report) -> str:
    """Return the verdict and the page with as many steps as a notebook should hold; for a large network, a table."""
    frame = _frame(report) if report.layers and report.measurements else ""
    return f"<div>{_verdict(report)}{frame or _table(report)}</div>"


def _frame(report: Report) -> str:
    """Return the page in a frame; empty if it is too large."""
    steps = _MOST_VALUES // size(len(report.layers))
    if steps == 0:
        return ""
    # Scripts run, but in an origin of their own: they see neither the notebook nor its cookies.
    page = escape(packed_page(run_data(report, most_steps=steps)))
    style = f"width:100%;height:{_HEIGHT}px;border:0;background:#fff"
    frame = (
        f'<iframe title="Init Health" sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe>'
    )
    return frame if len(frame) <= _MOST_BYTES else ""


def _verdict(report: Report) -> str:
    worst = max((cause.severity for cause in report.causes if cause.suppressed is None), default=Severity.INFO)
    color = _HEALTHY if worst == Severity.INFO else _COLORS[worst]
    return f'<p><b style="color:{color}">{escape(verdict(report))}</b></p>'


def _table(report: Report) -> str:
    """Return the causes and the collapsed layer table, without scripts."""
    parts = []
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
    return "".join(parts)


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
