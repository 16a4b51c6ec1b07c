"""What the page colors in healthy and faulty networks, and what its values cost.

    python -m benchmarks.page_colors [--half fitted|"held out"] [--steps 1000] [--every 20] [--seed 0] [--only NAME]

For each healthy network: the layer that is furthest from what is expected at the first step and at any later one, in
octaves, by statistic, and how many cells are colored (beyond 1) and red (beyond 2). For each faulty one: the deviation
at the root-cause layers at the first step. Gains are measured at the first step only. The time of the values is a share
of that of a watched step of these small networks, whose layers compute very little.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from benchmarks.judging.halves import FITTED, HELD_OUT
from benchmarks.page_colors_faults import faulty
from benchmarks.page_colors_trainings import Training, chosen, trained
from inithealth.findings import Report
from inithealth.page.of_report import run_data
from inithealth.page.step_values import blocks, unpacked
from inithealth.sessions.verdicts import Verdicts

STATISTICS = ("forward", "gradient", "gain")
COLORED, RED = 1.0, 2.0  # octaves: the edges of the palette's classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(FITTED, HELD_OUT), help="networks of one half; default: all")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=20, help="steps from one watched step to the next")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches; it selects the optimizers, too")
    parser.add_argument("--only", help="networks whose name contains this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    spent = timed_values()
    counted = [0, 0, 0, 0]
    for name, build in chosen(arguments.half, arguments.only, arguments.seed):
        line, counts = healthy(name, build(), arguments.steps, arguments.every, spent)
        counted = [sum(pair) for pair in zip(counted, counts, strict=True)]
        print(line, flush=True)
    print("colored at step 0: {}, red: {}; colored later: {}, red: {}".format(*counted))
    for fault in faulty():
        if arguments.half in (None, fault.half) and (arguments.only or "") in fault.name:
            report, causes = fault.check()
            print(f"{fault.name:34} {faulty_line(report, causes)}", flush=True)


def healthy(
    name: str, training: Training, steps: int, every: int, spent: list[float]
) -> tuple[str, tuple[int, int, int, int]]:
    """Train a network; return its line, and how many cells are colored and red at the first step and later."""
    spent[0] = 0.0
    found = trained(training, steps, every)
    rows, names = rows_of(found.report)
    first, later = cells(rows[:1], names), cells(rows[1:], names)
    worst = [f"{statistic} {_worst(first, statistic)} / {_worst(later, statistic)}" for statistic in STATISTICS]
    counts = (beyond(first, COLORED), beyond(first, RED), beyond(later, COLORED), beyond(later, RED))
    loss = "loss {:.3g} -> {:.3g}".format(*found.learned)
    cost = f"values {spent[0] / found.seconds:.2%}"
    line = f"{name:20} {loss:24} {' | '.join(worst)} | colored {counts[0] + counts[2]}, red {counts[1] + counts[3]}"
    return f"{line} | {training.recipe.name} | {cost}", counts


Cells = Sequence[tuple[str, str, float]]  # statistic, layer, octaves


def cells(rows: Sequence[Mapping[str, Sequence[float]]], names: Sequence[str]) -> Cells:
    """Return all measured cells of these steps."""
    return [
        (statistic, name, off)
        for row in rows
        for statistic in STATISTICS
        for name, off in zip(names, row[f"{statistic}_off"], strict=True)
        if not math.isnan(off)
    ]


def beyond(found: Cells, octaves: float) -> int:
    return sum(abs(off) > octaves for _, _, off in found)


def _worst(found: Cells, statistic: str) -> str:
    """Return the largest deviation with its layer, without it if it is gray; "-" if nothing was measured."""
    known = [(off, name) for kind, name, off in found if kind == statistic]
    if not known:
        return "-"
    off, name = max(known, key=lambda pair: abs(pair[0]))
    return f"{off:.1f} {name}" if abs(off) > COLORED else f"{abs(off):.1f}"


def faulty_line(report: Report, causes: Collection[str]) -> str:
    """Return the deviations of the root-cause layers by statistic, and the share of these layers that is colored."""
    rows, _ = rows_of(report)
    layers = [each.module for each in sorted(report.layers, key=lambda layer: layer.index)]
    places = [at for at, name in enumerate(layers) if any(f"{name}.".startswith(f"{cause}.") for cause in causes)]
    texts, seen = [], set()
    for statistic in STATISTICS:
        off = {at: value for at in places if not math.isnan(value := rows[0][f"{statistic}_off"][at])}
        seen |= {at for at, value in off.items() if abs(value) > COLORED}
        texts.append(f"{statistic} {max(off.values(), key=abs):6.1f}" if off else f"{statistic}      -")
    return f"{'  '.join(texts)}  {len(seen)} of {len(places)} root-cause layers colored"


def rows_of(report: Report) -> tuple[list[dict[str, list[float]]], list[str]]:
    """Return the values of each step by statistic, and the names of the layers."""
    data: dict[str, Any] = run_data(report)
    names = [each["name"] for each in data["layers"]]
    return [unpacked(each) for each in blocks(data["values"], len(data["steps"]), len(names))], names


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
