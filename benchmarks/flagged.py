"""Tests whether flagged healthy networks train better after the suggested fix is applied.

    python -m benchmarks.flagged transformers/mt5 transformers/univnet ...

Trains each network on its own batch, with and without the fix, using SGD (momentum 0.9) and Adam at three learning
rates each, and prints the best loss for each optimizer. If a published initialization reaches a higher loss than the
fixed one under both optimizers, it counts as a published fault, although it is in the list of healthy networks.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

import inithealth
from benchmarks.judging.entries import Entry, every_entry
from benchmarks.judging.peers import loss_of
from benchmarks.nets import Case
from inithealth import Severity
from inithealth.call import Call

STEPS = 60
WAYS: dict[str, list[Callable[..., Optimizer]]] = {
    "sgd": [partial(SGD, lr=rate, momentum=0.9) for rate in (0.001, 0.01, 0.1)],
    "adam": [partial(Adam, lr=rate) for rate in (0.0003, 0.001, 0.003)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    torch.set_num_threads(1)
    print("| network | rule | first loss | sgd | sgd, fixed | adam | adam, fixed |\n|---|---|---|---|---|---|---|")
    for name in parser.parse_args().names:
        print(row(every_entry()[f"healthy|{name}|0"]), flush=True)


def row(entry: Entry) -> str:
    codes = ", ".join(cause.code for cause in _report(entry.case()).causes if cause.severity > Severity.INFO)
    first = float(_loss(entry.case()).detach())
    found = [min(_trained(entry, make, fixed) for make in makes) for makes in WAYS.values() for fixed in (False, True)]
    return f"| {entry.name} | {codes} | {first:.3g} | " + " | ".join(f"{loss:.3g}" for loss in found) + " |"


def _report(case: Case) -> inithealth.Report:
    return inithealth.check(case.model, case.batch, loss=case.loss)


def _loss(case: Case) -> Tensor:
    call = Call.of(case.batch)
    return loss_of(case)(case.model(*call.args, **call.kwargs))


def _trained(entry: Entry, make: Callable[..., Optimizer], fixed: bool) -> float:
    """Return the lowest loss of the last ten steps, or infinity if training fails."""
    case = entry.case()
    if fixed:
        for cause in _report(case).causes:
            if cause.severity > Severity.INFO:
                with torch.no_grad():
                    exec(cause.fix, {"model": case.model, "nn": nn, "torch": torch})
    optimizer = make([parameter for parameter in case.model.parameters() if parameter.requires_grad])
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        try:
            loss = _loss(case)
        except (RuntimeError, ValueError):  # a detector rejects NaN boxes by itself
            return math.inf
        if not math.isfinite(float(loss.detach())):
            return math.inf
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return min(losses[-10:])


if __name__ == "__main__":
    main()
