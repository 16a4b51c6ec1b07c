"""The change of the source that fixes each cause, for the formats that show it."""

from __future__ import annotations

from typing import NamedTuple

from inithealth.findings import Finding, Report
from inithealth.report.source_diff import ChangedFile, changed_files
from inithealth.report.source_edits import Edit, source_edits
from inithealth.report.source_place import Refused


class CauseEdits(NamedTuple):
    """The lines to insert for one cause, and the files that they change; empty if their place is not known."""

    edits: tuple[Edit, ...] = ()
    files: tuple[ChangedFile, ...] = ()

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        return "".join(file.diff for file in self.files)


def cause_edits(report: Report) -> list[CauseEdits]:
    """Return the edits of each cause, each without those of the others; empty ones without libcst."""
    return [_edits(report, cause) for cause in report.causes]


def _edits(report: Report, cause: Finding) -> CauseEdits:
    if not cause.operations:
        return CauseEdits()
    alone = report.model_copy(update={"findings": (cause,)})
    try:
        edits = source_edits(alone).edits
        return CauseEdits(edits, tuple(changed_files(edits)))
    except (ImportError, Refused):
        return CauseEdits()
