"""The autograd graph as lists, and torch's node names, on which everything else depends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from inithealth.record.graph.order import order
from tests.record.graph.small_nets import Forked, leaf
from tests.record.reading import graph_of, squares


def test_consumers_are_the_reversed_edges() -> None:
    model = Forked()
    graph = graph_of(model, *model(torch.randn(3, 4)))
    wanted = [
        (producer, (consumer, operand, output))
        for consumer, edges in enumerate(graph.edges)
        for operand, (producer, output) in enumerate(edges)
        if producer >= 0
    ]
    found = [(producer, reading) for producer, readings in enumerate(graph.consumers) for reading in readings]
    assert sorted(found) == sorted(wanted)
    assert sorted(graph.parameters.values()) == ["one.bias", "one.weight", "two.weight"]


def test_shapes_are_those_of_each_output() -> None:
    model = Forked()
    graph = graph_of(model, *model(torch.randn(3, 4)))
    assert graph.shape(graph.names.index("Addmm")) == (3, 4)
    split = graph.names.index("Split")
    assert [graph.shape(split, output) for output in (0, 1, 2)] == [(3, 2), (3, 2), ()]


def test_saved_values_are_detached_and_none_once_freed() -> None:
    x = leaf(2, 4)
    y = (x * 2).relu()
    graph = graph_of(nn.Module(), y)
    result = graph.saved(graph.names.index("Relu"), "result")
    assert torch.equal(result, y)
    assert not result.requires_grad
    assert graph.saved(graph.names.index("Relu"), "nothing") is None
    y.detach().mul_(2)
    assert graph.saved(graph.names.index("Relu"), "result") is None
    z = x.tanh()
    freed = graph_of(nn.Module(), z)
    z.sum().backward()
    assert freed.saved(freed.names.index("Tanh"), "result") is None


class Made(nn.Module):
    """A linear layer whose weight is computed from parameters."""

    def __init__(self, make: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.scale, self.make = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.ones(3, 1)), make

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.make(self.weight, self.scale))


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda weight, scale: weight, {"weight"}),
        (lambda weight, scale: weight * scale, {"weight", "scale"}),
        (lambda weight, scale: weight * torch.ones(3, 4), {"weight"}),
        (lambda weight, scale: weight.double().float(), {"weight"}),
        (lambda weight, scale: weight.tanh(), {"weight"}),
        (lambda weight, scale: scale * weight / weight.norm(dim=1, keepdim=True), {"weight", "scale"}),
        (lambda weight, scale: weight - weight.mean(1, keepdim=True), {"weight"}),
        (lambda weight, scale: torch.cat([weight[:1], weight[1:]]), {"weight"}),
    ],
)
def test_a_tensor_computed_only_from_parameters_is_a_weight(
    make: Callable[[Tensor, Tensor], Tensor], parameters: set[str]
) -> None:
    model = Made(make)
    graph = graph_of(model, squares(model(leaf(5, 4))))
    product = graph.names.index("Mm")
    sources = [graph.pure[producer] for producer, _ in graph.edges[product]]
    assert sources[0] is None
    assert set(sources[1] or ()) == parameters
    assert graph.is_data(product)
    assert graph.data(product) == [graph.edges[product][0][0]]


def test_a_constant_scaled_by_a_parameter_is_data() -> None:
    """An input without gradient, times a learned scale: the constant is the signal."""
    model = nn.Module()
    model.scale = nn.Parameter(torch.ones(4))
    graph = graph_of(model, torch.randn(7, 4) * model.scale)
    assert graph.is_data(graph.names.index("Mul"))


@pytest.mark.parametrize("make", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_weight_normed_weight_is_computed_only_from_parameters(make: Callable[[nn.Linear], nn.Module]) -> None:
    model = make(nn.Linear(4, 3))
    graph = graph_of(model, squares(model(leaf(5, 4))))
    product = graph.names.index("Addmm")
    assert not graph.is_data(graph.edges[product][2][0])


def test_readers_are_the_consumers_of_the_signal() -> None:
    model = nn.Module()
    x = leaf(3)
    y = x * 2
    graph = graph_of(model, y.relu() + y.tanh())
    names = {graph.names[reader] for reader, _ in graph.readers(graph.names.index("Mul"))}
    assert names == {"Relu", "Tanh"}


def test_the_same_model_matches_again_and_gets_the_new_nodes() -> None:
    model = Forked()
    first = graph_of(model, *model(torch.randn(3, 4)))
    outputs = model(torch.randn(5, 4))
    again = order([output.grad_fn for output in outputs])
    assert first.matches(again)
    first.rebind(again)
    assert first.shape(first.names.index("Addmm")) == (5, 4)
    other = order([Forked()(torch.randn(3, 4))[0].grad_fn])
    assert not first.matches(other)
    first.release()
    assert not first.nodes
    assert first.matches(again)


def test_operands_that_depend_on_weights() -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    target = torch.randn(4, 2, requires_grad=True)
    for output, constant in (
        (model(x) * target.clone(), target),
        (target * model(x), target),
        (model(x) / target.detach(), target),
        (model(x) * model(x), None),
    ):
        graph = graph_of(model, output)
        last = len(graph) - 1
        assert len(graph.computed(last)) == (1 if constant is not None else 2)
        found = graph.constant(last)
        assert (found is None) == (constant is None)
        assert found is None or torch.equal(found, target)
