"""One recorded pass, and layers without a gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inithealth
from inithealth.recording import Recording
from inithealth.sessions.objective import Objective
from inithealth.sessions.one_pass import OnePass
from tests.sessions.nets import INPUTS, cross_entropy, never_receiving, perceptron, zero_head


def test_if_frozen_parameters_cannot_be_revealed_the_rest_is_judged_with_a_note() -> None:
    class Averaging(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.average = perceptron(), nn.Parameter(torch.ones(4), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            y = self.net(x)
            self.average.mul_(0.9).add_(0.1 * y.detach().mean(0))  # fails if the parameter requires grad
            return y - self.average.detach()

    report = inithealth.check(Averaging(), INPUTS)
    assert [layer.name for layer in report.layers if layer.reaches_loss] == ["net.0", "net.2"]
    assert report.ok
    [missing] = report.not_measured
    assert missing.startswith("inputs and frozen layers: with their gradients enabled, the model raised RuntimeError")


def passed(model: nn.Module, loss: Callable[[Any], Tensor] | None = cross_entropy, *, reveal: bool = True) -> Recording:
    return OnePass(Objective(model, INPUTS, loss), []).run(reveal=reveal)


def test_the_measurements_are_those_of_one_step() -> None:
    net = perceptron()
    found = passed(net)
    loss = cross_entropy(net(INPUTS))
    gradient = torch.autograd.grad(loss, net[2].weight)[0]
    assert [step.index for step in found.steps] == [0]
    assert found.steps[0].loss == pytest.approx(float(loss.detach()))
    assert found.first["2"].weight_gradient == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert list(found.inputs) != []
    assert found.probation is None
    assert (found.optimizer, found.adaptive) == ("SGD(lr=0.01) (none given)", False)


def test_a_random_projection_is_reported_as_the_loss() -> None:
    assert passed(perceptron(), None).loss.kind == "projection"
    assert passed(perceptron()).loss.kind == "cross_entropy"


def test_suspects_are_tried_and_the_weights_are_restored_after_the_check() -> None:
    waking = passed(zero_head()).probation
    assert waking is not None
    assert (waking.steps, waking.settled, waking.asleep) == (4, True, ())
    never = passed(never_receiving()).probation
    assert never is not None
    assert "0.weight" in never.zero_units
    assert never.zero_units["0.weight"] == 1.0


class Parts(nn.Module):
    """A layer of which only the values are used, an unused one, and a trained one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.unused, self.head = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        y: Tensor = self.head(self.cut(x).detach().relu())
        return y


def test_layers_without_a_gradient_are_detached_or_unused() -> None:
    found = passed(Parts())
    assert (found.detached, found.unused, found.idle) == (("cut",), ("unused",), ())


def test_a_layer_with_zero_gradient_and_no_effect_is_idle() -> None:
    class Switched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.expert = perceptron(), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.net(x) + 0.0 * self.expert(x)
            return y

    assert passed(Switched()).idle == ("expert",)


def test_a_loss_without_any_parameter_is_rejected() -> None:
    other = torch.ones(3, requires_grad=True)
    with pytest.raises(ValueError, match="does not depend on any trainable parameter"):
        passed(perceptron(), lambda output: other.sum() + 0.0)


@pytest.mark.parametrize("reveal", [True, False])
def test_frozen_parameters_have_no_gradient(reveal: bool) -> None:
    net = perceptron()
    net[0].requires_grad_(False)
    found = passed(net, reveal=reveal)
    assert found.first["0"].weight_gradient is None
    assert found.first["2"].weight_gradient is not None
    assert (found.first["0"].gradient is not None) is reveal
