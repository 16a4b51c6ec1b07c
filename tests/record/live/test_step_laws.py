"""How large the steps of optimizers are: each law is compared with real steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn, optim

from inithealth.record.live.step_laws import step_law, unknown_laws

Make = Callable[[list[nn.Parameter]], optim.Optimizer]


@pytest.mark.parametrize("gradient", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("rms", [0.02, 1.0])
@pytest.mark.parametrize(
    "make",
    [
        partial(optim.Adam, lr=1e-3),
        partial(optim.AdamW, lr=1e-3, weight_decay=0.0),
        partial(optim.NAdam, lr=1e-3),
        partial(optim.Adamax, lr=1e-3),
        partial(optim.RMSprop, lr=1e-3),
        partial(optim.Adagrad, lr=1e-2),
        partial(optim.Adafactor, lr=1e-2),
        partial(optim.Muon, lr=1e-3, weight_decay=0.0),
    ],
)
def test_the_law_is_that_of_real_steps_whatever_the_gradient_is(make: Make, rms: float, gradient: float) -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(rms * torch.randn(64, 32))
    optimizer = make([weight])
    for _ in range(20):
        weight.grad = gradient * torch.randn(64, 32)
        before, law = weight.detach().clone(), step_law(optimizer, weight)
        assert law is not None
        usual = law.usual(optimizer.param_groups[0]["lr"], float(before.square().mean().sqrt()))
        optimizer.step()
    change = float((weight.detach() - before).square().mean().sqrt())
    assert 0.05 < change / usual < 20


@pytest.mark.parametrize("make", [optim.SGD, optim.ASGD, optim.LBFGS, optim.Rprop, optim.Adadelta])
def test_optimizers_whose_steps_say_nothing_of_the_gradients_have_none(make: Make) -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = make([weight])
    assert step_law(optimizer, weight) is None
    assert unknown_laws([optimizer]) == []


def test_a_subclass_and_a_wrapper_have_the_law_of_what_is_inside() -> None:
    class Clipped(optim.AdamW):
        pass

    weight = nn.Parameter(torch.ones(2, 2))
    wrapper = SimpleNamespace(optimizer=Clipped([weight]))
    assert step_law(wrapper, weight) is not None  # type: ignore[arg-type]
    assert unknown_laws([wrapper]) == []  # type: ignore[list-item]


def test_an_optimizer_of_ones_own_is_named() -> None:
    class Mine(optim.Optimizer):
        pass

    weight = nn.Parameter(torch.ones(2, 2))
    optimizer = Mine([weight], {"lr": 0.1})
    assert step_law(optimizer, weight) is None
    assert unknown_laws([optimizer]) == ["Mine"]
