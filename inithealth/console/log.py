"""The logger ``inithealth``: everything that a running training reports goes through it."""

from __future__ import annotations

import logging
import sys
from typing import Any

from inithealth.console.handler import ConsoleHandler
from inithealth.findings import Finding, Report, Severity
from inithealth.record.live.distributed import rank
from inithealth.report.plain import plain

LEVELS = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}


class Log:
    """Logs lines and reports, on rank 0 only.

        Handlers that the user adds, to this logger or to the root logger, get the records according to their levels.
    Without any, :class:`ConsoleHandler` shows them at INFO and above, unless a level is set. It works like Python's
    handler of last resort: it is not added to the logger, and a handler that the user adds later replaces it.

    Args:
        verbose: False logs nothing.
    """

    def __init__(self, *, verbose: bool = True) -> None:
        self.verbose = verbose

    def line(self, level: int, text: str, *, finding: Finding | None = None, note: bool = False) -> None:
        """Log one line with the prefix ``inithealth:``.

        Args:
            finding: stored as an attribute of the record.
            note: the terminal shows it only if the user has set the logger's level.
        """
        extra = {} if finding is None else {"finding": finding}
        self._write(level, _prefixed(text), extra, note=note)

    def warning(self, text: str, *, exc_info: bool = False) -> None:
        """Log one line about inithealth itself: something could not be measured or written."""
        self._write(logging.WARNING, _prefixed(text), {}, exc_info=exc_info)

    def report(self, level: int, report: Report) -> None:
        """Log a whole report: the terminal shows it in color, other handlers get ``str(report)``."""
        self._write(level, report, {"report": report})

    def _write(
        self, level: int, message: object, extra: dict[str, Any], *, note: bool = False, exc_info: bool = False
    ) -> None:
        logger = logging.getLogger("inithealth")
        if not self.verbose or rank() != 0:
            return
        if logger.hasHandlers():
            logger.log(level, message, extra=extra, exc_info=exc_info, stacklevel=3)
        elif level >= _threshold(logger) and not (note and logger.level == logging.NOTSET):
            _show(logger, level, message, extra, exc_info=exc_info)


def _prefixed(text: str) -> str:
    return f"inithealth: {plain(text)}"


def _threshold(logger: logging.Logger) -> int:
    """Return INFO, unless the user has set a level for this logger, or changed that of the root logger."""
    root = logging.getLogger().level
    chosen = logger.level or (logging.INFO if root == logging.WARNING else root)
    return max(chosen, logger.manager.disable + 1)


def _show(logger: logging.Logger, level: int, message: object, extra: dict[str, Any], *, exc_info: bool) -> None:
    error = sys.exc_info() if exc_info else None
    record = logger.makeRecord(logger.name, level, "", 0, message, (), error, extra=extra)
    if not logger.disabled and logger.filter(record):
        ConsoleHandler().handle(record)
