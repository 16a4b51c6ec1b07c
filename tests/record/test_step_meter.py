"""The steps of a live training, measured after their backward pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from inithealth.record.step_meter import StepMeter, number

X = torch.randn(6, 4)


class Training:
    """A small network, its optimizer, and its meter."""

    def __init__(self, scaler: Any = None) -> None:
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        self.optimizer: Optimizer = SGD(self.net.parameters(), lr=0.5)
        self.meter = StepMeter(self.net, [self.optimizer], scaler, 2**20, together=False)
        self.scale = 1.0 if scaler is None else float(scaler.get_scale())

    def backward(self, x: Tensor = X) -> Tensor:
        """Run one forward and backward pass with scaled gradients."""
        self.meter.prepare(watching=True)
        self.meter.take_batch(x)
        self.optimizer.zero_grad()
        loss = self.net(x).square().mean()
        self.meter.observe(loss)
        (loss * self.scale).backward()
        return loss


def norm(parameter: nn.Parameter) -> float:
    assert parameter.grad is not None
    return float(parameter.grad.norm())


def test_a_step_has_the_loss_and_the_gradients() -> None:
    training = Training()
    loss = training.backward()
    step, norms = training.meter.measured(3, loss, first=True)
    assert (step.index, step.loss) == (3, pytest.approx(float(loss.detach())))
    assert norms["0.weight"] == pytest.approx(norm(training.net[0].weight), rel=1e-5)
    assert {m.layer: m.weight_gradient for m in step.layers} == {
        layer: pytest.approx(norm(training.net[int(layer)].weight), rel=1e-5) for layer in ("0", "2")
    }
    assert (step.overflows, step.since, step.broken_inputs) == (0, None, {})


def test_the_loss_scale_is_removed_from_the_gradients() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(1))
    training = Training(scaler)
    step, norms = training.meter.measured(0, training.backward(), first=True)
    assert norms["0.weight"] == pytest.approx(norm(training.net[0].weight) / 1024.0, rel=1e-5)
    assert step.loss_scale == 1024.0


def test_an_overflow_is_due_to_the_scaler() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(1))
    for training, overflows in ((Training(scaler), True), (Training(), False)):
        loss = training.backward()
        assert not training.meter.overflowed(loss)
        training.net[0].weight.grad[0, 0] = math.inf  # type: ignore[index]
        assert training.meter.overflowed(loss) is overflows


def test_updates_are_measured_around_the_optimizers_step() -> None:
    training = Training()
    training.meter.measured(0, training.backward(), first=True)
    assert training.meter.after_update() == {}
    training.meter.before_update(training.optimizer)
    training.optimizer.step()
    found = training.meter.after_update()
    assert {name: update.rate for name, update in found.items()} == {"0": 0.5, "2": 0.5}
    assert all(update.change > 0 for update in found.values())


def test_a_broken_batch_is_named() -> None:
    training = Training()
    broken = X.clone()
    broken[0, 0] = math.nan
    step, _ = training.meter.measured(0, training.backward(broken), first=True)
    assert step.broken
    assert [signal.non_finite for signal in step.broken_inputs.values()] == [1]


def test_gradients_stored_elsewhere_are_not_measured() -> None:
    training = Training()
    loss = training.backward()
    training.optimizer.zero_grad()
    training.meter.measured(0, loss, first=True)
    assert "gradients of the weights" in " ".join(training.meter.recorder.not_measured)


def test_a_loss_that_broke_earlier_is_reported_with_its_step() -> None:
    training = Training()
    training.meter.losses.add(2, math.nan)
    step, _ = training.meter.measured(3, training.backward(), first=True)
    assert step.since == 2


@pytest.mark.parametrize(("loss", "value"), [(None, None), (2, 2.0), (torch.tensor(2.0, requires_grad=True), 2.0)])
def test_a_loss_is_a_number(loss: Any, value: float | None) -> None:
    assert number(loss) == value
