"""The verdicts on one network before and after, and its final losses with both initializations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any

import torch
from torch import Generator, Tensor, nn

import inithealth
from benchmarks.faults.catalogue import EVERY_HOST
from benchmarks.faults.hosts import Host, Subject
from benchmarks.fresh import nets as fresh_nets
from benchmarks.healthy import NETS
from benchmarks.nets import Case
from inithealth.call import Call
from inithealth.sessions.initializing import Initialization, initialization

from .chosen import Chosen

SEEDS = 3
RATE = 1e-3  # of Adam, for networks without a task of their own
WARM_UP = 0.2  # share of the steps with a rising learning rate, which a post-norm transformer needs
LAST = 3  # the final loss is the mean over the last third of the steps
_BUILDERS = {net.name: net.build for net in (*NETS, *fresh_nets.NETS)}

Entry = dict[str, Any]
Draws = Iterator[Callable[[nn.Module], Tensor]]  # of each step: returns the loss of a model


def measured(net: Chosen, steps: int, seconds: float) -> Entry:
    """Return verdicts and losses. Networks that would train longer than some seconds are not trained."""
    case = _case(net, 0)
    found = initialization(case.model, case.batch, loss=case.loss)
    entry: Entry = {"before": _verdict(found.before), "after": _verdict(found.after), "kept": len(found.kept)}
    if steps:
        entry |= _losses(net, found, steps, seconds)
    return entry


def _verdict(report: inithealth.Report) -> list[str]:
    """Return the causes that are warnings or errors."""
    return [f"{each.severity}: {each.code} {each.message}" for each in report.causes if each.severity.rank > 0]


def _losses(net: Chosen, found: Initialization, steps: int, seconds: float) -> Entry:
    started = time.process_time()
    first = _train(net, 0, None, 2)[1]
    each = (time.process_time() - started) / 2
    if each * steps * SEEDS * 2 > seconds:
        return {"first": first, "too_slow": round(each, 2)}
    library = [_train(net, seed, None, steps) for seed in range(SEEDS)]
    ours = [_train(net, seed, found, steps) for seed in range(SEEDS)]
    return {
        "library": [final for final, _ in library],
        "ours": [final for final, _ in ours],
        "first": mean(start for _, start in library),
    }


def _train(net: Chosen, seed: int, found: Initialization | None, steps: int) -> tuple[float, float]:
    """Return the final and the first loss of one training with Adam."""
    model, draws, rate = _task(net, seed)
    if found is not None:
        torch.manual_seed(1000 + seed)
        found.apply(model)
    torch.manual_seed(2000 + seed)  # of dropout
    model.train()
    descent = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    losses: list[float] = []
    for step in range(steps):
        for group in descent.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / (WARM_UP * steps))
        descent.zero_grad()
        loss = next(draws)(model)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            return math.inf, losses[0]
        loss.backward()
        descent.step()
    return mean(losses[-max(1, steps // LAST) :]), losses[0]


def _task(net: Chosen, seed: int) -> tuple[nn.Module, Draws, float]:
    """Return a network, its losses and its learning rate."""
    host = _host(net)
    if host is None:
        case = _case(net, seed)
        return case.model, _repeated(case), RATE
    subject = Subject(host, seed)
    return subject.model, _drawn(subject, host, seed), host.rates[1]


def _drawn(subject: Subject, host: Host, seed: int) -> Draws:
    draws = Generator().manual_seed(1000 + seed)
    while True:
        x, y = host.task.draw(draws, host.task.batch, False)
        yield lambda model, x=x, y=y: subject.loss(model(subject.prepare(x)), y)  # type: ignore[misc]


def _repeated(case: Case) -> Draws:
    def loss(model: nn.Module) -> Tensor:
        call = Call.of(case.batch)
        output = model(*call.args, **call.kwargs)
        return output.loss if case.loss is None else case.loss(output)

    while True:
        yield loss


def _host(net: Chosen) -> Host | None:
    return EVERY_HOST.get(net.name.partition("/")[2]) if net.library == "host" else None


def _case(net: Chosen, seed: int) -> Case:
    host = _host(net)
    torch.manual_seed(seed)
    if host is None:
        return _BUILDERS[net.name]()
    subject = Subject(host, seed)
    x, y = host.task.draw(Generator().manual_seed(1000 + seed), host.task.batch, False)
    return Case(subject.model, subject.prepare(x), lambda output: subject.loss(output, y))
