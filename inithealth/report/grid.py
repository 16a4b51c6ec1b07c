"""Formats columns of cells as lines of text. The first column is a name, on a separate line if it is too long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

_HEADING = "bold"
_INDENT = "    "  # of the continuation lines of a name
_SHORTEST = 8  # minimum characters of a part of a name, even on a narrow terminal


@dataclass(frozen=True)
class GridColumn:
    """A heading and a cell for each row.

    Attributes:
        heading: one or several words; on a narrow terminal each word has its own line.
        cells: the texts of the cells.
        styles: the styles of the cells.
        is_text: whether the cells are aligned to the left.
    """

    heading: str
    cells: Sequence[str]
    styles: Sequence[str]
    is_text: bool = False

    def width(self, is_stacked: bool = False) -> int:
        """Return the width of the longest text. With ``is_stacked``, each word of the heading has its own line."""
        return max(map(len, (*(self.heading.split() if is_stacked else [self.heading]), *self.cells)), default=0)

    def aligned(self, text: str, width: int) -> str:
        return text.ljust(width) if self.is_text else text.rjust(width)


def width_of(columns: Sequence[GridColumn]) -> int:
    """Return the minimum width of the columns, with one space before each."""
    return sum(column.width(is_stacked=True) + 1 for column in columns)


def lines(names: GridColumn, columns: Sequence[GridColumn], width: int) -> Iterator[Text]:
    """Yield the headings and the rows.

    Args:
        names: the first column. A name is never cut: if it is too long for its column, it has its own line.
        columns: the other columns.
        width: width of a line.
    """
    is_stacked = names.width() + sum(column.width() + 1 for column in columns) > width
    widths = [column.width(is_stacked) for column in columns]
    room = min(names.width(), max(len(names.heading), width - sum(widths) - len(widths)))
    yield from _headings(names.heading.ljust(room), columns, widths, is_stacked)
    for place, name in enumerate(names.cells):
        *own_lines, beside = [*at_dots(name, width), ""] if len(name) > room else [name]
        for part in own_lines:
            yield Text(part, names.styles[place], no_wrap=True, overflow="ignore")
        cells = [each.aligned(each.cells[place], size) for each, size in zip(columns, widths, strict=True)]
        styles = [names.styles[place], *(each.styles[place] for each in columns)]
        yield _line([beside.ljust(room), *cells], styles)


def _headings(name: str, columns: Sequence[GridColumn], widths: Sequence[int], is_stacked: bool) -> Iterator[Text]:
    words = [each.heading.split() if is_stacked else [each.heading] for each in columns]
    most = max(map(len, words), default=1)
    for place in range(-most, 0):
        cells = [
            column.aligned(own[place] if place >= -len(own) else "", width)
            for column, own, width in zip(columns, words, widths, strict=True)
        ]
        yield _line([name if place == -1 else " " * len(name), *cells], [_HEADING] * (len(cells) + 1))


def at_dots(name: str, width: int) -> list[str]:
    """Split a name into lines, after dots, or anywhere in a part that is too long."""
    most = max(_SHORTEST, width - len(_INDENT) - 1)
    lines = [""]
    for part in re.findall(rf"[^.]{{1,{most}}}\.?|\.", name):
        if lines[-1].strip() and len(lines[-1]) + len(part) > width:
            lines.append(_INDENT)
        lines[-1] += part
    return lines


def _line(cells: Sequence[str], styles: Sequence[str]) -> Text:
    line = Text(no_wrap=True, overflow="ignore")
    for place, (cell, style) in enumerate(zip(cells, styles, strict=True)):
        line.append(f" {cell}" if place else cell, style)
    line.rstrip()
    return line
