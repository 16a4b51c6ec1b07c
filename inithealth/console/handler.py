"""Prints log records to stderr if the user has configured no handler."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from inithealth.console.above_bars import above_bars
from inithealth.console.rendering import captured, console_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

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
        text = super().format(record)
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
        from inithealth.report.terminal import renderable

        report = getattr(record, "report", None)
        return _line(self.format(record)) if report is None else renderable(report)


def _line(text: str) -> Text:
    from rich.text import Text

    word = _first_word(text)
    line = Text(text)
    line.stylize("bold", 0, len(_PREFIX))
    line.stylize({**_VERDICTS, **_LEVELS}.get(word, ""), len(_PREFIX), len(_PREFIX) + len(word))
    return line


def _first_word(text: str) -> str:
    return text.removeprefix(_PREFIX).partition(" ")[0]
