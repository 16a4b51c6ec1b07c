"""What watching costs: each step's time over the bare step's, interleaved in one process, medians, one thread.

    python benchmarks/overhead.py [--rounds 30]

Prints one row a workload: watched and unwatched steps over bare ones, `check` over one bare forward and
backward pass, and the memory that the first watched step takes beyond the training's own.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable

import torch
from workloads import WORKLOADS, Workload

import inithealth
from inithealth import Monitor, Settings

EVERY = Settings(schedule="every", until=None)
NEVER = Settings(schedule=10**9, until=None)


class Runner:
    """One training of a workload, step by step, with or without a monitor."""

    def __init__(self, build: Callable[[], Workload], settings: Settings | None) -> None:
        torch.manual_seed(0)
        self.work = build()
        self.optimizer = torch.optim.SGD(self.work.model.parameters(), lr=self.work.lr)
        self.monitor = Monitor(self.work.model, optimizer=self.optimizer, settings=settings) if settings else None
        if self.monitor is not None:
            self.monitor.__enter__()
        for _ in range(6):  # past the first step's description of the weights, and the probation
            self.step()

    def step(self) -> float:
        started = time.perf_counter()
        self.optimizer.zero_grad()
        loss = self.work.loss(self.work.model(self.work.batch))
        loss.backward()
        if self.monitor is not None:
            self.monitor.step(loss)
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
    """The median of the ratios of neighbours in time: a machine that slows down slows both."""
    return statistics.median(a / b for a, b in zip(times, bare, strict=True))


def measure(build: Callable[[], Workload], rounds: int) -> str:
    bare, watched, idle = Runner(build, None), Runner(build, EVERY), Runner(build, NEVER)
    times: dict[str, list[float]] = {"bare": [], "watched": [], "idle": []}
    runners = {"bare": bare, "watched": watched, "idle": idle}
    for turn in range(rounds):
        order = list(runners)
        for name in order[turn % 3 :] + order[: turn % 3]:
            times[name].append(runners[name].step())
    work = build()
    forward_backward(work)
    checked(work)
    checks, passes = [], []
    for _ in range(max(5, rounds // 4)):
        passes.append(forward_backward(work))
        checks.append(checked(work))
    return (
        f"{work.name:22} {statistics.median(times['bare']) * 1e3:8.1f} ms "
        f"{ratio(times['watched'], times['bare']):9.3f} {ratio(times['idle'], times['bare']):9.3f} "
        f"{ratio(checks, passes):9.2f} {first_step_bytes(build) / 2**20:9.2f} MiB"
    )


def first_step_bytes(build: Callable[[], Workload]) -> int:
    """Bytes of tensors and Python objects that a watched step holds when it ends, and of its samples before."""
    work = build()
    monitor = Monitor(work.model, settings=EVERY)
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
    """Bytes of the samples that a monitor holds between the backward pass and its step."""
    return monitor._recorder.seen.readings.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{'workload':22} {'bare step':>11} {'watched':>9} {'unwatched':>9} {'check':>9} {'memory':>13}")
    for build in WORKLOADS:
        print(measure(build, rounds), flush=True)


if __name__ == "__main__":
    main()
