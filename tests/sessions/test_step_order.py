"""A monitor reports a step that is missing or that comes after the optimizer's step; other orders are valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, AdamW

import inithealth
from inithealth import Monitor


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def losses(model: nn.Module, steps: int = 3) -> Iterator[Tensor]:
    for _ in range(steps):
        yield F.cross_entropy(model(torch.randn(16, 8)), torch.arange(16) % 4)


def right(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    for loss in losses(model):
        optimizer.zero_grad()
        loss.backward()
        monitor.step(loss)
        optimizer.step()


def late(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    for loss in losses(model):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        monitor.step(loss)


def at_the_end(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    for loss in losses(model):
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        monitor.step(loss)


def forgotten(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    for loss in losses(model):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def accumulated(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    for index, loss in enumerate(losses(model, 6)):
        loss.backward()
        if index % 3 == 2:
            monitor.step(loss)
            optimizer.step()
            optimizer.zero_grad()


def evaluated(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    model.eval()
    for _ in losses(model):
        pass


def by_turns(model: nn.Module, optimizer: Any, monitor: Monitor) -> None:
    """Run a loop in which another optimizer of a submodule steps in between."""
    other = SGD(model[0].parameters(), lr=0.1)
    for loss in losses(model):
        loss.backward()
        other.step()
        monitor.step(loss)
        optimizer.step()
        model.zero_grad()


def run(loop: Callable[..., None], kind: Any = SGD, **options: Any) -> tuple[str, ...]:
    model = perceptron()
    optimizer = kind(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, **options) as monitor:
        loop(model, optimizer, monitor)
    return monitor.report.not_measured


@pytest.mark.parametrize("loop", [right, accumulated, evaluated, by_turns])
@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_valid_orders(loop: Callable[..., None], kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert [line for line in run(loop, kind) if "monitor.step was" in line] == []
    assert "monitor.step was" not in caplog.text


@pytest.mark.parametrize("kind", [SGD, AdamW])
@pytest.mark.parametrize(
    ("loop", "says"),
    [
        (late, "gradients: monitor.step was called after optimizer.step, on updated weights: call monitor.step(loss) "),
        (at_the_end, "gradients: monitor.step was called after optimizer.step, on updated weights: call monitor.step("),
        (forgotten, "training steps: monitor.step was never called in 3 forward passes: call monitor.step(loss) after"),
    ],
)
def test_invalid_orders(loop: Callable[..., None], says: str, kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert any(line.startswith(says) for line in run(loop, kind))
    warned = [record for record in caplog.records if record.getMessage().startswith("inithealth: monitor.step was")]
    assert [record.levelname for record in warned] == ["WARNING"]


def test_a_run_after_its_schedule(caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor(perceptron(), steps_taken=5000)
    assert "step 5000 is past the last of the schedule: set schedule='every' and until=None" in caplog.text
    assert any("is past the last of the schedule" in line for line in monitor.report.not_measured)
    caplog.clear()
    Monitor(perceptron(), steps_taken=5000, settings={"schedule": "every", "until": None})
    assert caplog.text == ""
