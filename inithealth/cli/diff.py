"""``inithealth diff OLD NEW``: which layers' numbers and verdicts changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from inithealth.cli.errors import BadInput
from inithealth.cli.printing import shown
from inithealth.report.compare.comparison import compared
from inithealth.report.compare.loading import read_report


def run(options: argparse.Namespace) -> int:
    """Return status 1 if anything got worse."""
    try:
        old, new = read_report(Path(options.old)), read_report(Path(options.new))
    except ValueError as error:
        raise BadInput(str(error)) from None
    found = compared(old, new)
    shown(found.to_json() if options.output_format == "json" else str(found))
    return 0 if options.exit_zero or not found.worse else 1
