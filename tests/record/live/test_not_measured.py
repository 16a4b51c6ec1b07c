"""The report's list of what was not measured."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inithealth.record.layers.naming import Naming
from inithealth.record.live.not_measured import not_measured
from tests.record.reading import Written, flow_behind
from tests.rules.recordings import layer

NAMING = Naming(nn.Linear(2, 2))
ONE, TWO = layer("one", 0), layer("two", 1)


def test_layers_that_run_compiled() -> None:
    found = not_measured([ONE, TWO], (), (), None, NAMING)
    assert set(found) == {"one", "the place of compiled layers in the network"}
    assert found["one"].startswith("only its weights")
    assert "before it was watched (2 such layers)" in found["one"]


def test_measured_compiled_layers_lack_only_the_gradient() -> None:
    found = not_measured([ONE, TWO], ("two",), (), None, NAMING)
    assert found["one"].startswith("only its weights")
    assert found["two"].startswith("the gradient at its output")
    assert "before it was watched" not in found["two"]


def test_layers_in_the_graph_are_measured() -> None:
    assert not_measured([ONE], (), ("one (as linear)",), None, NAMING) == {}
    assert not_measured([], (), (), None, NAMING) == {}


def unread(way: Callable[[Tensor], Tensor]) -> dict[str, str]:
    model = Written(lambda net, x: way(net.fc(x)), fc=nn.Linear(3, 3))
    flow = flow_behind(model, model(torch.randn(4, 3)))
    return not_measured([], (), (), flow, Naming(model))


def test_an_unknown_operation_is_listed() -> None:
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
            return gradient

    assert unread(lambda x: x.relu()) == {}
    (what,) = unread(Odd.apply)
    assert "Odd" in what
    assert unread(Odd.apply)[what].startswith("unknown operation")
