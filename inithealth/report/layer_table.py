"""The layers in forward order with the numbers that a diagnosis rests on; layers of one role share a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from inithealth.findings import Report
from inithealth.recording import Layer, Measurement
from inithealth.report.columns import TABLE, Column
from inithealth.report.layer_rows import Row, folded, unfolded
from inithealth.report.plain import plain
from inithealth.report.wrapped import Wrapped

_MOST_LINES = 30
_NARROWEST_NAME = 20
_OTHER_COLUMNS = 60  # characters that everything but the name needs
_CAUSE, _OUTSIDE = ">", "!"
_TARGET = "target"
_BAD = "bold red"


class LayerTable:
    """Headings, rows and legend, as wide as the console; nothing if no layer is known.

    Args:
        report: whose layers and measurements.
        full: a row for each layer, however many there are; else about 30 lines at most.
    """

    def __init__(self, report: Report, full: bool = False) -> None:
        self._report, self._full = report, full
        self._measured = {m.layer: m for m in report.measurements}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._report.layers:
            return
        parts: list[RenderableType] = []
        for rows in [unfolded(self._report)] if self._full else folded(self._report):
            columns = _columns(rows, options.max_width)
            parts = [self._table(rows, columns, options.max_width), _legend(rows, columns)]
            # Rows of several lines are counted by drawing them, unless the rows alone are too many.
            if len(rows) <= _MOST_LINES and _amount_of_lines(console, options, parts) <= _MOST_LINES:
                break
        yield from parts

    def _table(self, rows: Sequence[Row], columns: Sequence[Column], width: int) -> Table:
        room = max(_NARROWEST_NAME, width - _OTHER_COLUMNS)
        lines = [
            [*_named(row, room), *(cell for column in columns for cell in self._cells(column, row))] for row in rows
        ]
        headings = ["", "layer", *(heading for column in columns for heading in _headings(column))]
        texts = {column.heading for column in columns if column.is_text} | {"", "layer"}
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
        for heading, fitting in zip(headings, _widths(headings, lines, width), strict=True):
            style = "dim" if heading == _TARGET else ""
            justify: JustifyMethod = "left" if heading in texts else "right"
            table.add_column(heading, width=fitting, justify=justify, style=style, overflow="fold")
        for line in lines:
            table.add_row(*line)
        return table

    def _cells(self, column: Column, row: Row) -> Iterator[Text]:
        found = not column.rules.isdisjoint(row.rules)
        value = plain(column.cell([(layer, self._measurement(layer)) for layer in row.layers]))
        yield Text(f"{value}{_OUTSIDE}", _BAD) if found else Text(value)
        if column.target is not None:
            yield Text(column.expected_cell(row.layers, found))

    def _measurement(self, layer: Layer) -> Measurement:
        return self._measured.get(layer.name) or Measurement(layer=layer.name)


def _amount_of_lines(console: Console, options: ConsoleOptions, parts: Sequence[RenderableType]) -> int:
    return sum(len(console.render_lines(part, options)) for part in parts)


def _columns(rows: Sequence[Row], width: int) -> list[Column]:
    found = frozenset(rule for row in rows for rule in row.rules)
    return [column for column in TABLE if width >= column.width and (column.rules & found or not column.optional)]


def _named(row: Row, width: int) -> tuple[Text, Text]:
    style = _BAD if row.is_cause else ""
    return Text(_CAUSE if row.is_cause else "", style), Text(_at_dots(plain(row.name), width), style)


def _headings(column: Column) -> tuple[str, ...]:
    return (column.heading, _TARGET) if column.target is not None else (column.heading,)


def _widths(headings: Sequence[str], lines: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Width of each column: as its widest line, then reduced to a heading's or value's longest word, widest first."""
    columns = [[heading, *(text.plain for text in column)] for heading, *column in zip(headings, *lines, strict=True)]
    found = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    least = [max((len(word) for cell in column for word in cell.split(" ")), default=0) for column in columns]
    least[1] = found[1]  # names are in lines already
    while sum(found) + len(found) - 1 > width:
        place = max(range(len(found)), key=lambda place: found[place] - least[place])
        if found[place] <= least[place]:
            break
        found[place] -= 1
    return found


def _at_dots(name: str, width: int) -> str:
    """A name in as many lines as it needs, broken after dots where there are some."""
    lines = [""]
    for part in re.findall(r"[^.]*\.?", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("  ")
        lines[-1] += part
    return "\n".join(lines)


def _legend(rows: Sequence[Row], columns: Sequence[Column]) -> Wrapped:
    entries = [f"{column.heading}: {column.meaning}" for column in columns if column.meaning]
    if any(column.target is not None for column in columns):
        entries.append("target: what keeps the signal's size; free: a norm, a skip or the loss follows")
    if any(row.is_cause for row in rows):
        entries.append(f"{_CAUSE} cause")
    if any(column.rules & row.rules for row in rows for column in columns):
        entries.append(f"{_OUTSIDE} outside the expected range")
    return Wrapped("; ".join(entries), style="dim")
