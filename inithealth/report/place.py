"""Where a finding points to: a file and a line."""

from __future__ import annotations

from typing import NamedTuple

from inithealth.findings import Finding


class Place(NamedTuple):
    path: str
    line: int


def place_of(finding: Finding) -> Place | None:
    """Out of ``path:line``; None where the finding names no source that can be pointed at."""
    path, colon, line = (finding.source or "").rpartition(":")
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return Place(path, number) if colon and path.strip() and number else None
