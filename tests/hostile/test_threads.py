"""Checks and watched trainings in several threads at once give the reports of those in turn, and leave nothing."""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import pytorch_lightning
import torch
import torch.utils.checkpoint as checkpointing
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth.record.sandbox import turns
from tests.hostile.described import described

BATCH = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(16) % 4


def process() -> list[Any]:
    """Return the state of the process that a check may change."""
    return [
        checkpointing.CheckpointFunction,
        checkpointing._checkpoint_without_reentrant_generator,
        list(warnings.filters),
        gc.isenabled(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        repr(np.random.get_state()),
        list(turns._running),
    ]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Return the results of calls in one thread each."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [each.result(60) for each in [threads.submit(call) for call in calls]]


class Calling(nn.Module):
    """Calls a function in its forward pass."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.__dict__["call"] = call

    def forward(self, x: Tensor) -> Tensor:
        self.call()
        return self.layer(x)


def nested_ends() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return two calls: the second begins while the first runs, and ends after it."""
    first, second = threading.Event(), threading.Event()
    return lambda: (first.set(), second.wait(5)), lambda: (first.wait(5), second.set(), time.sleep(0.3))


def test_overlapping_checks_leave_the_process_as_it_was() -> None:
    models = [Calling(call) for call in nested_ends()]
    before = process()
    at_once(*(lambda m=m: inithealth.check(m, BATCH) for m in models))
    assert process() == before


def test_different_models_are_checked_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=20)
    models = [Calling(barrier.wait) for _ in range(3)]
    reports = at_once(*(lambda m=m: inithealth.check(m, BATCH) for m in models))
    assert [report.ok for report in reports] == [True, True, True]


class Lightning(pytorch_lightning.LightningModule):
    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.net = Calling(call)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_the_filters_of_warnings_are_those_before_overlapping_checks() -> None:
    models = [Lightning(call) for call in nested_ends()]
    before = process()
    at_once(*(lambda m=m: inithealth.check(m, (BATCH, LABELS)) for m in models))
    assert process() == before
    with pytest.warns(UserWarning, match="still shown"):
        warnings.warn("still shown", UserWarning, stacklevel=1)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool, call: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.first, self.last, self.reentrant, self.runs = nn.Linear(8, 16), nn.Linear(16, 4), reentrant, [0]
        self.__dict__["call"] = call

    def forward(self, x: Tensor) -> Tensor:
        self.call()
        return self.last(checkpointing.checkpoint(self._hidden, x, use_reentrant=self.reentrant))

    def _hidden(self, x: Tensor) -> Tensor:
        self.runs[0] += 1
        return self.first(x).relu()


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_checkpoints_of_a_training_in_another_thread_keep_working(reentrant: bool) -> None:
    inside, trained, runs = threading.Event(), threading.Event(), list[int]()

    def train() -> None:
        inside.wait(20)
        model = Checkpointed(reentrant)
        model(BATCH.clone().requires_grad_()).sum().backward()
        runs.extend(model.runs)
        trained.set()

    checked = Checkpointed(reentrant, lambda: (inside.set(), trained.wait(20)))
    report, _ = at_once(lambda: inithealth.check(checked, BATCH), train)
    assert runs == [2]  # its forward pass runs again in the backward pass
    assert [m.layer for m in report.measurements if m.output is not None] == ["first", "last"]


def test_a_check_inside_of_a_check_is_as_one_alone() -> None:
    inner, reports = nn.Linear(8, 4), list[inithealth.Report]()
    model = Calling(lambda: reports.append(inithealth.check(inner, BATCH)))
    before = process()
    outer = inithealth.check(model, BATCH)
    assert process() == before
    assert outer.ok
    assert reports[0].to_json() == inithealth.check(inner, BATCH).to_json()


def test_the_same_model_is_checked_by_one_thread_after_the_other() -> None:
    model, inside, most = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 4)), [0], [0]

    def note(*_: Any) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1

    model[1].register_forward_hook(note)
    model.eval()
    before = described(model)
    alone = inithealth.check(model, BATCH).to_json()
    reports = at_once(*[lambda: inithealth.check(model, BATCH).to_json()] * 4)
    assert reports == [alone] * 4
    assert most == [1]
    assert described(model) == before


