"""The optimizers for the steps of a check, and their restoration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

import inithealth
from inithealth import Report
from inithealth.sessions.trial_optimizers import optimizers_of, refuse_optimizers, step, with_learning_rate
from tests.sessions.nets import INPUTS, alarm_summary, cross_entropy, never_receiving, perceptron, zero_head


@pytest.mark.parametrize(
    ("optimizer", "note"),
    [
        (lambda p: None, "optimizer: SGD(lr=0.01) (none given)"),
        (lambda p: Adam(p, lr=0.002), "optimizer: Adam(lr=0.002)"),
        (lambda p: [Adam(p[:2]), SGD(p[2:], lr=0.1)], "optimizer: Adam(lr=0.001), SGD(lr=0.1)"),
        (lambda p: LBFGS(p, lr=0.1, max_iter=2), "optimizer: LBFGS(lr=0.1)"),
    ],
    ids=["none", "one", "two", "with a closure"],
)
def test_suspects_are_settled_with_the_users_optimizer(
    optimizer: Callable[[list[nn.Parameter]], Any], note: str
) -> None:
    def report(net: nn.Sequential) -> Report:
        return inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer(list(net.parameters())))

    assert alarm_summary(report(zero_head())) == []
    assert report(zero_head()).notes == ("loss: as given", note)
    assert alarm_summary(report(never_receiving())) == [("IH103", "error", ("0",))]


def test_a_warm_up_from_zero_still_gives_a_zero_head_gradient() -> None:
    net = zero_head()
    optimizer = Adam(net.parameters(), lr=1e-3)
    LambdaLR(optimizer, lambda step: step / 100)
    assert optimizer.param_groups[0]["lr"] == 0.0
    assert alarm_summary(inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer)) == []
    assert optimizer.param_groups[0]["lr"] == 0.0


def state(optimizer: Optimizer) -> Any:
    return [
        [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups],
        [{key: torch.as_tensor(v).clone() for key, v in s.items()} for s in optimizer.state.values()],
    ]


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "in use"])
def test_the_optimizer_is_restored(used: bool) -> None:
    net = never_receiving()
    optimizer = Adam(net.parameters(), lr=0.1)
    if used:
        cross_entropy(net(INPUTS)).backward()
        optimizer.step()
        nn.init.zeros_(net[0].weight)
    before = state(optimizer)
    inithealth.check(net, INPUTS, loss=cross_entropy, optimizer=optimizer)
    groups, states = state(optimizer)
    assert groups == before[0]
    assert len(states) == len(before[1]) == (4 if used else 0)
    assert all(torch.equal(new[key], old[key]) for new, old in zip(states, before[1], strict=True) for key in old)


def test_optimizers_of_another_model_are_rejected() -> None:
    net = perceptron()
    own = SGD(net.parameters(), lr=0.1)
    assert refuse_optimizers(None, net) == []
    assert refuse_optimizers(own, net) == refuse_optimizers([own], net) == refuse_optimizers((own,), net) == [own]
    with pytest.raises(TypeError, match=r"not the class SGD: create it with model.parameters\(\)"):
        refuse_optimizers(SGD, net)
    with pytest.raises(TypeError, match="not float"):
        refuse_optimizers([own, 0.1], net)
    with pytest.raises(ValueError, match="SGD has no parameter of the model"):
        refuse_optimizers(SGD(perceptron().parameters(), lr=0.1), net)


def test_the_default_is_sgd_on_the_trainable_parameters() -> None:
    net = perceptron()
    [default], note, rate = optimizers_of(net, [], [net[2].weight])
    assert rate is None  # no learning rate is known
    assert note == "SGD(lr=0.01) (none given)"
    assert default.param_groups[0]["params"] == [net[2].weight]
    given = Adam(net.parameters())
    assert optimizers_of(net, [given], []) == ([given], "Adam(lr=0.001)", 0.001)


def test_a_learning_rate_of_zero_is_replaced_by_the_initial_one() -> None:
    net = perceptron()
    warm, cold, usual = (SGD(net.parameters(), lr=rate) for rate in (0.3, 0.0, 0.2))
    LambdaLR(warm, lambda step: 0.0)
    before = net[0].weight.detach().clone()
    with with_learning_rate([warm, cold, usual]):
        assert [each.param_groups[0]["lr"] for each in (warm, cold, usual)] == [0.3, 0.01, 0.2]
        usual.param_groups[0]["lr"] = 5.0
    assert [each.param_groups[0]["lr"] for each in (warm, cold, usual)] == [0.0, 0.0, 0.2]
    assert torch.equal(net[0].weight, before)


@pytest.mark.parametrize(("kind", "runs"), [(lambda p: SGD(p, lr=0.1), 0), (lambda p: LBFGS(p, max_iter=2), 2)])
def test_only_an_optimizer_with_a_closure_runs_the_model(kind: Callable[[Any], Optimizer], runs: int) -> None:
    net, called = perceptron(), []

    def closure() -> float:
        called.append(1)
        loss = cross_entropy(net(INPUTS))
        loss.backward()
        return float(loss.detach())

    before = net[0].weight.detach().clone()
    net[0].weight.grad = torch.ones(16, 8)
    step(kind([net[0].weight]), closure)
    assert len(called) == runs
    assert not torch.equal(net[0].weight, before)
