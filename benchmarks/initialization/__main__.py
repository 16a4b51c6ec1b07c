"""Compares ``inithealth.initialization`` with the libraries' own initialization on 60 networks.

    pip install -r benchmarks/accuracy-requirements.txt
    python -m benchmarks.initialization [--workers 2] [--only NAME ...] [--steps 30] [--round 0] [--seconds 25]

Each network is checked as its library initializes it, and with the initialization that is planned for it. Then both are
trained with three seeds: hosts of the accuracy benchmark on their tasks, the others on their batch. ``--steps 0``
only checks. ``--round 1`` takes 60 other networks. Results are stored as they are found: an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import multiprocessing
from functools import partial
from pathlib import Path

from benchmarks.judging.kept import Kept

from .chosen import chosen, hashed, named
from .table import table
from .work import piece, quiet

RESULTS = Path(__file__).parents[1] / ".results" / "initialization"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of networks, such as timm/resnet18")
    parser.add_argument("--steps", type=int, default=30, help="of each training; 0: verdicts only")
    parser.add_argument("--seconds", type=float, default=25, help="longest CPU time of all trainings of one network")
    parser.add_argument("--again", action="store_true", help="measure again what is stored")
    parser.add_argument("--round", type=int, default=0)
    options = parser.parse_args()
    nets = named(options.only) if options.only else list(chosen(options.round))
    kept = Kept(RESULTS / f"{options.steps}.jsonl")
    missing = [net for net in nets if net.name not in kept or options.again]
    with multiprocessing.get_context("spawn").Pool(options.workers, quiet, maxtasksperchild=10) as pool:
        work = partial(piece, steps=options.steps, seconds=options.seconds)
        for done, (name, entry) in enumerate(pool.imap_unordered(work, sorted(missing, key=hashed)), 1):
            kept.add(name, entry)
            print(f"{done} of {len(missing)}: {name}", flush=True)
    print(table({net.name: kept.get(net.name) or {} for net in nets}))


if __name__ == "__main__":
    main()
