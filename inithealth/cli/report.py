"""``inithealth report FILE``: a saved report in any format, with its exit status."""

from __future__ import annotations

import argparse
from pathlib import Path

from inithealth.cli.errors import BadInput
from inithealth.cli.output import Output
from inithealth.report.compare.loading import read_report


def run(options: argparse.Namespace) -> int:
    output = Output.of(options)
    try:
        report = read_report(Path(options.report))
    except ValueError as error:
        raise BadInput(str(error)) from None
    return output.finish(report)
