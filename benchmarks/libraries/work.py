"""Runs what is missing of one library and appends the results: a process of its own, as libraries set global state.

Called by ``python -m benchmarks.libraries``.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from ..judging.kept import Kept
from .catalogue import runs_of
from .judged import alarmed, judged
from .trial import trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library")
    parser.add_argument("results", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--judge", action="store_true")
    options = parser.parse_args()
    _quiet()
    kept = Kept(options.results)
    for run in runs_of(options.library):
        if options.only not in run.name or _key(run.name, options.judge) in kept:
            continue
        if not options.judge:
            kept.add(run.name, {"version": _version(options.library), **trial(run)})
        elif alarmed(kept.get(run.name)):
            kept.add(_key(run.name, True), judged(run, kept.get(run.name) or {}))


def _key(name: str, judge: bool) -> str:
    return f"judged {name}" if judge else name


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # the plain loops
        return ""


def _quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning", "inithealth"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    main()
