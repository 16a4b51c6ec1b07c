"""Where a report goes: formats, files, the step's summary, the baseline; and the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from inithealth import baseline, saved
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
    report = _without_known(report, options.baseline, options.write_baseline)
    texts = {place: rendered(report, name) for name, place in places.items()}
    for place, text in texts.items():  # files first: what is printed is the last word
        if place is not None:
            _write(Path(place), f"{text}\n")
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
    try:
        saved.write(path, text)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from None


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:  # GitHub's file, not the user's: no reason to fail
        print(f"inithealth: no step summary: {error.strerror or error}", file=sys.stderr)


def _without_known(report: Report, known: str | None, new: str | None) -> Report:
    """What is in a baseline fails nothing. A new one that is made with an old one only shrinks."""
    try:
        old = baseline.read(Path(known)) if known else None
    except ValueError as error:
        raise BadInput(str(error)) from None
    made = old
    if new:
        made = baseline.Baseline.of(report) if old is None else baseline.pruned(old, report)
        _write(Path(new), baseline.text_of(made))
    return report if made is None else baseline.applied(report, made)
