"""What each layer feeds, for different ways of writing a network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    ATTENTION,
    IMAGES,
    SEQUENCES,
    X,
    attention,
    linear,
    parameter,
    place,
)
from tests.record.reading import Written, flow_behind, read, squares


def test_fused_and_composed_attention_have_the_same_flow() -> None:
    """A zero value projection blocks the signal in both."""
    hand, fused = (read(attention(ATTENTION[name]), SEQUENCES).layers for name in list(ATTENTION)[:2])
    assert {name: place(layer) for name, layer in fused.items()} == {name: place(layer) for name, layer in hand.items()}


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("cross", [True, False])
def test_multihead_attention_is_two_layers(weights: bool, cross: bool) -> None:
    net = Written(
        lambda net, x: net.head(net.attention(x, *[x * 2 if cross else x] * 2, need_weights=weights)[0].tanh()),
        attention=nn.MultiheadAttention(6, 2, batch_first=True), head=linear(6, 2),
    )  # fmt: skip
    reading = read(net, SEQUENCES)
    assert reading.layers["attention"].feeds == "attention"
    assert reading.layers["attention.out_proj"].activation == "tanh"
    assert reading.measured["attention.out_proj"].output is not None


def test_layers_parallel_to_a_concatenation_are_bypassable() -> None:
    """A U-Net with the path through the bottleneck and the skip connection."""

    def forward(net: Any, x: Tensor) -> Tensor:
        across = net.into(x).relu()
        return net.out(torch.cat([across, net.up(net.down(across).relu()).relu()], 1))

    parts = {"into": nn.Conv2d(3, 4, 3, padding=1), "out": nn.Conv2d(8, 2, 1)}
    bottom = {"down": nn.Conv2d(4, 4, 2, stride=2), "up": nn.ConvTranspose2d(4, 4, 2, stride=2)}
    layers = read(Written(forward, **parts, **bottom), IMAGES).layers
    assert {name for name, layer in layers.items() if layer.bypassable} == {"down", "up"}
    assert {name for name, layer in layers.items() if layer.head} == {"out"}


def test_a_tied_embedding_is_a_layer_for_each_use() -> None:
    net = Written(
        lambda net, tokens: net.head(net.body(net.embedding(tokens)).relu()),
        embedding=nn.Embedding(9, 6), body=linear(), head=nn.Linear(6, 9, bias=False),
    )  # fmt: skip
    net.head.weight = net.embedding.weight
    layers = read(net, torch.arange(5)).layers
    embedding, head = layers["embedding"], layers["head"]
    assert (embedding.kind, embedding.feeds, embedding.head) == ("embedding", "layer", False)
    assert (head.kind, head.feeds, head.head) == ("linear", "loss", True)
    assert embedding.weight is not None
    assert embedding.weight.tied_to == ("head.weight",)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_feed_the_layers_that_read_them(kind: type[nn.RNNBase]) -> None:
    net = Written(lambda net, x: net.head(net.cell(x)[0][:, -1]), cell=kind(6, 6, batch_first=True), head=linear(6, 2))
    layers = read(net, SEQUENCES).layers
    assert set(layers) == {"cell.weight_ih_l0", "cell.weight_hh_l0", "head"}
    assert {name for name, layer in layers.items() if layer.head} == {"head"}
    assert all(layer.called and layer.reaches_loss for layer in layers.values())


def test_two_heads_both_feed_the_loss() -> None:
    def forward(net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        x = net.body(x).relu()
        return net.one(x), net.two(x)

    net = Written(forward, body=linear(), one=linear(), two=linear(6, 3))
    layers = read(net, X).layers
    assert {name for name, layer in layers.items() if layer.head} == {"one", "two"}
    assert {layers[name].feeds for name in ("one", "two")} == {"loss"}


def test_the_inputs_are_the_leaves_whose_scale_reaches_a_weight() -> None:
    """Without a target, which only the loss reads, and without an input that is normalized first."""
    net = Written(lambda net, x, normed, target: ((net.one(x) + net.two(F.layer_norm(normed, (6,))) - target) ** 2),
                  one=linear(), two=linear())  # fmt: skip
    leaves = [torch.randn(5, 6, requires_grad=True) for _ in range(3)]
    assert flow_behind(net, net(*leaves).sum()).inputs() == {id(leaves[0])}


def test_activations_are_reported_with_the_layers_that_feed_them() -> None:
    net = Written(lambda net, x: net.head((net.one(x) + net.two(x)).relu()), one=linear(), two=linear(), head=linear())
    flow = flow_behind(net, squares(net(X.clone().requires_grad_())))
    ((node, sources),) = flow.activations().items()
    assert flow.graph.names[node] == "Relu"
    assert {flow.operations[source].weights for source in sources} == {("one.weight",), ("two.weight",)}


def test_networks_with_modules_and_with_functions_have_the_same_flow() -> None:
    front = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
    modules = nn.Sequential(*front, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))

    def forward(net: Any, x: Tensor) -> Tensor:
        x = F.batch_norm(F.conv2d(x, net.a, net.b), None, None, net.c, net.d, training=True)
        return F.linear(F.max_pool2d(F.relu(x), 2).flatten(1), net.e, net.f)

    shapes = {"a": (4, 3, 3, 3), "b": (4,), "c": (4,), "d": (4,), "e": (2, 36), "f": (2,)}
    twin = Written(forward, **{name: parameter(*shape) for name, shape in shapes.items()})
    one, other = (read(net, IMAGES).recorder.layers for net in (modules, twin))
    assert [(layer.kind, *place(layer)) for layer in one] == [(layer.kind, *place(layer)) for layer in other]
    assert [layer.name for layer in one] == ["0", "1", "5"]
    assert [layer.name for layer in other] == ["a", "c", "e"]


def test_outputs_added_to_themselves() -> None:
    net = Written(
        lambda net, x: net.three((2 * net.two(net.one(x) + net.one.bias)) + x),
        one=linear(),
        two=linear(),
        three=linear(),
    )
    assert not any(layer.doubled for layer in read(net, X).layers.values())

    def twice(net: Any, x: Tensor) -> Tensor:
        first = net.one(x)
        second = net.two(first + first).view(5, 6, 1)
        added: Tensor = net.three((second + second)[..., 0])
        return added + x

    found = read(Written(twice, one=linear(), two=linear(), three=linear()), X).layers
    assert [name for name, layer in found.items() if layer.doubled] == ["one", "two"]
