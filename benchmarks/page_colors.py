"""What the page colors in healthy and faulty networks, and what its values cost.

    python -m benchmarks.page_colors [--steps 1000]

For each healthy network: the largest deviation in octaves at the first step, and at any recorded later step of a
training with AdamW; up to 1 is gray, up to 2 the palest color. For each faulty one: the deviation of the root-cause
layer. The time of the values is relative to a watched step of these tiny networks, whose layers compute very little.
"""

from __future__ import annotations

import argparse
import math
import time

import torch

import inithealth
from inithealth.page.of_report import run_data
from inithealth.page.step_values import blocks, unpacked
from inithealth.sessions.verdicts import Verdicts
from tests.page.networks import FAULTY, HEALTHY

OFF = ("forward_off", "gradient_off", "gain_off")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    for name in HEALTHY:
        first, later, cost = trained(name, steps)
        print(f"{name:12} step 0: {first:5.1f}  later: {later:5.1f} octaves  values: {cost:.2%} of a watched step")
    for name, (build, statistic, _) in FAULTY.items():
        case = build()
        report = inithealth.check(case.model, case.batch, loss=case.loss)
        data, layer = run_data(report), report.causes[0].layers[0]
        place = [each["module"] for each in data["layers"]].index(layer)
        [block] = blocks(data["values"], 1, len(data["layers"]))
        print(f"{name:30} {layer:12} {statistic} {unpacked(block)[statistic][place]:.1f} octaves")


def trained(name: str, steps: int) -> tuple[float, float, float]:
    """Return the largest deviations at the first step and later, and the values' share of a watched step."""
    case = HEALTHY[name]()
    call, optimizer = inithealth.Call.of(case.batch), torch.optim.AdamW(case.model.parameters(), lr=1e-3)
    spent = timed_values()
    every = max(1, steps // 40)
    total = 0.0
    with inithealth.watch(case.model, optimizer=optimizer, schedule=every, verbose=False) as monitor:
        for step in range(steps + 1):
            started = time.process_time()
            optimizer.zero_grad()
            loss = case.loss(case.model(*call.args, **call.kwargs))
            loss.backward()
            monitor.step(loss)
            optimizer.step()
            total += (time.process_time() - started) * (step % every == 0)
    history = monitor.report.history
    assert history is not None
    rows = [unpacked(each) for each in blocks(history.values, len(history.steps), len(monitor.report.layers))]
    worst = [max((abs(off) for each in OFF for off in row[each] if not math.isnan(off)), default=0.0) for row in rows]
    return worst[0], max(worst[1:]), spent[0] / total


def timed_values() -> list[float]:
    """Measure the time of the values from now on, in seconds."""
    spent, add, complete = [0.0], Verdicts._add_values, Verdicts._complete_values

    def timed(call, *arguments):  # type: ignore[no-untyped-def]
        started = time.process_time()
        call(*arguments)
        spent[0] += time.process_time() - started

    Verdicts._add_values = lambda *given: timed(add, *given)  # type: ignore[method-assign]
    Verdicts._complete_values = lambda *given: timed(complete, *given)  # type: ignore[method-assign]
    return spent


if __name__ == "__main__":
    main()
