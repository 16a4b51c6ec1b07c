"""The change of the source that fixes each cause, for the formats that show it."""

from __future__ import annotations

from typing import NamedTuple

from inithealth.findings import Finding, Report
from inithealth.report.source.diff import ChangedFile, changed_files
from inithealth.report.source.edits import Edit, source_edits
from inithealth.report.source.files import SourceFiles
from inithealth.report.source.place import Refused


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
    nothing = [CauseEdits() for _ in report.causes]
    if not any(cause.operations for cause in report.causes):
        return nothing
    try:
        sources = SourceFiles()
    except ImportError:
        return nothing
    return [_edits(report, cause, sources) for cause in report.causes]


def _edits(report: Report, cause: Finding, sources: SourceFiles) -> CauseEdits:
    alone = report.model_copy(update={"findings": (cause,)})
    edits = source_edits(alone, sources=sources).edits
    try:
        return CauseEdits(edits, tuple(changed_files(edits)))
    except Refused:  # the file was deleted meanwhile
        return CauseEdits()
