"""Runs the libraries, each in a process of its own, and prints the results."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from ..judging.kept import Kept
from .catalogue import MODULES
from .table import alarm_table, lines, summary, table


def main() -> int:
    """Return 1 if a run raised because it was watched or is not identical to its plain twin, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.libraries", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, metavar="FILE", help="JSON lines; resumed if it exists")
    parser.add_argument("--only", default="", metavar="NAME", help="part of the name of the runs, as in scvi-tools/")
    parser.add_argument("--judge", action="store_true", help="train the runs with alarms for longer, with their fixes")
    parser.add_argument("--table", action="store_true", help="only print the Markdown tables of the results")
    options = parser.parse_args()
    if not options.table:
        for library in MODULES:
            if not options.only or options.only.split("/")[0] in library:
                _work(library, options)
    entries = Kept(options.results)
    if options.table:
        print(f"{table(entries)}\n\n{alarm_table(entries)}")
    else:
        print("\n".join(lines(entries)))
    print(f"\n{summary(entries)}")
    runs = [entries.get(name) or {} for name in entries if not name.startswith("judged ")]
    return int(any("watched" in run.get("error", "") or (run.get("repeats") and not run["identical"]) for run in runs))


def _work(library: str, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", f"{__package__}.work", library, str(options.results), "--only", options.only]
    done = subprocess.run([*command, *(["--judge"] if options.judge else [])], stdout=subprocess.DEVNULL)
    if done.returncode:
        print(f"{library}: exit status {done.returncode}; run again to continue", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
