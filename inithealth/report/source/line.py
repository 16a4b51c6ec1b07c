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
    """Return the source line of a finding; None if it has no source location."""
    return parsed(finding.source)


def repository_line(finding: Finding) -> SourceLine | None:
    """Return the source line if its file is in the repository; None for a library's file, and without a location."""
    return in_repository(finding.source)


def parsed(source: str | None) -> SourceLine | None:
    """Parse ``path:line``; None for other texts."""
    path, colon, line = (source or "").rpartition(":")
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
    return SourceLine(path, number) if colon and path.strip() and number else None


def in_repository(source: str | None) -> SourceLine | None:
    """Parse ``path:line``; None for other texts, and if the file is not in the repository.

    Services open these paths in a checkout of the repository.
    """
    found = parsed(source)
    path = found.path.replace("\\", "/").strip() if found is not None else ""
    return None if _ABSOLUTE.match(path) or ".." in path.split("/") else found
