"""The fields of a layer that come from the flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.layers.flow_fields import place_in_flow, ways_to_loss
from tests.record.reading import Written, flow_behind

X = torch.randn(2, 3, 6)


def fields(way: Callable[[Any, Tensor], Tensor], of: str = "body") -> dict[str, object]:
    """Return the fields of one layer of a network."""
    linear = {name: nn.Linear(6, 6) for name in ("body", "other", "head")}
    model = Written(lambda net, x: net.head(way(net, x)), **linear, norm=nn.LayerNorm(6))
    flow = flow_behind(model, model(X))
    nodes = [node for node, each in flow.operations.items() if each.weights[0] == f"{of}.weight"]
    return {**place_in_flow(flow, nodes), **ways_to_loss(flow, nodes)}


def test_nothing_is_known_without_a_flow_or_a_node_in_it() -> None:
    model = nn.Linear(6, 6)
    for flow in (None, flow_behind(model, model(X))):
        assert place_in_flow(flow, []) == ways_to_loss(flow, []) == {}
    assert place_in_flow(None, [0]) == ways_to_loss(None, [0]) == {}


@pytest.mark.parametrize(
    ("way", "feeds", "activation", "normed"),
    [
        (lambda net, x: net.body(x).relu(), "activation", "relu", False),
        (lambda net, x: net.norm(net.body(x)), "norm", None, True),
        (lambda net, x: net.norm(net.body(x)).relu(), "norm", "relu", True),
        (lambda net, x: net.body(x), "layer", None, False),
        (lambda net, x: net.body(x) * net.other(x).sigmoid(), "gate", None, False),
    ],
)
def test_the_most_informative_target_is_used(
    way: Callable[[Any, Tensor], Tensor], feeds: str, activation: str | None, normed: bool
) -> None:
    found = fields(way)
    assert (found["feeds"], found["activation"], found["normed"]) == (feeds, activation, normed)


def test_a_trunk_read_by_norms_is_not_normed() -> None:
    assert fields(lambda net, x: (lambda y: y + net.other(net.norm(y)))(net.body(x)))["normed"] is False


def test_a_factor_before_the_activation_is_reported() -> None:
    assert fields(lambda net, x: (30.0 * net.body(x)).sin())["multiplied"] == 30.0
    assert fields(lambda net, x: net.body(x).sin())["multiplied"] == 1.0
    assert fields(lambda net, x: net.body(x))["multiplied"] == 1.0


def test_only_the_last_layer_is_a_head() -> None:
    assert fields(lambda net, x: net.body(x).relu(), of="head")["head"] is True
    assert fields(lambda net, x: net.body(x).relu())["head"] is False


def test_a_key_reaches_the_loss_only_through_scores() -> None:
    def attend(net: Any, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, net.body(x), net.other(x))

    assert fields(attend)["scores_only"] is True
    assert fields(attend, of="other")["scores_only"] is False
    assert fields(attend)["exempt_zero_gradient"] is False


def test_a_key_has_no_gradient_if_there_is_only_one() -> None:
    def attend(net: Any, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, net.body(x[:, :1]), net.other(x[:, :1]))

    assert fields(attend)["exempt_zero_gradient"] is True
    assert fields(attend, of="other")["exempt_zero_gradient"] is False
