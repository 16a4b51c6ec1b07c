"""Measures the overhead of monitoring: the time of each step relative to a bare step.

    python benchmarks/overhead.py [--rounds 30] [--peers]

Steps are interleaved in one process with one thread; the table shows medians, one row per workload: watched and
unwatched steps relative to bare ones, the first 1,000 steps with the default schedule, `check` relative to one bare
forward and backward pass, and the memory that the first watched step needs in addition to the training. ``--peers``
also measures the tools of ``watchers.py`` that are installed, on the same steps (``pip install wandb fastai
ormas-monitor==0.2.3 torchmortem==0.1.1``).
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim import Optimizer
from watchers import DEFAULT, EVERY, WATCHERS, Step, installed
from workloads import WORKLOADS, Workload

import inithealth
from inithealth import Monitor


class Runner:
    """A training run of a workload, step by step, with or without a watcher."""

    def __init__(
        self, build: Callable[[], Workload], watch: Callable[[nn.Module, Optimizer], Step], warm_up: int = 6
    ) -> None:
        torch.manual_seed(0)
        self.work = build()
        self.optimizer = torch.optim.SGD(self.work.model.parameters(), lr=self.work.lr)
        self.watch = watch(self.work.model, self.optimizer)
        self.watching = 0.0  # seconds that the watcher took in the last step
        for _ in range(warm_up):  # skips the first step's weight description and the probation
            self.step()

    def step(self) -> float:
        started = time.perf_counter()
        self.optimizer.zero_grad()
        loss = self.work.loss(self.work.model(self.work.batch))
        loss.backward()
        reached = time.perf_counter()
        self.watch(loss)
        self.watching = time.perf_counter() - reached
        self.optimizer.step()
        return time.perf_counter() - started


def forward_backward(work: Workload) -> float:
    started = time.perf_counter()
    work.loss(work.model(work.batch)).backward()
    elapsed = time.perf_counter() - started
    work.model.zero_grad()
    return elapsed


def checked(work: Workload) -> float:
    started = time.perf_counter()
    inithealth.check(work.model, work.batch, loss=work.loss)
    return time.perf_counter() - started


def ratio(times: list[float], bare: list[float]) -> float:
    """Return the median ratio of adjacent measurements, since a slow phase of the machine affects both."""
    return statistics.median(a / b for a, b in zip(times, bare, strict=True))


def interleaved(build: Callable[[], Workload], rounds: int, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the step times of each watcher, measured in turn."""
    runners = {}
    for name in names:
        try:
            runners[name] = Runner(build, WATCHERS[name][0])
        except RuntimeError as error:  # a watcher that ends the training is a result, too
            print(f"{name} on {build().name} raises: {str(error).splitlines()[0][:90]}")
    names = list(runners)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            times[name].append(runners[name].step())
    return times


def measure(build: Callable[[], Workload], rounds: int) -> str:
    bare, *ours = list(WATCHERS)[:3]
    times = interleaved(build, rounds, [bare, *ours])
    work = build()
    forward_backward(work)
    checked(work)
    checks, passes = [], []
    for _ in range(max(5, rounds // 4)):
        passes.append(forward_backward(work))
        checks.append(checked(work))
    return (
        f"{work.name:22} {statistics.median(times[bare]) * 1e3:8.1f} ms "
        f"{ratio(times[ours[0]], times[bare]):9.3f} {ratio(times[ours[1]], times[bare]):9.3f} "
        f"{first_thousand(build):12.4f} {ratio(checks, passes):9.2f} {first_step_bytes(build) / 2**20:9.2f} MiB"
    )


def first_thousand(build: Callable[[], Workload]) -> float:
    """Return the relative overhead of the default schedule in the first 1,000 steps of a training run.

    The first 101 steps are run, interleaved with bare ones. Each of the three watched steps after them is assumed to
    add the median of those between 20 and 100. On unwatched steps only the monitor's own time is counted, because the
    difference is below the machine's noise.
    """
    bare = Runner(build, WATCHERS["bare"][0], warm_up=6)
    ours = Runner(build, lambda *made: Monitor(made[0], optimizer=made[1], verbose=False).__enter__().step, warm_up=0)
    usual, extra, idle = [], {}, []
    for step in range(101):
        usual.append(bare.step())
        taken = ours.step()
        if DEFAULT.watches(step):
            extra[step] = taken
        else:
            idle.append(ours.watching)
    middle = statistics.median(usual)
    added = [taken - middle for taken in extra.values()]
    later = statistics.median(added[-3:]) * sum(DEFAULT.watches(step) for step in range(101, 1001))
    return 1.0 + (sum(added) + later + statistics.median(idle) * (1000 - len(added))) / (1000 * middle)


def first_step_bytes(build: Callable[[], Workload]) -> int:
    """Return the bytes of tensors and Python objects held after a watched step, and of its samples before."""
    work = build()
    monitor = Monitor(work.model, settings=EVERY, verbose=False)
    gc.collect()
    tracemalloc.start()
    with monitor:
        loss = work.loss(work.model(work.batch))
        loss.backward()
        held = sample_bytes(monitor)
        python = tracemalloc.get_traced_memory()[0]
        monitor.step(loss)
    tracemalloc.stop()
    return held + python


def sample_bytes(monitor: Monitor) -> int:
    """Return the bytes of samples that a monitor holds between the backward pass and the optimizer step."""
    return monitor._recorder.nbytes


def beside_peers(rounds: int) -> None:
    """Print one row per watcher, run on every step of the same training runs."""
    names = installed()
    ratios = [
        {name: ratio(each, times["bare"]) for name, each in times.items()}
        for times in (interleaved(build, rounds, names) for build in WORKLOADS)
    ]
    print("| every step watched by | " + " | ".join(build().name for build in WORKLOADS) + " | of each layer |")
    print("|---" * (len(WORKLOADS) + 2) + "|")
    for name in names:
        cells = " | ".join(f"{each[name]:.3f}" if name in each else "raises" for each in ratios)
        print(f"| {name} | {cells} | {WATCHERS[name][1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    if options.peers:
        beside_peers(rounds)
        return
    columns = f"{'watched':>9} {'unwatched':>9} {'first 1,000':>12} {'check':>9} {'memory':>13}"
    print(f"{'workload':22} {'bare step':>11} {columns}")
    for build in WORKLOADS:
        print(measure(build, rounds), flush=True)


if __name__ == "__main__":
    main()
