"""Which faults are found, and is their cause named? Small networks, one fault each, labelled by training.

    python -m benchmarks.faults [--seeds 2] [--results benchmarks/.results/faults.jsonl] [--judge-only]

Trains every host and every mutant that has no result yet, then judges all and prints the table. The results
are kept, so that the rules can change without a new training. Needs the ``test`` extra (scikit-learn).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from .judge import judged
from .labels import OPTIMIZERS, Labels
from .table import table

RESULTS = Path(__file__).parents[1] / ".results" / "faults.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--judge-only", action="store_true", help="train nothing: judge what has been labelled")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default=OPTIMIZERS[0], help="what the check is told of")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.nice(10)
    labels = Labels(options.results)
    if not options.judge_only:
        labels.fill(options.seeds)
    verdicts = judged(labels, options.seeds, options.optimizer)
    lines = "\n".join(verdict.json() for verdict in verdicts)
    options.results.with_suffix(f".{options.optimizer}.verdicts").write_text(lines + "\n")
    print(table(verdicts))


if __name__ == "__main__":
    main()
