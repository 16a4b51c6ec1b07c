"""Where a report goes: formats, files, the step's summary, the baseline; and the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

from inithealth import baseline
from inithealth.cli.errors import BadInput
from inithealth.findings import Report
from inithealth.report.formats import FORMATS, rendered
from inithealth.report.markdown import markdown
from inithealth.settings import unknown

_SUMMARY = "GITHUB_STEP_SUMMARY"  # a file that GitHub shows as Markdown


def finish(report: Report, options: argparse.Namespace) -> int:
    """Tell the report in every format asked for. Returns the exit status."""
    places = _places(options.output_format, options.output_file)
    if options.fail_on:
        report = report.model_copy(update={"fail_on": options.fail_on})
    if options.write_baseline:
        _write_baseline(report, Path(options.write_baseline))
    known = options.baseline or options.write_baseline
    if known:
        report = _without_known(report, Path(known))
    texts = {place: rendered(report, name) for name, place in places.items()}
    for place, text in texts.items():  # files first: what is printed is the last word
        if place is not None:
            _write(Path(place), text)
    if None in texts:
        print(texts[None])
    summary = os.environ.get(_SUMMARY)
    if summary:
        _append(Path(summary), markdown(report))
    return 0 if options.exit_zero or report.ok else 1


def _places(formats: list[str] | None, file: str | None) -> dict[str, str | None]:
    """Format -> file; None is what is printed. Raises BadInput."""
    places: dict[str, str | None] = {}
    for text in formats or ["table"]:
        name, _, place = text.partition("=")
        if name not in FORMATS:
            raise BadInput(unknown("output format", name, FORMATS))
        places[name] = place or None
    bare = [name for name, place in places.items() if place is None]
    if file is not None and bare:
        places[bare.pop()] = file
    if len(bare) > 1:
        raise BadInput(f"{' and '.join(bare)} would both be printed: write {bare[0]}=FILE")
    if len({place for place in places.values() if place}) < sum(place is not None for place in places.values()):
        raise BadInput("two formats would go to one file")
    return places


def _write(path: Path, text: str) -> None:
    """All of it or nothing. Raises BadInput."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(f"{text}\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from None


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:  # GitHub's file, not the user's: no reason to fail
        print(f"inithealth: no step summary: {error.strerror or error}", file=sys.stderr)


def _write_baseline(report: Report, path: Path) -> None:
    try:
        baseline.write(baseline.Baseline.of(report), path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from None


def _without_known(report: Report, path: Path) -> Report:
    try:
        return baseline.applied(report, baseline.read(path))
    except ValueError as error:
        raise BadInput(str(error)) from None
