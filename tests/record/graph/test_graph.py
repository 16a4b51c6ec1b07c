"""The autograd graph as lists; and the names that torch gives its nodes, which all else rests on."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils import parametrizations

from inithealth.record.collection import collection_paused
from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.order import base_name, order
from tests.record.reading import graph_of, squares


def leaf(*shape: int) -> Tensor:
    return torch.randn(shape, requires_grad=True)


def test_a_name_loses_what_torch_adds() -> None:
    assert base_name("AddmmBackward0") == "Addmm"
    assert base_name("torch::autograd::AccumulateGrad") == "AccumulateGrad"
    assert base_name("MaxPool2DWithIndicesBackward12") == "MaxPool2DWithIndices"
    assert base_name("CopyBackwards") == "CopyBackwards"
    assert base_name("torch::autograd::CopySlices") == "CopySlices"


# What each operation is called in the graph: a new torch that renames one shows here.
CALLED: dict[str, Callable[[Tensor], Tensor]] = {
    "Relu": F.relu,
    "Gelu": F.gelu,
    "Silu": F.silu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "LeakyRelu": F.leaky_relu,
    "Elu": F.selu,
    "Hardswish": F.hardswish,
    "Hardsigmoid": F.hardsigmoid,
    "Hardtanh": F.relu6,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "LogSigmoid": F.logsigmoid,
    "Threshold": lambda x: F.threshold(x, 0.1, 0.0),
    "Softmax": lambda x: x.softmax(-1),
    "ClampMin": lambda x: x.clamp_min(0),
    "Clamp": lambda x: x.clamp(0, 1),
    "Sin": torch.sin,
    "Glu": F.glu,
    "NativeBatchNorm": lambda x: F.batch_norm(x, None, None, training=True),
    "NativeLayerNorm": lambda x: F.layer_norm(x, (4,)),
    "NativeGroupNorm": lambda x: F.group_norm(x, 2),
    "LogSoftmax": lambda x: x.log_softmax(-1),
    "NllLoss": lambda x: F.nll_loss(x, torch.zeros(2, dtype=torch.int64)),
    "MseLoss": lambda x: F.mse_loss(x, torch.ones(2, 4)),
    "SmoothL1Loss": lambda x: F.smooth_l1_loss(x, torch.ones(2, 4)),
    "HuberLoss": lambda x: F.huber_loss(x, torch.ones(2, 4)),
    "BinaryCrossEntropyWithLogits": lambda x: F.binary_cross_entropy_with_logits(x, torch.ones(2, 4)),
    "BinaryCrossEntropy": lambda x: F.binary_cross_entropy(x.detach().sigmoid().requires_grad_(), torch.ones(2, 4)),
    "Addmm": lambda x: F.linear(x, leaf(3, 4), leaf(3)),
    "Mm": lambda x: x @ leaf(4, 3),
    "Mv": lambda x: x @ leaf(4),
    "Bmm": lambda x: torch.bmm(x[None], leaf(1, 4, 3)),
    "Convolution": lambda x: F.conv1d(x[None], leaf(3, 2, 1)),
    "Embedding": lambda x: F.embedding(torch.tensor([1]), x),
    "Trilinear": lambda x: F.bilinear(x, x, leaf(3, 4, 4)),
    "ScaledDotProductFlashAttentionForCpu": lambda x: F.scaled_dot_product_attention(*[x[None, None]] * 3),
    "Cat": lambda x: torch.cat([x, x]),
    "Permute": lambda x: x.T,
    "T": lambda x: x.t(),
    "Transpose": lambda x: x.mT,
    "Where": lambda x: torch.where(x > 0, x, 0.0),
    "NativeDropout": lambda x: torch.native_dropout(x, 0.5, True)[0],
}


@pytest.mark.parametrize("name", CALLED)
def test_torch_calls_its_nodes_as_the_vocabulary_does(name: str) -> None:
    assert name in order([CALLED[name](leaf(2, 4)).grad_fn]).names
    assert vocab.known(name)


def test_a_fused_lstm_is_called_as_the_vocabulary_does() -> None:
    output = nn.LSTM(3, 4, batch_first=True)(torch.randn(2, 5, 3))[0]
    assert "MkldnnRnnLayer" in order([output.grad_fn]).names


def test_the_private_attribute_that_tells_shapes_is_there() -> None:
    """``_input_metadata`` is torch's own business: without it no fan is known."""
    node = F.linear(leaf(2, 4), leaf(3, 4)).grad_fn
    assert node is not None
    assert [tuple(output.shape) for output in node._input_metadata] == [(2, 3)]


def test_a_parameter_behind_a_graph_is_the_parameter() -> None:
    """Node -> ``.variable`` is how a name is known."""
    weight = leaf(3, 4)
    (accumulate, _), *_ = F.linear(torch.ones(2, 4), weight).grad_fn.next_functions[1][0].next_functions  # type: ignore[union-attr]
    assert accumulate.variable is weight  # type: ignore[union-attr]


