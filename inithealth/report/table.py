"""The report as people read it in a terminal: verdict, causes, the layers that matter."""

from __future__ import annotations

from inithealth.findings import Finding, Report
from inithealth.recording import Layer, Measurement

_MOST_LAYERS = 40  # longer nets are cut in the middle; the JSON has every layer
_MOST_NAMES = 3


def table(report: Report) -> str:
    """Plain text, ASCII, at most about 100 columns."""
    lines = [verdict(report), ""]
    for cause in report.causes:
        lines += [*_cause(cause, report.consequences(cause)), ""]
    lines += _layers(report)
    lines += _remarks(report)
    return "\n".join(lines).rstrip()


def verdict(report: Report) -> str:
    """One line: ``FAIL: 1 cause`` or ``healthy``, the model, the step."""
    counts = {s: sum(c.severity.value == s for c in report.causes) for s in ("error", "warning", "info")}
    told = ", ".join(f"{n} {s}{'s' if n > 1 and s != 'info' else ''}" for s, n in counts.items() if n)
    word = "ok" if report.ok else "FAIL"
    return f"inithealth: {word} - {told or 'nothing found'} ({report.model}, step {report.step})"


def _cause(cause: Finding, consequences: tuple[Finding, ...]) -> list[str]:
    lines = [f"{cause.severity.value.upper():7} {cause.code} {cause.rule}", f"        {cause.message}"]
    if cause.cause:
        lines.append(f"        why: {cause.cause}")
    if cause.fix:
        lines.append(f"        fix: {cause.fix}")
    if cause.source:
        lines.append(f"        at:  {cause.source}")
    lines += [f"        -> {c.code} {c.rule}: {c.message}" for c in consequences]
    return lines


def _layers(report: Report) -> list[str]:
    measured = {m.layer: m for m in report.measurements}
    blamed = {name for finding in report.findings for name in finding.layers[:_MOST_NAMES]}
    rows = [
        ("", "layer", "shape", "feeds", "std", "in rms", "out rms", "grad norm", "dead"),
        *(_row(layer, measured.get(layer.name), layer.module in blamed) for layer in report.layers),
    ]
    if len(rows) > _MOST_LAYERS + 1:
        half = _MOST_LAYERS // 2
        gap = ("", f"... {len(rows) - 1 - 2 * half} more layers", "", "", "", "", "", "", "")
        kept = [row for row in rows[half + 1 : -half] if row[0]][:_MOST_LAYERS]
        rows = [*rows[: half + 1], gap, *kept, *([gap] if kept else []), *rows[-half:]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    widths[1] = min(widths[1], 48)
    return [_line(row, widths) for row in rows] + [""]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3].ljust(widths[3])]
    return "  ".join([*cells, *(cell.rjust(width) for cell, width in zip(row[4:], widths[4:], strict=True))]).rstrip()


def _row(layer: Layer, m: Measurement | None, blamed: bool) -> tuple[str, ...]:
    weight = layer.weight
    return (
        "*" if blamed else "",
        layer.name,
        "x".join(map(str, weight.shape)) if weight else "",
        layer.activation or layer.feeds,
        _number(weight.std if weight else None),
        _number(m.input.rms if m and m.input else None),
        _number(m.output.rms if m and m.output else None),
        _number(m.gradient.norm if m and m.gradient else None),
        "-" if m is None or m.dead_share is None else f"{m.dead_share:.0%}",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _remarks(report: Report) -> list[str]:
    lines = list(report.notes)
    lines += [f"not measured: {what}" for what in report.not_measured]
    told = [s for s in report.skipped if s.reason != "not selected"]
    lines += [f"not judged: {s.code} {s.rule}: {s.reason}" for s in told]
    left = sum(s.reason == "not selected" for s in report.skipped)
    return lines + ([f"not selected: {left} rules"] if left else [])
