"""Which products another signal bypasses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inithealth.record.graph.flow import flow_of
from inithealth.record.graph.joins import is_bypassed
from tests.record.graph.small_nets import linear
from tests.record.reading import Written, graph_of


@pytest.mark.parametrize("residual", [True, False])
def test_a_skip_connection_bypasses_a_product(residual: bool) -> None:
    def forward(net: Any, x: Tensor) -> Any:
        x = net.body(x)
        y = F.linear(x, net.head(x[:1]).view(6, 6))
        return x + y if residual else y + net.shift(x[:1])

    net = Written(forward, body=linear(6, 6), head=linear(6, 36), shift=linear(6, 6))
    flow = flow_of(graph_of(net, net(torch.randn(5, 6)).sum()))
    (use,) = flow.generated.by_product.values()
    assert is_bypassed(flow, use) == residual