def naive(roots: list[Node]) -> dict[Node, list[tuple[Node | None, int]]]:
    """Every node that the roots depend on, with its operands; recursively."""
    found: dict[Node, list[tuple[Node | None, int]]] = {}

    def visit(node: Node | None) -> None:
        if node is not None and node not in found:
            found[node] = list(node.next_functions)
            for producer, _ in node.next_functions:
                visit(producer)

    for root in roots:
        visit(root)
    return found


class Net(nn.Module):
    """Forks, joins, a weight used twice, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.one(x).relu()
        left, right = (hidden + self.two(hidden)).chunk(2, -1)
        return self.two(self.one(torch.cat([left, right], -1))), left * right.sigmoid()


@pytest.mark.parametrize("both", [True, False])
def test_order_is_every_node_once_inputs_first_with_its_operands(both: bool) -> None:
    outputs = Net()(torch.randn(3, 4))
    roots = [output.grad_fn for output in outputs[: 2 if both else 1] if output.grad_fn is not None]
    wanted, found = naive(roots), order(roots)
    assert len(found.nodes) == len(set(found.nodes)) == len(wanted)
    place = {node: index for index, node in enumerate(found.nodes)}
    for index, node in enumerate(found.nodes):
        assert found.edges[index] == [(-1 if p is None else place[p], output) for p, output in wanted[node]]
        assert all(producer < index for producer, _ in found.edges[index])
        assert found.names[index] == base_name(node.name())


def test_a_graph_of_thousands_of_nodes_in_a_row_is_no_recursion() -> None:
    x = leaf(1)
    y = x
    for _ in range(20_000):
        y = y + 1
    assert len(order([y.grad_fn]).nodes) == 20_001


def test_consumers_are_the_edges_turned() -> None:
    model = Net()
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
    model = Net()
    graph = graph_of(model, *model(torch.randn(3, 4)))
    assert graph.shape(graph.names.index("Addmm")) == (3, 4)
    split = graph.names.index("Split")
    assert [graph.shape(split, output) for output in (0, 1, 2)] == [(3, 2), (3, 2), ()]


def test_what_was_saved_is_detached_and_none_where_it_is_gone() -> None:
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
    """A linear layer whose weight is made from parameters in some way."""

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
def test_what_is_made_of_parameters_alone_is_a_weight_not_data(
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


def test_a_constant_that_a_parameter_scales_is_data() -> None:
    """An input without gradient, times a learned scale: the signal is the constant's."""
    model = nn.Module()
    model.scale = nn.Parameter(torch.ones(4))
    graph = graph_of(model, torch.randn(7, 4) * model.scale)
    assert graph.is_data(graph.names.index("Mul"))


@pytest.mark.parametrize("make", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_normed_weight_is_made_of_parameters_alone(make: Callable[[nn.Linear], nn.Module]) -> None:
    model = make(nn.Linear(4, 3))
    graph = graph_of(model, squares(model(leaf(5, 4))))
    product = graph.names.index("Addmm")
    assert not graph.is_data(graph.edges[product][2][0])


def test_readers_are_what_reads_the_signal() -> None:
    model = nn.Module()
    x = leaf(3)
    y = x * 2
    graph = graph_of(model, y.relu() + y.tanh())
    names = {graph.names[reader] for reader, _ in graph.readers(graph.names.index("Mul"))}
    assert names == {"Relu", "Tanh"}


def in_place_on_a_view() -> Tensor:
    y = leaf(2, 4) * 1
    y[:, :2].relu_()
    return y


@pytest.mark.xfail(
    not hasattr(in_place_on_a_view().grad_fn, "_wrapped_node"), reason="torch before 2.14 does not tell what is inside"
)
def test_an_in_place_operation_on_a_view_goes_by_its_own_name() -> None:
    assert "Relu" in graph_of(nn.Module(), in_place_on_a_view()).names


def test_the_same_model_again_matches_and_takes_the_new_nodes() -> None:
    model = Net()
    first = graph_of(model, *model(torch.randn(3, 4)))
    outputs = model(torch.randn(5, 4))
    again = order([output.grad_fn for output in outputs])
    assert first.matches(again)
    first.rebind(again)
    assert first.shape(first.names.index("Addmm")) == (5, 4)
    other = order([Net()(torch.randn(3, 4))[0].grad_fn])
    assert not first.matches(other)
    first.release()
    assert not first.nodes
    assert first.matches(again)


def test_collection_is_as_it_was_also_after_an_error() -> None:
    states = []
    with suppress(KeyError), collection_paused():
        states.append(gc.isenabled())
        raise KeyError
    states.append(gc.isenabled())
    gc.disable()
    with collection_paused():
        states.append(gc.isenabled())
    states.append(gc.isenabled())
    gc.enable()
    assert states == [False, True, False, False]
