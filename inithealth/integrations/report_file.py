"""Writes the report of a running training to a file."""

from __future__ import annotations

from pathlib import Path

from inithealth import saved
from inithealth.console.log import Log
from inithealth.findings import Report
from inithealth.report.formats import format_of, rendered


class ReportFile:
    """Writes reports to one path, as HTML or JSON; a full disk does not end the training.

    Args:
        path: of a file that ends in .json, .html or .htm. None writes nothing.
        log: where the first failure is reported.

    Raises:
        ValueError: another suffix.
    """

    def __init__(self, path: Path | None, log: Log) -> None:
        self._path, self._log, self._failed, self._written = path, log, False, False
        try:
            self._format = "" if path is None else format_of(path)
        except ValueError as error:
            raise ValueError(f"report_path {error}") from None

    def write(self, report: Report) -> None:
        """Write the report; log the first failure."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            saved.write(self._path, rendered(report, self._format))
            self._written = True
        except (OSError, ValueError) as error:  # no space left, or a path that cannot be encoded
            if not self._failed:
                reason = getattr(error, "strerror", None) or error
                self._log.warning(f"the report could not be written to {self._path}: {reason}")
            self._failed, self._written = True, False

    @property
    def saved(self) -> Path | None:
        """The file if it has the last report as JSON, which ``inithealth fix`` reads."""
        return self._path if self._written and self._format == "json" else None
