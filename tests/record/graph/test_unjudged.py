"""An elementwise function after a layer is an activation of the table or reported, and never ignored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Recording
from inithealth.sessions.oneshot import record

Function = Callable[[Tensor], Tensor]


class Between(nn.Module):
    """A function between two layers, and one of the input."""

    def __init__(self, function: Function, before: Function = lambda x: x) -> None:
        super().__init__()
        self.first, self.second, self.function, self.before = nn.Linear(8, 8), nn.Linear(8, 8), function, before

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.function(self.first(self.before(x))))


def recorded(model: nn.Module) -> Recording:
    torch.manual_seed(0)
    return record(model, torch.rand(16, 8))


@pytest.mark.parametrize(
    ("function", "node"),
    [
        (torch.square, "Pow"),
        (torch.abs, "Abs"),
        (lambda x: torch.log1p(x.abs()), "Abs, Log1P"),
        (torch.expm1, "Expm1"),
        (lambda x: (x.abs() + 1).sqrt(), "Abs, Sqrt"),
        (lambda x: torch.maximum(x, torch.arange(8.0)), "Maximum"),
        (lambda x: x.clamp(torch.arange(8.0), None), "Clamp"),
        (lambda x: F.relu(x) ** 2, "Pow"),
    ],
)
def test_a_function_without_a_row_is_reported(function: Function, node: str) -> None:
    assert recorded(Between(function)).not_measured == (
        f"{node}: no known gain: the signal is assumed to pass through it unchanged",
    )


@pytest.mark.parametrize("function", [torch.asinh, torch.sinh])
def test_an_unknown_function_is_reported(function: Function) -> None:
    (found,) = recorded(Between(function)).not_measured
    assert found.endswith(": unknown operation: the signal is assumed to pass through it unchanged")


@pytest.mark.parametrize("name", ["log_softmax", "threshold", "hardshrink"])
def test_an_activation_without_a_certain_gain_is_reported(name: str) -> None:
    more = {"log_softmax": (1,), "threshold": (0.1, 2.0)}.get(name, ())
    of = recorded(Between(lambda x: getattr(F, name)(x, *more)))
    assert of.layers[0].activation == name
    assert [each.split(":")[0] for each in of.not_measured] == [f"the gain of {name}"]


@pytest.mark.parametrize(
    "function",
    [
        F.relu,
        F.softsign,
        F.tanhshrink,
        lambda x: F.layer_norm(x, (8,)),
        lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
        lambda x: x / x.norm(dim=-1, keepdim=True).clamp_min(1e-6),
        lambda x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt(),
        lambda x: F.normalize(x),
        lambda x: x.clamp(-65504, 65504),
        lambda x: F.leaky_relu(x, 1.0),
        lambda x: x * torch.sigmoid(x),
        lambda x: x,
    ],
)
def test_known_functions_are_not_reported(function: Function) -> None:
    assert recorded(Between(function)).not_measured == ()


def test_functions_before_the_first_layer_are_not_reported() -> None:
    model = Between(F.relu, before=lambda x: torch.log1p(x.abs()))
    model.register_parameter("shift", nn.Parameter(torch.zeros(8)))
    model.before = lambda x: torch.log1p((x + model.shift).abs())
    assert recorded(model).not_measured == ()


def test_functions_after_the_last_layer_are_not_reported() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x).abs().log1p().pow(2)

    assert recorded(Net()).not_measured == ()


def test_a_final_log_softmax_is_a_loss() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.LogSoftmax(1))
    assert recorded(model).layers[0].activation is None
