"""The file and line that a finding points to."""

from __future__ import annotations

from typing import NamedTuple

from inithealth.findings import Finding


class SourceLine(NamedTuple):
    path: str
    line: int


def source_line(finding: Finding) -> SourceLine | None:
    """Parse ``path:line``; None if the finding has no source location."""
    path, colon, line = (finding.source or "").rpartition(":")
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return SourceLine(path, number) if colon and path.strip() and number else None
