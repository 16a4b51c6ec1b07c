"""The layer table: layers in forward order with the numbers behind the diagnosis; layers of one role share a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from inithealth.evidence.targets import Targets, is_outside
from inithealth.evidence.wording import count
from inithealth.findings import Report
from inithealth.recording import Measurement
from inithealth.report import grid
from inithealth.report.cause_layers import rules_of_causes
from inithealth.report.columns import GRADIENT, LEFT_OUT, OUTPUT, RANGE, SCHEME, TABLE, Column
from inithealth.report.grid import GridColumn
from inithealth.report.layer_rows import Row, folded, unfolded
from inithealth.report.plain import plain
from inithealth.report.summary import verdict_style
from inithealth.report.wrapped import Wrapped, packed

_MOST_LINES = 30
_ROOM = 20  # minimum characters for the names before columns are omitted
_CAUSE, _OUTSIDE = "> ", "!"
_NOT_FINITE = frozenset({"non-finite-activations", "non-finite-gradients"})
_DIM = "dim"


class LayerTable:
    """Headings, rows and legend at the width of the console; empty if no layer is known.

    Args:
        report: the report with the layers and measurements.
        full: a row for each layer, however many there are; otherwise at most 30 lines.
    """

    def __init__(self, report: Report, full: bool = False) -> None:
        self._report, self._full = report, full
        self._measured = {m.layer: m for m in report.measurements}
        self._bad = verdict_style(report)
        self._targets = Targets(report.layers, rules_of_causes(report))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._report.layers:
            yield from self._lines(options.max_width)

    def _lines(self, width: int) -> list[Text]:
        if self._full:
            return next(self._drawn(unfolded(self._report), width))
        for rows in folded(self._report, _MOST_LINES):
            for lines in self._drawn(rows, width):
                if len(lines) <= _MOST_LINES:
                    return lines
        return self._cut(rows, width)

    def _cut(self, rows: Sequence[Row], width: int) -> list[Text]:
        """Return as many rows as fit, and a line with the number of omitted ones."""
        for amount in range(min(len(rows), _MOST_LINES), 0, -1):
            left_out = f"... {count(len(rows) - amount, 'more row')}: report.table(full=True)"
            lines = [*next(self._drawn(rows[:amount], width)), Text(left_out, _DIM)]
            if len(lines) <= _MOST_LINES:
                break
        return lines

    def _drawn(self, rows: Sequence[Row], width: int) -> Iterator[list[Text]]:
        """Yield the lines with the columns that fit, then with fewer columns, which leaves more space for the names."""
        blank = " " * len(_CAUSE) if any(row.is_cause for row in rows) else ""
        cells = [(_CAUSE if row.is_cause else blank) + plain(row.name) for row in rows]
        names = GridColumn(f"{blank}layer", cells, [self._bad if row.is_cause else "" for row in rows], is_text=True)
        columns = {column: self._column(column, rows) for column in _columns(rows)}
        for shown in _fitting(columns, rows, names, width):
            drawn = [each for column in shown for each in columns[column]]
            yield [*grid.lines(names, drawn, width), *self._legend(rows, shown, width)]

    def _column(self, column: Column, rows: Sequence[Row]) -> list[GridColumn]:
        """Return the column of the values, and the column of their targets if there are any."""
        values = [[column.read(layer, self._measurement(layer.name)) for layer in row.layers] for row in rows]
        marks = [self._is_outside(column, *each) for each in zip(rows, values, strict=True)]
        blank = " " if any(marks) else ""
        texts = [
            plain(column.text(each)) + (_OUTSIDE if mark else blank) for each, mark in zip(values, marks, strict=True)
        ]
        drawn = [GridColumn(column.heading, texts, [self._bad if mark else "" for mark in marks], column.is_text)]
        if column.target is not None:
            targets = [
                column.text([column.target(self._targets, layer) for layer in row.layers if _is_known(known)])
                for row, known in zip(rows, values, strict=True)
            ]
            drawn.append(GridColumn("target", targets, [_DIM] * len(rows)))
        return drawn

    def _is_outside(self, column: Column, row: Row, values: Sequence[object]) -> bool:
        """Return whether a rule found something in these values, or they miss the target and may be the cause."""
        if not row.is_cause or not _is_known(values):
            return False
        judged = column.rules & row.rules
        if not any(isinstance(value, float) and not math.isfinite(value) for value in values):
            judged -= _NOT_FINITE  # found at a later step, or outside the sample of these values
        if judged:
            return True
        return (
            column.target is not None
            and not column.symptoms.isdisjoint(row.rules)
            and any(
                isinstance(value, float) and is_outside(value, column.target(self._targets, layer))
                for layer, value in zip(row.layers, values, strict=True)
            )
        )

    def _legend(self, rows: Sequence[Row], columns: Sequence[Column], width: int) -> Iterator[Text]:
        is_marked = any(row.is_cause for row in rows)
        entries = [f"{_CAUSE.strip()} cause", f"{_OUTSIDE} outside the expected range"] if is_marked else []
        entries += [f"{column.heading}: {column.meaning}" for column in columns if column.meaning]
        if any(column.target is not None for column in columns):
            entries += ["target: what keeps the signal's size", "free: a norm, a skip or the loss follows"]
        if any(len(row.layers) > 1 for row in rows):
            entries.append(f"a{RANGE}b: range over the layers of a row")
        if self._report.step:
            entries.append("values: at the first watched step")
        for line in packed(entries, width):
            yield from Wrapped(line, style=_DIM).lines(width)

    def _measurement(self, name: str) -> Measurement:
        return self._measured.get(name) or Measurement(layer=name)


def _is_known(values: Sequence[object]) -> bool:
    return any(value is not None for value in values)


def _columns(rows: Sequence[Row]) -> Iterator[Column]:
    for column in TABLE:
        if not column.is_optional or _has_findings(column, rows):
            yield column


def _has_findings(column: Column, rows: Sequence[Row]) -> bool:
    return any(not column.rules.isdisjoint(row.rules) for row in rows)


def _fitting(
    columns: Mapping[Column, Sequence[GridColumn]], rows: Sequence[Row], names: GridColumn, width: int
) -> Iterator[list[Column]]:
    """Yield the columns, then omit one optional column after the other, starting where the names have space.

    Prefer omitting only shape, feeds and gradient, if that keeps every name on the line of its numbers. The
    initialization, and columns with findings, are omitted only if nothing else fits.
    """
    order = sorted(LEFT_OUT, key=lambda column: _has_findings(column, rows))
    fewer = _fewer(columns, order)
    if not _has_findings(GRADIENT, rows):
        at = next(place for place, some in enumerate(fewer) if GRADIENT not in some)
        fewer[at:at] = _fewer([column for column in columns if column is not GRADIENT], order[: order.index(GRADIENT)])
    rooms = {id(some): width - grid.width_of([each for column in some for each in columns[column]]) for some in fewer}
    beside = [some for some in fewer if rooms[id(some)] >= names.width() and {OUTPUT, SCHEME} <= {*some}]
    enough = [some for some in fewer if rooms[id(some)] >= min(names.width(), _ROOM) and SCHEME in some]
    narrow = [some for some in fewer if rooms[id(some)] >= len(names.heading)]
    yield from beside[:1]
    yield from enough or narrow[:1] or fewer[-1:]


def _fewer(columns: Iterable[Column], order: Iterable[Column]) -> list[list[Column]]:
    """Return the columns, and what remains as they are omitted one after the other."""
    fewer = [list(columns)]
    for left_out in order:
        fewer.append([column for column in fewer[-1] if column is not left_out])
    return fewer
