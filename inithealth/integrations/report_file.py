"""Writes the report of a running training to a file."""

from __future__ import annotations

from pathlib import Path

from inithealth.console.log import Log
from inithealth.findings import Report
from inithealth.report.compare import saved

_PAGES = (".html", ".htm")


class ReportFile:
    """Writes reports to one path, as HTML or JSON; a full disk does not end the training.

    Args:
        path: of a file; with the suffix .html or .htm the page, else JSON. None writes nothing.
        log: where the first failure is reported.
    """

    def __init__(self, path: Path | None, log: Log) -> None:
        self._path, self._log, self._failed = path, log, False

    def write(self, report: Report) -> None:
        """Write the report; log the first failure."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            is_page = self._path.suffix.lower() in _PAGES
            saved.write(self._path, report.to_html() if is_page else report.to_json())
        except (OSError, ValueError) as error:  # no space left, or a path that cannot be encoded
            if not self._failed:
                self._log.warning(f"the report could not be written to {self._path}: {error}")
            self._failed = True
