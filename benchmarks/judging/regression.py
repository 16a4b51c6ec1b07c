"""A subset of the benchmark that needs no library and no training: the expected causes of each network.

    python -m benchmarks.judging.regression --write

Writes the current causes to ``tests/accuracy/expected.json``. Use it after an intended change, and review the diff.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch

import inithealth

from .entries import Entry, entries
from .verdicts import Verdict

EXPECTED = Path(__file__).parents[2] / "tests" / "accuracy" / "expected.json"
MUTANTS = 72
Causes = list[list[str]]  # severity, code and root-cause layer of each cause at warning or above


def chosen() -> dict[str, Entry]:
    """Return every small healthy network, and :data:`MUTANTS` mutants selected by a fixed hash."""
    healthy = [entry for entry in entries().values() if entry.name.startswith("everyday/")]
    faults = [entry for entry in entries().values() if entry.part == "faults"]
    faults.sort(key=lambda entry: hashlib.sha256(entry.key.encode()).digest())
    return {entry.key: entry for entry in (*healthy, *faults[:MUTANTS])}


def reported_causes(entry: Entry) -> Causes:
    case = entry.case()
    report = inithealth.check(case.model, case.batch, loss=case.loss, optimizer=entry.optimizer(case))
    return [[c.severity, c.code, c.layers[0] if c.layers else ""] for c in Verdict.reported(report).causes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    torch.set_num_threads(1)
    found = {key: reported_causes(entry) for key, entry in chosen().items()}
    EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{len(found)} networks: {EXPECTED}")


if __name__ == "__main__":
    main()
