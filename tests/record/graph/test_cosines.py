"""Products of two normalized matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.graph.cosines import computes_cosines
from inithealth.record.graph.loss_terms import loss_terms
from tests.record.reading import Written, flow_behind

X, LABELS = torch.randn(6, 4), torch.arange(6) % 3
COSINES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "linear": lambda net, y: F.linear(F.normalize(y), F.normalize(net.classes)),
    "a product": lambda net, y: F.normalize(y, dim=-1) @ F.normalize(net.classes, dim=1).T,
    "by hand": lambda net, y: (y / y.norm(dim=1, keepdim=True)) @ (net.classes / net.classes.norm(dim=1)[:, None]).T,
}
OTHERS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "normalized weights": lambda net, y: F.linear(y, F.normalize(net.classes)),
    "normalized features": lambda net, y: F.linear(F.normalize(y), net.classes),
    "neither": lambda net, y: F.linear(y, net.classes),
}


def network() -> Any:
    return Written(lambda net, x: x, body=nn.Linear(4, 8), classes=nn.Parameter(torch.randn(3, 8)))


@pytest.mark.parametrize("name", [*COSINES, *OTHERS])
def test_both_sides_are_normalized(name: str) -> None:
    model = network()
    flow = flow_behind(model, {**COSINES, **OTHERS}[name](model, model.body(X)).sum())
    (head,) = (each for each in flow.operations.values() if "classes" in each.weights and each.kind == "linear")
    assert computes_cosines(flow.graph, head) == (name in COSINES)


def test_the_scale_of_cosines_is_their_range() -> None:
    model = network()
    (term,) = loss_terms(flow_behind(model, F.cross_entropy(16 * COSINES["linear"](model, model.body(X)), LABELS)))
    assert (term.source.name, term.source.span, term.source.lowest) == ("cosine", 32.0, -16.0)
