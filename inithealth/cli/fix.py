"""``inithealth fix TARGET`` or ``REPORT.json``: the fixes as a function to paste, or as edits of the source."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from inithealth import saved
from inithealth.cli.check import chosen, report_of, request_of
from inithealth.cli.errors import BadInput
from inithealth.cli.output import Output
from inithealth.cli.printing import noted, shown
from inithealth.cli.uncommitted import refuse_uncommitted
from inithealth.findings import Finding, Report, Severity
from inithealth.report.compare.loading import read_report
from inithealth.report.finding_text import located
from inithealth.report.init_function import init_function
from inithealth.report.source.diff import ChangedFile, changed_files
from inithealth.report.source.edits import source_edits
from inithealth.report.source.files import repository, text_of
from inithealth.report.source.place import Refused

# Options of a check, which a saved report has had.
_CHECK = ("arg", "model_config", "data", "input", "loss", "optimizer", "select", "extend_select", "ignore", "config")


def run(options: argparse.Namespace) -> int:
    output = Output.of(options)
    report = output.judged(_report(options))
    if options.diff or options.write:
        _edit(report, write=options.write)
    elif any(cause.severity > Severity.INFO and cause.suppressed is None for cause in report.causes):
        shown(init_function(report))
    else:
        noted("inithealth: nothing to fix")
    return output.status(report)


def _report(options: argparse.Namespace) -> Report:
    """Return the saved report, or that of the target. Raises BadInput."""
    if not _is_saved(options.target):
        return report_of(request_of(options, verify=True), chosen(options))
    given = [name for name in _CHECK if getattr(options, name)]
    given += ["seeds"] * (options.seeds != 1) + ["isolated"] * options.isolated
    if given:
        raise BadInput(f"{options.target} is a saved report: --{given[0].replace('_', '-')} is for a model to check")
    try:
        report = read_report(Path(options.target))
    except ValueError as error:
        raise BadInput(str(error)) from None
    if any(cause.operations for cause in report.causes) and not any(cause.verification for cause in report.causes):
        noted(f"inithealth: the fixes in {options.target} were not tried: `inithealth fix TARGET` tries them")
    return report


def _is_saved(target: str | None) -> bool:
    if target is None:
        return False
    if target.lower().endswith(".json"):
        return True
    try:
        return Path(target).is_file() and not target.endswith(".py")
    except ValueError:  # a null byte
        return False


def _edit(report: Report, *, write: bool) -> None:
    """Show the edits of the source as a diff, and write them. Raises BadInput."""
    root = repository()
    try:
        edits = source_edits(report, root)
        files = changed_files(edits.edits, root)
    except (ImportError, Refused) as error:
        raise BadInput(str(error)) from None
    _note_refused(edits.refused)
    if files:
        shown("".join(file.diff for file in files).removesuffix("\n"))
    else:
        noted("inithealth: no edit of the source")
    if write:
        refuse_uncommitted([root / file.path for file in files])
        for file in files:
            _write(root / file.path, file)


def _note_refused(refused: Sequence[tuple[Finding, str]]) -> None:
    for cause, reason in refused:
        noted(f"inithealth: no edit for {located(cause)}: {' '.join(reason.split())}")


def _write(path: Path, file: ChangedFile) -> None:
    try:
        if text_of(path) != file.before:
            raise BadInput(f"{file.path} has just changed: run the command again")
        saved.write(path, file.after)
    except Refused as error:
        raise BadInput(f"{file.path}: {error}") from None
    except OSError as error:
        raise BadInput(f"{file.path} cannot be written: {error.strerror or error}") from None
    noted(f"inithealth: {file.path} is changed: run `inithealth check` again")
