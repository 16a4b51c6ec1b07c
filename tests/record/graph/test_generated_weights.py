"""Which products have a weight that a layer generates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import hypernetworks
from tests.record.graph.small_nets import linear
from tests.record.reading import Written, read


def chain(model: nn.Module, x: Tensor) -> list[tuple[str, int, int, int | None]]:
    """The layer, the fans and the position of the weight before it, for each generated weight."""
    found = read(model, x, loss=lambda out: out.square().mean()).recording.generated
    return [(each.layer, each.fan_in, each.fan_out, each.upstream) for each in found]


def test_weights_for_all_samples() -> None:
    assert chain(hypernetworks.by_task(), hypernetworks.VECTORS) == [
        ("heads.0", 32, 32, None),
        ("heads.1", 32, 32, 0),
        ("heads.2", 32, 32, 1),
        ("heads.3", 32, 10, 2),
    ]


@pytest.mark.parametrize("product", hypernetworks.PRODUCTS)
def test_weights_for_each_sample(product: str) -> None:
    found = chain(hypernetworks.by_sample(hypernetworks.PRODUCTS[product]), hypernetworks.VECTORS)
    assert found == [("heads.0", 32, 32, None), ("heads.1", 32, 32, 0), ("heads.2", 32, 32, 1)]


@pytest.mark.parametrize("grouped", [True, False])
def test_kernels(grouped: bool) -> None:
    found = chain(hypernetworks.kernels(grouped=grouped), hypernetworks.IMAGES)
    assert found == [("heads.0", 72, 8, None), ("heads.1", 72, 8, 0), ("heads.2", 72, 8, 1)]


def test_one_layer_that_generates_everything() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        first, bias, second = net.head(net.body(x[:1])).squeeze(0).split([6 * 6, 6, 2 * 6])
        return F.linear(F.linear(x, first.view(6, 6), bias).relu(), second.view(2, 6))

    net = Written(forward, body=linear(6, 6), head=linear(6, 54))
    assert chain(net, torch.randn(5, 6)) == [("head", 6, 6, None), ("head", 6, 2, 0)]


@pytest.mark.parametrize("name", hypernetworks.lookalikes())
def test_products_without_a_generated_weight(name: str) -> None:
    model, x = hypernetworks.lookalikes()[name]
    assert chain(model, x) == []


def test_layers_that_generate_weights_are_no_signals() -> None:
    layers = read(hypernetworks.by_task(), hypernetworks.VECTORS).layers
    assert {name for name, layer in layers.items() if layer.steers == "weight"} == {f"heads.{i}" for i in range(4)}
    assert not layers["heads.0"].inner


def test_the_units_of_stacked_weights_generate_none() -> None:
    """Their axis in the output is not known."""

    def forward(net: Any, x: Tensor) -> Any:
        stacked = torch.bmm(x[None].expand(3, -1, -1), net.experts).permute(1, 0, 2)
        return x @ stacked.reshape(5, -1)[0, :36].view(6, 6)

    net = Written(forward, experts=nn.Parameter(torch.randn(3, 6, 12)))
    reading = read(net, torch.randn(5, 6))
    assert reading.recorder.graph
    assert reading.recording.generated == ()
