"""Healthy networks that are flagged: do they train better with the fix that the report tells to type?

    python -m benchmarks.doubted transformers/mt5 transformers/univnet ...

Trains each on its own batch, as it is and mended, with SGD (momentum 0.9) and Adam at three rates each, and prints
the best loss of each pair of optimizer and network. A published initialization that learns less than the mended one
under both optimizers is a fault that was published, whatever the list of healthy networks says.
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
from benchmarks.judging.entries import Entry, entries
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
    print("| network | rule | first loss | sgd | sgd, mended | adam | adam, mended |\n|---|---|---|---|---|---|---|")
    for name in parser.parse_args().names:
        print(row(entries()[f"healthy|{name}|0"]), flush=True)


def row(entry: Entry) -> str:
    codes = ", ".join(cause.code for cause in _report(entry.case()).causes if cause.severity > Severity.INFO)
    first = float(_loss(entry.case()).detach())
    found = [
        min(_trained(entry, make, mended) for make in makes) for makes in WAYS.values() for mended in (False, True)
    ]
    return f"| {entry.name} | {codes} | {first:.3g} | " + " | ".join(f"{loss:.3g}" for loss in found) + " |"


def _report(case: Case) -> inithealth.Report:
    return inithealth.check(case.model, case.batch, loss=case.loss)


def _loss(case: Case) -> Tensor:
    call = Call.of(case.batch)
    return loss_of(case)(case.model(*call.args, **call.kwargs))


def _trained(entry: Entry, make: Callable[..., Optimizer], mended: bool) -> float:
    """The least loss of the last ten steps; infinite where the training breaks."""
    case = entry.case()
    if mended:
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
        except (RuntimeError, ValueError):  # a detector refuses boxes that are NaN by itself
            return math.inf
        if not math.isfinite(float(loss.detach())):
            return math.inf
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return min(losses[-10:])


if __name__ == "__main__":
    main()
