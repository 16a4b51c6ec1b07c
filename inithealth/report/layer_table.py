"""The layers in forward order, one a line, with the numbers that a diagnosis rests on."""

from __future__ import annotations

from collections.abc import Iterable

from inithealth.findings import Report, Severity
from inithealth.recording import Measurement
from inithealth.report.columns import TABLE
from inithealth.report.plain import shortened

_MOST_LAYERS = 40  # longer nets are cut; the JSON has every layer
_ENDS = 10  # layers at either end of a cut net that are always shown
_WIDTH = 120
_NARROWEST_NAME = 18
_GAP = "  "
_COLUMNS = [each for column in TABLE for each in (column, column.expected) if each is not None]

Row = tuple[str, ...]  # the mark of a root-cause layer, then a cell for each column


def layer_table(report: Report) -> list[str]:
    """Headings, rows, legend and an empty line; nothing where no layer is known."""
    if not report.layers:
        return []
    marked = {name for cause in report.causes if cause.severity > Severity.INFO for name in cause.layers}
    measured = {m.layer: m for m in report.measurements}
    rows = []
    for layer in report.layers:
        m = measured.get(layer.name) or Measurement(layer=layer.name)
        rows.append(("*" if layer.module in marked else "", *(column.cell(layer, m) for column in _COLUMNS)))
    shown = [("", *(column.heading for column in _COLUMNS)), *_cut(rows)]
    widths = [max(map(len, cells)) for cells in zip(*shown, strict=True)]
    too_wide = max(0, sum(widths) + len(_GAP) * (len(widths) - 1) - _WIDTH)
    widths[1] = min(widths[1], max(_NARROWEST_NAME, widths[1] - too_wide))
    mark = ["* blamed"] if any(row[0] for row in rows) else []
    legend = [*mark, *(column.legend for column in TABLE if column.explained)]
    return [*(_line(row, widths) for row in shown), *_packed(legend), ""]


def _cut(rows: list[Row]) -> list[Row]:
    """Both ends of a long net and, between them, the first marked layers; how many are left out where."""
    if len(rows) <= _MOST_LAYERS:
        return rows
    ends = {*range(_ENDS), *range(len(rows) - _ENDS, len(rows))}
    between = sorted(range(_ENDS, len(rows) - _ENDS), key=lambda place: not rows[place][0])[: _MOST_LAYERS - len(ends)]
    kept: list[Row] = []
    last = -1
    for place in sorted(ends.union(between)):
        left_out = place - last - 1
        if left_out:
            more = f"... {left_out} more {'layer' if left_out == 1 else 'layers'}"
            kept.append(("", more, *[""] * (len(_COLUMNS) - 1)))
        kept.append(rows[place])
        last = place
    return kept


def _line(row: Row, widths: list[int]) -> str:
    mark, *cells = (shortened(cell, width) for cell, width in zip(row, widths, strict=True))
    aligned = [
        cell.ljust(width) if column.is_text else cell.rjust(width)
        for column, cell, width in zip(_COLUMNS, cells, widths[1:], strict=True)
    ]
    return _GAP.join([mark.ljust(widths[0]), *aligned]).rstrip()


def _packed(entries: Iterable[str]) -> list[str]:
    """As many entries in a line as fit, none of them broken."""
    lines: list[str] = []
    for entry in entries:
        if lines and len(lines[-1]) + len(entry) + 2 <= _WIDTH:
            lines[-1] += f"; {entry}"
        else:
            lines.append(entry)
    return lines
