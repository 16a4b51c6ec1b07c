"""IH402: steps that replace a weight, and steps reduced by epsilon."""

from __future__ import annotations

from functools import partial

import pytest
from torch import nn
from torch.optim import SGD, Adam

from inithealth import Severity
from inithealth.rules.steps.update_ratio import UpdateRatio
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, stack
from tests.rules.runs import several, trained, update


def test_a_learning_rate_that_replaces_the_weights_is_named() -> None:
    found = finding(trained(mlp(), 3, optimizer=partial(Adam, lr=0.3)), "IH402")
    assert found.severity == Severity.WARNING
    assert "one step changes the weights by up to" in found.message
    assert found.message.endswith("of their rms (limit 50%)")
    assert "the learning rate 0.3 is too high" in found.cause


@pytest.mark.parametrize("make", [partial(SGD, lr=0.1), partial(Adam, lr=1e-3), partial(Adam, lr=1e-5)])
def test_usual_rates_are_healthy(make: partial[SGD]) -> None:
    assert trained(mlp(), optimizer=make).causes == ()


def test_an_epsilon_that_outweighs_the_gradients_is_reported() -> None:
    found = finding(trained(mlp(), optimizer=partial(Adam, lr=1e-3, eps=1e3)), "IH402")
    assert "x the learning rate (limit 0.001x)" in found.message
    assert "epsilon outweighs them" in found.cause


def test_a_weight_that_starts_at_zero_is_measured_by_what_it_should_be() -> None:
    model = mlp()
    nn.init.zeros_(model[8].weight)
    assert "IH402" not in codes(trained(model, optimizer=partial(Adam, lr=1e-3)))


def test_right_before_a_norm_the_scale_means_nothing() -> None:
    loud = {"fc1": update(change=0.1)}
    assert len(judge(UpdateRatio, several(updates=loud))) == 1
    assert judge(UpdateRatio, several(updates=loud, layers=stack(fc1={"normed": True}))) == []


def test_options_move_the_limits() -> None:
    loud, quiet = several(updates={"fc1": update(change=0.04)}), {"fc1": update(change=1e-6)}
    assert judge(UpdateRatio, loud) == []
    assert len(judge(UpdateRatio, loud, max_ratio=0.3)) == 1
    assert len(judge(UpdateRatio, several(updates=quiet, adaptive=True))) == 1
    assert judge(UpdateRatio, several(updates=quiet)) == []  # SGD's step is as large as the gradient by right
    assert judge(UpdateRatio, several(updates=quiet, adaptive=True), min_share_of_rate=1e-5) == []
    once = several(updates={"fc1": update(change=0.1)}, steps=2)
    assert judge(UpdateRatio, once) == []
    assert len(judge(UpdateRatio, once, min_steps=1)) == 1
