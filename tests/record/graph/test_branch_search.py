"""Where a branch leaves the trunk, and structures that only look like a branch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.graph.small_nets import (
    SEQUENCES,
    flow,
    small_net,
)
from tests.record.reading import Written


def pieces(net: Any, x: Tensor) -> Tensor:
    """Res2Net: each piece is added to the result of the previous piece."""
    one, two = net.stem(x).chunk(2, -1)
    return torch.cat([one, two + net.small(one).relu()], -1)


def sliced_pieces(net: Any, x: Tensor) -> Tensor:
    y = net.stem(x)
    return torch.cat([y[..., :3], y[..., 3:] + net.small(y[..., :3]).relu()], -1)


def injected(net: Any, x: Tensor) -> Tensor:
    """A position embedding that is added to every layer's keys again."""
    position, y = net.other(torch.ones(3, 6)).expand(2, 3, 6), net.stem(x)
    for layer in (net.one, net.two):
        y = net.norm(y + layer(F.scaled_dot_product_attention(y + position, y + position, y)))
    return cast(Tensor, y)


def conditioned(net: Any, x: Tensor) -> Tensor:
    """A condition that is projected and added in every layer, without skip connections."""
    condition, y = net.other(x.mean(1, keepdim=True)), net.stem(x)
    for layer in (net.one, net.two):
        y = layer(y).relu() + net.time(condition)
    return cast(Tensor, y)


def gated(net: Any, x: Tensor) -> Tensor:
    """The update of a GRU: (h - n) z + n."""
    y, z = net.stem(x).tanh(), net.one(x).sigmoid()
    return cast(Tensor, (net.other(x) - y) * z + y)


def biased_scores(net: Any, x: Tensor) -> Tensor:
    """T5: the same bias, computed from the input of all layers, on the scores of every layer."""
    y = net.stem(x)
    bias = y @ y.mT
    for layer in (net.one, net.two):
        y = layer((layer(y) @ y.mT + bias).softmax(-1) @ y)
    return cast(Tensor, y)


NO_BRANCH: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "pieces": pieces,
    "slices": sliced_pieces,
    "a condition": conditioned,
    "a gate": gated,
    "a bias on scores": biased_scores,
}


@pytest.mark.parametrize("name", NO_BRANCH)
def test_similar_structures_are_not_branches(name: str) -> None:
    found, layers = flow(small_net(NO_BRANCH[name]), SEQUENCES)
    assert found.branches == 0
    assert not [name for name, layer in layers.items() if layer.ends_branch or layer.reads_trunk]


def test_positions_added_in_every_layer_are_not_a_trunk() -> None:
    found, layers = flow(small_net(injected), SEQUENCES)
    assert found.branches == 2
    assert {name for name, layer in layers.items() if layer.ends_branch} == {"one", "two"}


def test_a_learned_trunk_is_a_trunk() -> None:
    """Queries that are parameters and read the input by attention."""

    def forward(net: Any, x: Tensor) -> Tensor:
        y = net.queries.expand(2, 4, 6)
        return cast(Tensor, net.head(y + net.cross(F.layer_norm(y, (6,)), x, x)[0]))

    parts = {"cross": nn.MultiheadAttention(6, 2, batch_first=True), "head": nn.Linear(6, 2)}
    found, layers = flow(Written(forward, queries=nn.Parameter(torch.randn(1, 4, 6)), **parts), SEQUENCES)
    assert found.branches == 1
    assert layers["cross.out_proj"].ends_branch
