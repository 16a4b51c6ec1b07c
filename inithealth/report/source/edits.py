"""The fixes of a report as edits of the source: lines to insert where the layers are built."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from inithealth.findings import Finding, Report
from inithealth.report.planned_fixes import planned_fixes
from inithealth.report.source.built_layers import BuiltLayers, Insertion
from inithealth.report.source.files import SourceFiles
from inithealth.report.source.place import Refused


class Edit(NamedTuple):
    """Lines to insert into a file."""

    path: str  # relative to the root
    line: int  # they follow this line, from 1; 0 is the start of the file
    text: str  # whole lines, with their newlines
    findings: tuple[Finding, ...]


class SourceEdits(NamedTuple):
    """What to insert, from the top to the bottom of each file, and the causes that no edit fixes."""

    edits: tuple[Edit, ...]
    refused: tuple[tuple[Finding, str], ...]  # with the reason


def source_edits(report: Report, root: Path | None = None, sources: SourceFiles | None = None) -> SourceEdits:
    """Return edits of the source that run the operations which :meth:`Report.apply` would run.

    The code is inserted after the statement that builds the layer, ``self.NAME = ...`` in the ``__init__`` of a class,
    or at the end of the ``__init__`` if later statements may change the layer.

    Args:
        root: folder that the paths of the report are relative to. None: the repository of the current folder.
        sources: files that were read before. None: those of the root.

    Raises:
        ImportError: libcst is not installed.
    """
    sources = SourceFiles(root) if sources is None else sources
    built = BuiltLayers(report, sources)
    refused, found = list[tuple[Finding, str]](), list[Insertion]()
    for plan in planned_fixes(report):
        try:
            found += built.insertions(plan)
        except Refused as error:
            refused.append((plan.cause, str(error)))
    edits = [*_edits(found), *_imports(found, sources)]
    return SourceEdits(tuple(sorted(edits, key=lambda edit: (edit.path, edit.line))), tuple(refused))


def _edits(insertions: Sequence[Insertion]) -> Iterator[Edit]:
    """Yield one edit for each line. Code of an inner block comes first: there, both blocks end."""
    by_line: dict[tuple[str, int], list[Insertion]] = defaultdict(list)
    for each in insertions:
        by_line[each.path, each.place.after].append(each)
    for (path, line), group in by_line.items():
        ordered = sorted(group, key=lambda each: -len(each.place.indent))
        text = "".join(f"{each.place.indent}{code}{each.place.newline}" for each in ordered for code in each.lines)
        yield Edit(path, line, text, tuple(dict.fromkeys(each.cause for each in group)))


def _imports(insertions: Sequence[Insertion], sources: SourceFiles) -> Iterator[Edit]:
    """Yield the imports that the inserted code needs and its file lacks."""
    by_path: dict[str, list[Insertion]] = defaultdict(list)
    for each in insertions:
        by_path[each.path].append(each)
    for path, group in by_path.items():
        for name in ("math", "nn"):
            needed = [each for each in group if any(re.search(rf"(?<![\w.]){name}\.", line) for line in each.lines)]
            if needed:
                for line, text in sources.missing_import(path, name):
                    yield Edit(path, line, text, tuple(dict.fromkeys(each.cause for each in needed)))
