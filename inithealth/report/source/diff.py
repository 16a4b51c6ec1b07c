"""Applies edits to the text of source files, and shows them as a unified diff."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from inithealth.report.plain import plain
from inithealth.report.source.edits import Edit
from inithealth.report.source.files import repository, text_of


class ChangedFile(NamedTuple):
    """A source file before and after edits."""

    path: str  # relative to the root
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff, as git shows it; lines end with a line feed."""
        before, after = (list(io.StringIO(text, newline=None)) for text in (self.before, self.after))
        found = difflib.unified_diff(before, after, f"a/{plain(self.path)}", f"b/{plain(self.path)}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)


def changed_files(edits: Iterable[Edit], root: Path | None = None) -> list[ChangedFile]:
    """Return the files that edits change.

    Args:
        edits: sorted by file.
        root: folder that paths are relative to. None: the repository of the current folder.

    Raises:
        Refused: a file cannot be read.
    """
    home = repository() if root is None else root
    found = []
    for path, group in groupby(edits, key=lambda edit: edit.path):
        before = text_of(home / path)
        found.append(ChangedFile(path, before, changed(before, group)))
    return found


def changed(text: str, edits: Iterable[Edit]) -> str:
    """Return the text of one file with its edits."""
    lines = list(io.StringIO(text, newline=""))
    in_order = sorted(edits, key=lambda each: each.line)
    for edit in in_order[::-1]:  # from the end, which keeps the line numbers of the others
        before = lines[: edit.line]
        if before and not before[-1].endswith(("\n", "\r")):
            before[-1] += "\n"
        lines = [*before, edit.text, *lines[edit.line :]]
    return "".join(lines)
