"""The output of a report: formats, files, GitHub's step summary, the baseline, and the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inithealth import saved
from inithealth.cli.errors import BadInput
from inithealth.cli.printing import noted, shown
from inithealth.console.rendering import report_text
from inithealth.findings import Report
from inithealth.report.compare import baseline
from inithealth.report.compare.baseline import Baseline
from inithealth.report.formats import DEFAULT, FORMATS, rendered
from inithealth.suggest import unknown

_SUMMARY = "GITHUB_STEP_SUMMARY"  # a file that GitHub shows as Markdown


@dataclass(frozen=True)
class Output:
    """The validated output options."""

    places: dict[str, str | None]  # format -> file; None is stdout
    known: Baseline | None
    new_baseline: str | None
    fail_on: Literal["error", "warning", "info", "never"] | None
    exit_zero: bool
    verbose: bool  # a row for each layer in the table

    @classmethod
    def of(cls, options: argparse.Namespace) -> Output:
        """Validate the options. Raises BadInput for an unknown format or an unreadable baseline."""
        places = _places(options.output_format, options.output_file)
        _refuse_shared(options, places)
        try:
            known = baseline.read(Path(options.baseline)) if options.baseline else None
        except ValueError as error:
            raise BadInput(str(error)) from None
        return cls(places, known, options.write_baseline, options.fail_on, options.exit_zero, options.verbose)

    def finish(self, report: Report) -> int:
        """Write the report in every requested format. Returns the exit status."""
        report = self.judged(report)
        texts = {place: self._text(report, name, place) for name, place in self.places.items()}
        for place, text in texts.items():  # write files before stdout
            if place is not None:
                _write(Path(place), f"{text}\n")
        if None in texts:
            shown(texts[None])
        summary = os.environ.get(_SUMMARY)
        if summary:
            _append(Path(summary), rendered(report, "markdown"))
        return self.status(report)

    def judged(self, report: Report) -> Report:
        """Return the report with the chosen ``fail_on`` and without known findings; writes a requested baseline."""
        if self.fail_on is not None:
            report = report.model_copy(update={"fail_on": self.fail_on})
        return self._without_known(report)

    def status(self, report: Report) -> int:
        """Return the exit status."""
        return 0 if self.exit_zero or report.ok else 1

    def _text(self, report: Report, name: str, place: str | None) -> str:
        if name != DEFAULT:
            return rendered(report, name)
        return report_text(report, sys.stdout, full=self.verbose) if place is None else report.table(full=self.verbose)

    def _without_known(self, report: Report) -> Report:
        """Apply the baseline, and write a new one; with both, the new one has no added findings."""
        known = self.known
        if self.new_baseline is not None:
            known = Baseline.of(report) if known is None else baseline.pruned(known, report)
            _write(Path(self.new_baseline), baseline.text_of(known))
        return report if known is None else baseline.applied(report, known)


def _places(formats: list[str] | None, file: str | None) -> dict[str, str | None]:
    """Return the file of each format, None for stdout. Raises BadInput."""
    places: dict[str, str | None] = {}
    for text in formats or [DEFAULT]:
        name, _, place = text.partition("=")
        if name not in FORMATS:
            raise BadInput(unknown("output format", name, FORMATS))
        places[name] = place or None
    bare = [name for name, place in places.items() if place is None]
    if file is not None and bare:
        places[bare.pop()] = file
    if len(bare) > 1:
        raise BadInput(f"{' and '.join(bare)} would both be printed: write {bare[0]}=FILE")
    return places


def _refuse_shared(options: argparse.Namespace, places: Mapping[str, str | None]) -> None:
    """Raise BadInput if a file would be written twice, or replaced although it is read; a baseline may be both."""
    read = [getattr(options, name, None) for name in ("baseline", "report", "config", "model_config")]
    taken = {saved.identity(file) for file in read if file}
    new = options.write_baseline
    is_known = bool(new and options.baseline) and saved.identity(new) == saved.identity(options.baseline)
    for file in filter(None, [*places.values(), None if is_known else new]):
        if saved.identity(file) in taken:
            raise BadInput(f"{file} is given twice: an output needs a file of its own")
        taken.add(saved.identity(file))


def _write(path: Path, text: str) -> None:
    try:
        saved.write(path, text)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror or error}") from None


def _append(path: Path, text: str) -> None:
    try:
        saved.append(path, f"{text}\n")
    except OSError as error:  # an error in GitHub's summary file must not fail the check
        noted(f"inithealth: no step summary: {error.strerror or error}")
