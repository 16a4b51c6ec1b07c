"""Two reports compared: the differences, with a table."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from inithealth.findings import Report
from inithealth.report.compare.changes import Change, changes
from inithealth.report.compare.changes_text import changes_json, changes_table


class Comparison(BaseModel):
    """The differences of a report from an earlier one; ``str(comparison)`` is a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changes: tuple[Change, ...] = ()  # verdicts first

    @property
    def worse(self) -> tuple[Change, ...]:
        """The changes that are new or more severe findings."""
        return tuple(change for change in self.changes if change.worse)

    def to_json(self) -> str:
        """The changes as a JSON list."""
        return changes_json(self.changes)

    def __str__(self) -> str:
        return changes_table(self.changes)


def compared(old: Report, new: Report) -> Comparison:
    """Return the differences of the new report from the old one. Layers are matched by name."""
    return Comparison(changes=changes(old, new))
