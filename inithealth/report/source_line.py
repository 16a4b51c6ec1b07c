"""The file and line that a finding points to: from a model's code, or from a file that anyone may have written."""

from __future__ import annotations

import re
from typing import NamedTuple

from inithealth.findings import Finding

_ABSOLUTE = re.compile(r"/|[A-Za-z][\w+.-]*:")  # a path from the root, of a drive, or with a scheme


class SourceLine(NamedTuple):
    path: str
    line: int


def source_line(finding: Finding) -> SourceLine | None:
    """Parse ``path:line``; None if the finding has no source location."""
    path, colon, line = (finding.source or "").rpartition(":")
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return SourceLine(path, number) if colon and path.strip() and number else None


def repository_line(finding: Finding) -> SourceLine | None:
    """Return the source line if its file is in the repository; None for a library's file, and without a location.

    Services open these paths in a checkout of the repository.
    """
    found = source_line(finding)
    path = found.path.replace("\\", "/").strip() if found is not None else ""
    return None if _ABSOLUTE.match(path) or ".." in path.split("/") else found
