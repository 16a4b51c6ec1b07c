"""Constants at zero, and the parameters that they leave without gradient, compared with the real gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph import zero_factors
from tests.record.reading import Written, graph_of, squares

X = torch.randn(6, 4)
ZERO, ZEROS, NONE = torch.zeros(()), torch.zeros(4), torch.zeros(6, 4, dtype=torch.bool)
Way = Callable[[Any, Tensor], Any]


def attention(net: Any, x: Tensor) -> Tensor:
    q, k, v = (part(net.a(x))[None, None] for part in (net.b, net.c, net.d))
    return x + net.e(F.scaled_dot_product_attention(q * 0.0, k, v)[0, 0])


def zero_values(net: Any, x: Tensor) -> Tensor:
    q, k, v = (part(x)[None, None] for part in (net.b, net.c, net.d))
    return net.a(x) + net.e(F.scaled_dot_product_attention(q, k, v * 0.0)[0, 0])


WAYS: dict[str, Way] = {
    "a number": lambda net, x: net.a(x) + net.c(net.b(x) * 0.0),
    "a number on the left": lambda net, x: net.a(x) + 0.0 * net.b(x),
    "a scale": lambda net, x: net.a(x) + net.c(net.b(x) * ZEROS),
    "in place": lambda net, x: net.a(x) + net.c(net.b(x).mul_(ZERO)),
    "no factor": lambda net, x: net.a(x) + net.c(net.b(x) * 2.0),
    "one element": lambda net, x: net.a(x) * torch.tensor([0.0, 1.0, 0.0, 0.0]),
    "a product": lambda net, x: net.a(x) * (net.b(x) * 0.0),
    "a matrix": lambda net, x: net.a(x) + net.b(x) @ torch.zeros(4, 4),
    "an adjacency": lambda net, x: net.a(x) + torch.zeros(6, 6) @ net.b(x),
    "a mask of the weight": lambda net, x: net.a(x) + F.linear(net.b(x), net.c.weight * ZEROS),
    "a zero divided": lambda net, x: net.a(x) + 0.0 / (net.b(x) + 9),
    "everything masked": lambda net, x: net.a(x) + net.b(x).masked_fill(~NONE, 1.0),
    "nothing masked": lambda net, x: net.a(x) + net.b(x).masked_fill(NONE, 1.0),
    "nothing selected": lambda net, x: torch.where(NONE, net.a(x), net.b(x)),
    "everything selected": lambda net, x: torch.where(~NONE, net.a(x), net.b(x)),
    "through activations": lambda net, x: net.a(x) + net.d(F.gelu(net.c(F.silu(net.b(x) * 0.0).relu()))),
    "past an addition": lambda net, x: net.d(net.a(x) + net.b(x) * 0.0),
    "a sum of zeros": lambda net, x: net.a(x) + net.d(net.b(x) * 0.0 + net.c(x) * 0.0),
    "a sum with a number": lambda net, x: net.a(x) + net.d(net.b(x) * 0.0 + 1.0),
    "queries": attention,
    "values": zero_values,
    "a convolution": lambda net, x: net.a(x) + F.conv1d(net.b(x)[:, None], torch.zeros(1, 1, 1))[:, 0],
    "a convolution of zeros": lambda net, x: net.a(x) + net.conv((net.b(x) * 0.0)[:, None])[:, 0],
}


def network(way: Way) -> Written:
    torch.manual_seed(0)
    parts: dict[str, nn.Module] = {name: nn.Linear(4, 4, bias=False) for name in "abcde"}
    return Written(way, **parts, conv=nn.Conv1d(1, 1, 1, bias=False))


def found(model: Written, output: Tensor, leaves: tuple[int, ...] = ()) -> set[str]:
    graph = graph_of(model, output)
    zeros = zero_factors.zero_constants(graph, None)
    return zero_factors.without_gradient(graph, [zero.place for zero in zeros], leaves)


@pytest.mark.parametrize("name", WAYS)
def test_the_parameters_without_gradient_are_those_whose_gradient_is_zero(name: str) -> None:
    model = network(WAYS[name])
    loss = squares(model(X))
    stopped = found(model, loss)
    loss.backward()  # type: ignore[no-untyped-call]
    used = {each: p.grad for each, p in model.named_parameters() if p.grad is not None}
    assert stopped == {each for each, gradient in used.items() if not gradient.any()}


def test_a_bias_lets_the_gradient_of_later_layers_through() -> None:
    model = Written(lambda net, x: net.b(net.a(x * 1.0) * 0.0), a=nn.Linear(4, 4), b=nn.Linear(4, 4))
    assert found(model, squares(model(X))) == {"a.weight", "a.bias", "b.weight"}


def test_a_frozen_parameter_at_zero_counts_like_a_constant() -> None:
    model = Written(lambda net, x: net.a(x) + net.b(x) * net.scale, a=nn.Linear(4, 4), b=nn.Linear(4, 4),
                    scale=nn.Parameter(torch.zeros(4)))  # fmt: skip
    loss = squares(model(X))
    (leaf,) = [node for node, name in graph_of(model, loss).parameters.items() if name == "scale"]
    assert found(model, loss) == set()
    assert found(model, loss, (leaf,)) == {"b.weight", "b.bias"}


def test_large_constants_are_left_out_on_request() -> None:
    model = network(WAYS["an adjacency"])
    graph = graph_of(model, model(X))
    assert len(zero_factors.zero_constants(graph, 36)) == 1
    assert zero_factors.zero_constants(graph, 35) == []


def test_an_input_of_zeros_scales_no_signal() -> None:
    model = network(lambda net, x: net.b(net.a(torch.zeros(6, 4))) * 0.0)
    graph = graph_of(model, model(X))
    zeros = zero_factors.zero_constants(graph, None)
    assert sorted(zero_factors.scales_signal(graph, zero.place) for zero in zeros) == [False, True]
    assert sorted(zero_factors.is_matrix(graph, zero.place) for zero in zeros) == [False, True]
