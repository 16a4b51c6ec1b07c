"""Runs the slow stages in several processes; each result is stored as soon as it is available."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST
from benchmarks.faults.labels import train
from benchmarks.fixes.trial import retrained, verified
from benchmarks.forecast import training
from benchmarks.forecast.grid import PLANS
from benchmarks.fresh import plans as fresh_plans

from .entries import SEED, every_entry
from .kept import Kept
from .peers import PEERS, verdict_of
from .recorded import keep

LABELS = Path(__file__).parents[1] / "labels"  # labels from training: they do not change with the rules
MOST_SECONDS = 180  # limit of one item; exceeding it is a result, too
_PIECES_PER_PROCESS = 40  # then a new process, because libraries leak memory


def trained(key: str, folder: Path) -> dict[str, Any]:
    """Label a fault (or a healthy host) by training: ``host|fault|seed``."""
    host, fault, seed = key.split("|")
    return {"losses": train(EVERY_HOST[host], EVERY_FAULT.get(fault), int(seed))}


def forecast_losses(key: str, folder: Path) -> dict[str, Any]:
    """Train one network of the forecast, given its plan's name."""
    fresh = {plan.name: plan for plan in fresh_plans.PLANS}
    if key in fresh:
        return {"losses": training.train(fresh[key], fresh_plans.SEED)}
    plan = next(plan for plan in PLANS if plan.name == key)
    return {"losses": training.train(plan, SEED)}


def recorded(key: str, folder: Path) -> dict[str, Any]:
    return {"broken": keep(every_entry()[key], folder / "recordings")}


def answered(peer: str, key: str, folder: Path) -> dict[str, Any]:
    return verdict_of(peer, every_entry()[key]).entry()


STAGES: dict[str, Callable[[str, Path], dict[str, Any]]] = {
    "trained": trained,
    "foretold": forecast_losses,
    "recorded": recorded,
    "verified": verified,
    "retrained": retrained,
    **{peer: partial(answered, peer) for peer in PEERS},
}


def run(stage: str, keys: Iterable[str], folder: Path, workers: int) -> Kept:
    """Run the missing items of a stage and print progress."""
    kept = Kept((LABELS if stage in ("trained", "foretold") else folder) / f"{stage}.jsonl")
    missing = [key for key in keys if key not in kept]
    if not missing:
        return kept
    (folder / "recordings").mkdir(parents=True, exist_ok=True)
    # concurrent.futures is not used: its pool hangs when processes are replaced (cpython#115634).
    with multiprocessing.get_context("spawn").Pool(workers, _quiet, maxtasksperchild=_PIECES_PER_PROCESS) as pool:
        pieces = pool.imap_unordered(partial(_piece, stage, folder), missing)
        for done, (key, result) in enumerate(pieces, 1):
            kept.add(key, result)
            if done % 25 == 0 or done == len(missing):
                print(f"{stage}: {done} of {len(missing)}", flush=True)
    return kept


def _quiet() -> None:
    torch.set_num_threads(1)
    os.nice(10)
    warnings.simplefilter("ignore")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def _piece(stage: str, folder: Path, key: str) -> tuple[str, dict[str, Any]]:
    started = time.perf_counter()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    try:
        result = STAGES[stage](key, folder)
    except Exception as error:  # an error of the network's code, or a timeout: stored, so the table lists it
        result = {"broken": f"{type(error).__name__}: {error}", "causes": []}
    finally:
        signal.alarm(0)
    return key, {**result, "seconds": round(time.perf_counter() - started, 2)}


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"not done after {MOST_SECONDS} s")
