"""The scale of generated weights against the weights themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests import hypernetworks
from tests.record.graph.small_nets import linear
from tests.record.reading import Written, read


@pytest.mark.parametrize("exact", [True, False])
def test_the_rms_of_weights_that_were_saved_and_of_those_that_were_not(exact: bool) -> None:
    net: Any = hypernetworks.by_task()
    found = read(net, hypernetworks.VECTORS, exact=exact).recording.generated
    with torch.no_grad():
        hidden = net.trunk(net.task(torch.zeros(1, dtype=torch.long)))
        expected = [float(head(hidden).square().mean().sqrt()) for head in net.heads]
    assert [each.rms for each in found] == pytest.approx(expected, rel=1e-4)
    assert [each.activation for each in found] == ["relu", "relu", "relu", None]
    assert [each.last for each in found] == [False, False, False, True]


def test_a_constant_factor_and_an_added_matrix() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        x = net.body(x)
        x = x @ (0.5 * net.one(x[:1])).view(6, 6)
        return x @ (net.other(x[:1]).view(6, 6) + torch.eye(6))

    net = Written(forward, body=linear(6, 6), one=linear(6, 36), other=linear(6, 36))
    reading = read(net, torch.randn(5, 6))
    output = reading.measured["one"].output
    one, other = reading.recording.generated
    assert (one.plain, other.plain) == (True, False)
    assert output is not None
    assert one.rms == pytest.approx(0.5 * output.rms)


def test_a_normalization_after_the_product_or_its_activation() -> None:
    def forward(net: Any, x: Tensor) -> Any:
        x = net.body(x)
        x = net.norm(x @ net.one(x[:1]).view(6, 6)).relu()
        x = net.norm((x @ net.one(x[:1]).view(6, 6)).relu())
        return x @ net.one(x[:1]).view(6, 6)

    net = Written(forward, body=linear(6, 6), one=linear(6, 36), norm=torch.nn.LayerNorm(6))
    found = read(net, torch.randn(5, 6)).recording.generated
    assert [each.normed for each in found] == [True, True, False]
    assert [each.upstream for each in found] == [None, None, None]
