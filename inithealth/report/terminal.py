"""A report for a terminal: the verdict, the causes with their fixes, the layers, and notes on the measurements."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import groupby

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from inithealth.commands import inert
from inithealth.evidence.wording import count
from inithealth.findings import Finding, Report
from inithealth.report.finding_text import details, headline, title
from inithealth.report.layer_table import LayerTable
from inithealth.report.plain import plain
from inithealth.report.summary import STYLES, remarks, verdict, verdict_style
from inithealth.report.wrapped import Wrapped

_LABEL = 8  # characters before each text: the severity, "cause:", "fix:"
_MOST_STATEMENTS = 8  # statements shown of a fix; the JSON has all of them
_WIDTHS = (60, 120)  # columns: narrowest and widest text without a console
_WITHOUT_TERMINAL = 100  # columns


def renderable(report: Report, *, full: bool = False) -> RenderableType:
    """Return a renderable for rich, which adapts to the width and colors of its console.

    Args:
        report: the report.
        full: a row for each layer; otherwise layers of one role share a row.
    """
    parts: list[RenderableType] = [Text(plain(verdict(report)), verdict_style(report)), Text()]
    for cause in report.causes:
        parts += [_cause(cause, report.consequences(cause)), Text()]
    if report.layers:
        parts += [LayerTable(report, full), Text()]
    parts += [Wrapped(remark, style="dim", later="    ") for remark in remarks(report)]
    return Group(*parts)


def text(report: Report, *, full: bool = False, width: int | None = None) -> str:
    """Return the same text in plain ASCII. Only code that cannot be broken is wider than ``width``.

    Args:
        report: the report.
        full: a row for each layer; otherwise layers of one role share a row.
        width: width in columns; None uses the terminal's, limited to 60 to 120, or 100 without a terminal.
    """
    if width is None:
        low, high = _WIDTHS
        width = min(high, max(low, shutil.get_terminal_size((_WITHOUT_TERMINAL, 0)).columns))
    return printed(renderable(report, full=full), width)


def printed(shown: RenderableType, width: int) -> str:
    """Return the output of a console without colors, without a newline at the end."""
    file = StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(shown, crop=False, overflow="ignore")
    return inert("\n".join(line.rstrip() for line in file.getvalue().splitlines()).rstrip())


def _cause(cause: Finding, consequences: tuple[Finding, ...]) -> Group:
    style = STYLES[cause.severity] if cause.suppressed is None else "dim"
    parts: list[RenderableType] = [Text(plain(f"{cause.severity.value.upper():{_LABEL}}{title(cause)}"), style)]
    parts.append(_labeled("", cause.message))
    for label, detail in details(cause).items():
        parts.append(_Fix(detail) if label == "fix" else _labeled(f"{label}:", detail))
    parts += [_labeled("->", headline(finding), style="dim") for finding in consequences]
    return Group(*parts)


def _labeled(label: str, text: str, style: str = "") -> Wrapped:
    return Wrapped(text, _head(label), _head(""), style, "bold")


def _head(label: str) -> str:
    return f"  {label} ".ljust(_LABEL)


class _Fix:
    """Formats code: equal loops are merged, and lines are broken only where Python allows it."""

    def __init__(self, fix: str) -> None:
        self._fix = fix

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for place, line in enumerate(self._lines(options.max_width - _LABEL)):
            head = _head("" if place else "fix:")
            yield Text.assemble((head, "bold"), (line, "green"), no_wrap=True, overflow="ignore")

    def _lines(self, room: int) -> Iterator[str]:
        statements = self._fix.splitlines()
        more = len(statements) - _MOST_STATEMENTS
        for head, same in groupby(map(plain, statements[:_MOST_STATEMENTS]), _loop):
            group = list(same)
            yield from _loop_lines(head, group, room) if head else _statement_lines(group, room)
        if more > 0:
            yield f"# and {count(more, 'more line')}: finding.fix"


def _loop(statement: str) -> str:
    """Return ``for i in range(4):``, or "" if the statement is not a loop."""
    head, colon, _ = statement.partition(": ")
    return head + colon.strip() if colon and statement.startswith("for ") else ""


def _loop_lines(head: str, loops: Sequence[str], room: int) -> list[str]:
    if len(loops) == 1 and len(loops[0]) <= room:
        return [loops[0]]
    bodies = [loop.removeprefix(head).strip() for loop in loops]
    return [head, *(f"    {line}" for body in bodies for line in _call_lines(body, room - 4))]


def _statement_lines(statements: Iterable[str], room: int) -> Iterator[str]:
    for statement in statements:
        if len(statement) <= room or statement.startswith(("nn.init.", "model", "getattr(")):
            yield from _call_lines(statement, room)
        else:
            yield from textwrap.wrap(statement, room, break_on_hyphens=False)


def _call_lines(code: str, room: int) -> list[str]:
    """Return the code, broken after its first parenthesis if it is too long and that is sufficient."""
    head, parenthesis, arguments = code.partition("(")
    if len(code) <= room or '"' in head or not code.endswith(")") or len(arguments) > room - 4:
        return [code]
    return [head + parenthesis, f"    {arguments}"]
