"""The history of one run: its continuation of an earlier run, and its recording of the training."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, Optimizer

from inithealth.recording import Recording, Step
from inithealth.sessions.history import History
from tests.record.reading import read
from tests.sessions.nets import INPUTS, perceptron, zero_head


def started(
    model: nn.Module, *optimizers: Optimizer, taken: int = 0, earlier: Recording | None = None
) -> tuple[History, Step]:
    """Return a history with one measured step."""
    reading = read(model, INPUTS, exact=False)
    history = History(reading.recorder, optimizers, taken, earlier)
    history.add(reading.step, skipped=False)
    return history, reading.step


def norms(value: float) -> dict[str, float]:
    return {f"{layer}.weight": value for layer in (0, 2)}


def test_a_run_starts_empty() -> None:
    reading = read(perceptron(), INPUTS, exact=False)
    history = History(reading.recorder, (), 0, None)
    assert not history
    assert not history.waiting
    assert history.add(reading.step, skipped=False)  # the first step
    assert history
    assert history.weights == {"0": "0.weight", "2": "2.weight"}


def test_suspects_are_settled_after_four_steps_that_changed_weights() -> None:
    history, _ = started(zero_head(), SGD(perceptron().parameters(), lr=0.1))
    assert history.waiting
    assert not history.try_on(norms(1.0), skipped=True)
    assert [history.try_on(norms(1.0), skipped=False) for _ in range(4)] == [False, False, False, True]
    assert not history.waiting
    assert not history.try_on(norms(1.0), skipped=False)


def test_a_learning_rate_of_zero_changes_nothing() -> None:
    history, _ = started(zero_head(), SGD(perceptron().parameters(), lr=0.0))
    assert not any(history.try_on(norms(1.0), skipped=False) for _ in range(8))
    assert history.waiting


def test_the_recording_describes_the_training() -> None:
    net = perceptron()
    found = started(net, Adam(net[0].parameters(), lr=0.01))[0].recording
    assert (found.optimizer, found.adaptive, found.probation) == ("Adam(lr=0.01)", True, None)
    assert found.left_out == ("2.bias", "2.weight")
    assert "optimizer: Adam(lr=0.01)" in found.notes
    none = started(perceptron())[0].recording
    assert (none.optimizer, none.adaptive, none.left_out) == ("SGD(lr=0.01) (none given)", False, ())


class Parts(nn.Module):
    """One of two layers is part of the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> Any:
        return self.one(x) + self.two(x).detach()


def test_layers_that_no_gradient_reaches_are_unused_or_detached() -> None:
    history, _ = started(Parts())
    assert (history.recording.unused, history.recording.detached) == (("two",), ())
    history.detached = ("two",)
    assert (history.recording.unused, history.recording.detached) == ((), ("two",))


def test_layers_of_other_losses_are_not_unused() -> None:
    net = Parts()
    found = started(net, SGD(net.one.parameters(), lr=0.1), SGD(net.two.parameters(), lr=0.1))[0].recording
    assert found.unused == found.detached == ()
    assert any(each.startswith("two: ") for each in found.not_measured)


def test_a_resumed_run_has_the_earlier_steps() -> None:
    earlier = started(perceptron())[0].recording
    history, step = started(perceptron(), taken=7, earlier=earlier)
    assert history.resumed == 0
    assert history.recording.steps == (*earlier.steps, step)
    assert history.recording.layers == earlier.layers


def test_a_run_without_an_earlier_recording_reports_its_first_step() -> None:
    other = started(nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 4)))[0].recording
    for earlier in (None, other):
        history, step = started(perceptron(), taken=7, earlier=earlier)
        assert history.resumed == 7
        assert history.recording.steps == (step,)
        assert history.recording.notes[0].startswith("resumed at step 7")
