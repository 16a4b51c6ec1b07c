"""Prints log records to stderr if the user has configured no handler."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from inithealth.console.above_bars import above_bars
from inithealth.console.rendering import captured, console_of
from inithealth.report.plain import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_PREFIX = "inithealth: "
_VERDICTS = {"healthy": "green", "resolved": "green", "stopped": "bold red"}  # first words of lines, with their color
_LEVELS = {"warning:": "yellow", "error:": "bold red"}


class ConsoleHandler(logging.Handler):
    """Prints records to stderr: in color and at the terminal's width, above progress bars; as plain text in a file.

    A record with an attribute ``report`` is shown as that report. Errors are passed to ``logging``, never raised.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._show(record)
        except Exception:
            self.handleError(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the plain text; it includes the level of a warning or an error unless it starts with a verdict."""
        text = printable(super().format(record))
        if record.levelno < logging.WARNING or hasattr(record, "report") or _first_word(text) in _VERDICTS:
            return text
        return text.replace(_PREFIX, f"{_PREFIX}{record.levelname.lower()}: ", 1)

    def _show(self, record: logging.LogRecord) -> None:
        stream = sys.stderr
        if stream is None:  # a program without a terminal on Windows
            return
        console = console_of(stream)
        if console.is_jupyter:  # a notebook shows HTML, which cannot be written to a stream
            console.print(self._renderable(record))
            return
        text = captured(console, self._renderable(record)) if console.is_terminal else self.format(record) + "\n"
        with above_bars(stream):
            stream.write(text)
            stream.flush()

    def _renderable(self, record: logging.LogRecord) -> RenderableType:
        from rich.console import Group

        from inithealth.report.terminal import renderable

        report = getattr(record, "report", None)
        if report is None:
            return _Line(self.format(record))
        return Group(renderable(report), "")  # an empty line: below it are the bar and the next lines


class _Line:
    """A line that starts with the name and a word in color; a traceback may follow it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        from inithealth.report.wrapped import Wrapped

        text, *traceback = self._text.split("\n")
        first, *others = Wrapped(text, later="    ").lines(options.max_width)
        word = _first_word(text)
        first.stylize("bold", 0, len(_PREFIX))
        first.stylize({**_VERDICTS, **_LEVELS}.get(word, ""), len(_PREFIX), len(_PREFIX) + len(word))
        yield from (first, *others, *map(Text, traceback))


def _first_word(text: str) -> str:
    return text.removeprefix(_PREFIX).partition(" ")[0]
