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
    if not colon or not path.strip() or not (line.isascii() and line.isdigit()) or not 0 < int(line[:9]) < 2**31:
        return None
    return Place(path, int(line[:9]))
