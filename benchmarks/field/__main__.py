"""How does a check do on the faults that people really reported?

    python -m benchmarks.field [--half HALF ...] [--names NAME ...]    check and print the table
    python -m benchmarks.field --label [--names NAME ...]              train both twins

Each case is a public report made small, beside its healthy twin. Labels come from training both (`training.py`) and
are kept in `benchmarks/labels/field`; without a label a case is not scored.
The held-out and the fresh half are for the end of a change to the rules.
"""

from __future__ import annotations

import argparse
import json
import logging
import warnings
from multiprocessing import Pool
from pathlib import Path

import torch

from benchmarks.judging.halves import FITTED, HALVES

from .case import Case
from .catalogue import every_case
from .judging import Judged, judge
from .table import Row, details, table
from .training import label, losses

LABELS = Path(__file__).parents[1] / "labels" / "field"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", nargs="+", choices=HALVES, default=[FITTED])
    parser.add_argument("--names", nargs="+")
    parser.add_argument("--label", action="store_true", help="train the twins instead of checking them")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    chosen = [
        case.name
        for case in every_case().values()
        if (case.name in options.names if options.names else options.label or case.half in options.half)
    ]
    with Pool(options.workers, initializer=_quiet) as pool:
        if options.label:
            for line in pool.imap_unordered(_label, chosen):
                print(line, flush=True)
            return
        rows = pool.map(_row, chosen, chunksize=1)
    print(details(rows))
    print(table(rows))


def _quiet() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("inithealth").setLevel(logging.CRITICAL)


def _label(name: str) -> str:
    """Trains both twins and keeps their losses."""
    case = every_case()[name]
    broken, healthy = losses(case, True), losses(case, False)
    found = label(broken, healthy)
    LABELS.mkdir(parents=True, exist_ok=True)
    kept = {"label": found, "broken": broken, "healthy": healthy}
    (LABELS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    ends = [" ".join(f"{each['first']:.3g}->{each['last']:.3g}" for each in twin) for twin in (broken, healthy)]
    return f"{name}: {found}; broken {ends[0]}; healthy {ends[1]}"


def _row(name: str) -> Row:
    case = every_case()[name]
    path = LABELS / f"{name}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"label": "no label", "healthy": None}
    return Row(case, kept["label"], _judged(case, True, kept["healthy"]), _judged(case, False, None))


def _judged(case: Case, broken: bool, twin: list[dict[str, float]] | None) -> Judged | str:
    try:
        return judge(case, broken, twin)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
