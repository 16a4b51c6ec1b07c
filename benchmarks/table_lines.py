"""Measures the length of the layer table for published networks, and counts healthy networks with marked rows.

    python -m benchmarks.accuracy --only healthy --no-peers
    python -m benchmarks.table_lines [--results FOLDER]

Judges the recordings of the accuracy benchmark. Prints the number of networks, the maximum number of lines at each
width, the networks with more than 30 lines, and those with marked rows but no finding.
"""

from __future__ import annotations

import argparse
from io import StringIO
from pathlib import Path

from rich.console import Console

from benchmarks.accuracy import RESULTS
from benchmarks.judging.entries import entries
from benchmarks.judging.recorded import kept_at, load
from inithealth.findings import Report, Severity
from inithealth.judge.diagnose import diagnose
from inithealth.report.layer_table import LayerTable
from inithealth.settings import Settings

WIDTHS = (60, 80, 100, 120)
MOST_LINES = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    folder = parser.parse_args().results / "recordings"
    kept = [entry for entry in entries().values() if entry.part == "healthy" and kept_at(entry, folder).exists()]
    reports = {entry.name: diagnose(load(entry, folder), Settings()) for entry in kept}
    print(f"{len(reports)} networks, at most {max(len(report.layers) for report in reports.values())} layers")
    for width in WIDTHS:
        tables = {name: lines(report, width) for name, report in reports.items()}
        print(f"width {width}: at most {max(map(len, tables.values()))} lines")
        for name, table in tables.items():
            if len(table) > MOST_LINES or max(map(len, table), default=0) > width:
                print(f"  {name}: {len(table)} lines, at most {max(map(len, table))} characters")
            if "!" in "".join(table) and not any(cause.severity > Severity.INFO for cause in reports[name].causes):
                print(f"  {name}: marked although healthy")


def lines(report: Report, width: int) -> list[str]:
    """Return the printed layer table."""
    file = StringIO()
    Console(file=file, width=width, color_system=None).print(LayerTable(report), crop=False)
    return file.getvalue().splitlines()


if __name__ == "__main__":
    main()
