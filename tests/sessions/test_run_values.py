"""The values of a running training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import inithealth
from inithealth.findings import Report
from inithealth.page.step_values import blocks, unpacked
from inithealth.recording import Recording, Update
from inithealth.sessions.run_values import RunValues
from tests.tensorboard.recordings import plain, report


def added(recording: Recording) -> tuple[RunValues, bytes]:
    values = RunValues()
    last = values.add(lambda: recording, report, recording.steps[-1])
    return values, last.block


def test_the_updates_are_added_when_they_are_known() -> None:
    values, first = added(plain(2, (0,)))
    assert all(map(math.isnan, unpacked(first)["update"]))
    complete = values.complete({"layers.1": Update(weight=2.0, change=0.5, unmoved=0.0)})
    assert complete is not None
    assert unpacked(complete.block)["update"][1] == 0.25
    assert values.complete({}) is None
    kept = values.kept
    assert kept is not None
    assert blocks(kept.values, 1, 2) == [complete.block]


def test_a_resumed_run_continues_with_the_earlier_steps() -> None:
    values, _ = added(plain(2, (0, 1, 2)))
    assert values.kept is not None
    assert values.kept.steps == (0, 1, 2)


def test_nothing_is_known_before_the_first_step() -> None:
    values = RunValues()
    assert (values.started, values.kept, values.complete({})) == (False, None, None)
    assert values.structure(plain(1), report()) == {}


@pytest.fixture
def watched() -> Report:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, verbose=False) as monitor:
        for _ in range(4):
            optimizer.zero_grad()
            loss = model(torch.randn(8, 16)).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return monitor.report


def test_the_report_of_a_watched_run_has_all_its_steps_and_their_updates(watched: Report) -> None:
    assert watched.history is not None
    assert watched.history.steps == (0, 1, 2, 3)
    rows = [unpacked(block) for block in blocks(watched.history.values, 4, 2)]
    assert all(0 < update < 1 for row in rows[:3] for update in row["update"])
    assert all(size > 0 for row in rows for size in row["forward"])
    assert Report.from_json(watched.to_json()) == watched