class Counting(nn.Module):
    """Counts its calls in its class: the models of this class depend on each other."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        Counting.calls += 1
        time.sleep(0.01)
        return self.layer(x) * Counting.calls


def test_models_that_share_a_counter_are_checked_in_turn() -> None:
    models = [Counting() for _ in range(4)]
    in_turn = [inithealth.check(model, BATCH).to_json() for model in models]
    assert at_once(*(lambda m=m: inithealth.check(m, BATCH).to_json() for m in models)) == in_turn
    assert Counting.calls == 0


class Drawing(nn.Module):
    """Draws from every generator of the process."""

    def __init__(self, call: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)
        nn.init.zeros_(self.last.weight)  # a suspect: the model runs several times
        self.__dict__["call"] = call

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x) + torch.randn(16, 16)
        self.call()
        return self.last(hidden * random.random() + float(np.random.rand()) + torch.rand(16))


def test_models_that_draw_random_numbers_are_judged_as_in_turn() -> None:
    models = [Drawing() for _ in range(4)]
    before = process()
    in_turn = [inithealth.check(model, BATCH).to_json() for model in models]
    barrier = threading.Barrier(4, timeout=1)

    def meet() -> None:
        with suppress(threading.BrokenBarrierError):  # when they are checked again, each is alone
            barrier.wait()

    for model in models:
        model.__dict__["call"] = meet
    assert at_once(*(lambda m=m: inithealth.check(m, BATCH).to_json() for m in models)) == in_turn
    assert process() == before


def test_a_loader_that_several_checks_share_gives_each_its_first_batch() -> None:
    generator = torch.Generator().manual_seed(2)
    data = TensorDataset(torch.randn(64, 8), torch.arange(64) % 4)
    loader = DataLoader(data, batch_size=16, shuffle=True, generator=generator)
    models = [nn.Linear(8, 4) for _ in range(6)]
    state = generator.get_state()
    in_turn = [_checked(model, loader) for model in models]
    assert at_once(*(lambda m=m: _checked(m, loader) for m in models)) == in_turn
    assert torch.equal(generator.get_state(), state)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork")
def test_a_process_forked_during_a_check_of_another_thread_can_check() -> None:
    inside, forked = threading.Event(), threading.Event()
    model = Calling(lambda: (inside.set(), forked.wait(30)))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(inithealth.check, model, BATCH)
        inside.wait(20)
        child = os.fork()
        if child == 0:
            forked.set()
            os._exit(_unclean_in_child(model))
        _, status = os.waitpid(child, 0)
        forked.set()
        assert running.result(20).ok
    assert os.waitstatus_to_exitcode(status) == 0


def _unclean_in_child(model: nn.Module) -> int:
    """Return the number of the first condition that does not hold, as the exit status; 0 if all do."""
    conditions = (
        lambda: checkpointing.CheckpointFunction.__name__ == "CheckpointFunction",
        gc.isenabled,
        lambda: inithealth.check(nn.Linear(8, 4), BATCH).ok,
        lambda: model.training,
    )
    try:
        return next((number for number, holds in enumerate(conditions, 1) if not holds()), 0)
    except Exception:
        traceback.print_exc()
        return 99


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")
def test_a_training_in_another_thread_compiles_again_after_overlapping_checks() -> None:
    models = [torch.compile(Calling(call), backend="eager") for call in nested_ends()]
    reports = at_once(*(lambda m=m: inithealth.check(m, BATCH) for m in models))
    assert [len(report.measurements) for report in reports] == [1, 1]
    compiled: list[int] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(1)
        return graph.forward

    torch.compile(nn.Linear(8, 4), backend=backend)(BATCH)
    assert compiled == [1]


def _watched(model: nn.Module) -> str:
    """Return the report of a short watched training without random numbers."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(BATCH), LABELS)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report.to_json()


def _checked(model: nn.Module, batch: Any = (BATCH, LABELS)) -> str:
    loss = None if isinstance(model, Lightning) else F.cross_entropy
    return inithealth.check(model, batch, loss=loss).to_json()


def _dead() -> nn.Module:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    nn.init.constant_(net[0].bias, -50.0)
    return net


JOBS: tuple[tuple[Callable[[Any], str], Callable[[], nn.Module]], ...] = (
    (_checked, lambda: nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))),
    (_watched, lambda: nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))),
    (_checked, Drawing),
    (_checked, _dead),
    (_watched, _dead),
    (_checked, lambda: Checkpointed(reentrant=True)),
    (_checked, lambda: Lightning(lambda: None)),
    (_checked, Counting),
    (_watched, lambda: Checkpointed(reentrant=False)),
    (_checked, lambda: nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.5), nn.Linear(16, 4))),
)
SIZES = [pytest.param(2, id="2"), pytest.param(50, id="50", marks=pytest.mark.slow)]


@pytest.mark.parametrize("each", SIZES)
def test_eight_threads_report_what_one_does(each: int) -> None:
    jobs = [JOBS[index % len(JOBS)] for index in range(8 * each)]
    models = [make() for _, make in jobs]
    copies = [deepcopy(model) for model in models]
    torch.manual_seed(3)
    before = process()
    in_turn = [run(model) for (run, _), model in zip(jobs, models, strict=True)]
    assert process() == before
    checked = [model for (run, _), model in zip(jobs, copies, strict=True) if run is _checked]
    states = [described(model) for model in checked]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # threads take turns more often, for more ways to interfere
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda job: job[0][0](job[1]), zip(jobs, copies, strict=True)))
    finally:
        sys.setswitchinterval(interval)
    assert [index for index, (one, other) in enumerate(zip(found, in_turn, strict=True)) if one != other] == []
    assert process() == before
    assert [described(model) for model in checked] == states
