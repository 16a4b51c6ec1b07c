"""Measures the fixes of harmful faults: whether they can run, clear the errors, and let the network train.

    pip install -r benchmarks/accuracy-requirements.txt
    python -m benchmarks.fixes [--half HALF ...] [--sample N] [--workers 2] [--no-training] [--again]

Takes the mutants of ``benchmarks.accuracy`` that the stored trainings label as harmful, N from each half, such that
kinds of fault and hosts come equally often. Each is checked with ``verify=True``. If that finds an error, the fixes are
applied with ``report.apply(model)``, and the mutant is checked again and trained like the networks of the labels.
Prints the shares with their intervals, and each mutant that misses one of them. The lower half of the table leaves out
faults in the inputs and in the code of a network, which no change of parameters fixes.

Every result is stored as soon as it is available. Use ``--again`` to check the mutants again after a change of
inithealth; a training is only repeated if the fixes have changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.judging.entries import Entry
from benchmarks.judging.halves import HALVES, USUAL, Half
from benchmarks.judging.kept import Kept
from benchmarks.judging.truth import host_losses, mutant_losses
from benchmarks.judging.work import LABELS, run

from .sample import harmful, stratified
from .scored import Outcome
from .table import missed, table

RESULTS = Path(__file__).parents[1] / ".results" / "fixes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", nargs="+", choices=HALVES, default=USUAL, help="measure only mutants of these halves")
    parser.add_argument("--sample", type=int, help="number of mutants in each half (default: all)")
    parser.add_argument("--no-training", action="store_true", help="do not train the fixed mutants")
    parser.add_argument("--again", action="store_true", help="check the mutants again")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.again:
        (options.results / "verified.jsonl").unlink(missing_ok=True)
    chosen = [entry for half in options.half for entry in sample(half, options.sample)]
    outcomes = measured(chosen, options.results, options.workers, training=not options.no_training)
    print(table(outcomes, options.half))
    print(missed(outcomes))


def sample(half: Half, number: int | None) -> list[Entry]:
    return stratified(harmful((half,)))[:number]


def measured(chosen: Sequence[Entry], folder: Path, workers: int, *, training: bool) -> list[Outcome]:
    """Return what the fixes do to each mutant. Without ``training``, only trainings that are stored are used."""
    checks = run("verified", [entry.key for entry in chosen], folder, workers)
    keys = {entry.key: key for entry in chosen if (key := training_of(entry, checks))}
    trainings = run("retrained", keys.values(), folder, workers) if training else Kept(folder / "retrained.jsonl")
    labels = Kept(LABELS / "trained.jsonl")
    return [
        Outcome(
            entry,
            checks.get(entry.key) or {},
            trainings.get(keys.get(entry.key, "")),
            mutant_losses(entry, labels),
            host_losses(entry, labels) or [],
        )
        for entry in chosen
    ]


def training_of(entry: Entry, checks: Kept) -> str | None:
    """Return the key of the training of a mutant with its fixes, or None if there is no error or nothing to apply."""
    check = checks.get(entry.key) or {}
    return f"{entry.key}|{check['changes']}" if check.get("errors") and check.get("changes") else None


if __name__ == "__main__":
    main()
