"""The logits of a composed attention, and operations that are not attention."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.saved.composed_attention import scores_of
from tests.record.reading import Written, flow_behind
from tests.record.saved.attentions import (
    CAUSAL,
    HEADS,
    TOKENS,
    WIDTH,
    attention,
    read,
    tokens,
)


def test_a_learned_temperature_and_a_rotation_are_looked_through() -> None:
    """Cosine attention: the logits are ten times a cosine, with a factor per head."""
    temperature = nn.Parameter(torch.full((HEADS, 1, 1), 10.0))
    turn = torch.tensor([1.0, -1.0] * (WIDTH // HEADS // 2))

    def way(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = (F.normalize(each * 0.6 + each.roll(1, -1) * 0.8 * turn, dim=-1) for each in (q, k))
        return ((q @ k.transpose(-2, -1)) * temperature).softmax(-1) @ v

    model = attention(way, temperature=temperature)
    std, _, keys = read(model, tokens())["k"]
    assert std == pytest.approx(10 / math.sqrt(WIDTH / HEADS), rel=0.4)
    assert keys == TOKENS


def test_operations_that_are_not_attention() -> None:
    """Gates, routers, a softmax over classes, talking heads: no product of two signals weighs values."""
    torch.manual_seed(0)
    router = Written(lambda self, x: self.gate(x).softmax(-1) * x, gate=nn.Linear(WIDTH, WIDTH))
    gates = Written(lambda self, x: (self.a(x) * self.b(x)).softmax(-1), a=nn.Linear(16, 16), b=nn.Linear(16, 16))
    pooled = Written(lambda self, x: (x @ self.query).softmax(1)[..., None] * x, query=nn.Parameter(torch.ones(WIDTH)))
    for model in (router, gates, pooled):
        assert read(model, tokens()) == {}


@pytest.mark.parametrize(
    ("way", "found"),
    [
        (lambda q, k: (q @ k.mT).softmax(-1), True),
        (lambda q, k: (q @ k.mT).softmax(2), True),
        (lambda q, k: (q @ k.mT).softmax(1), False),
        (lambda q, k: (q @ k.mT / 4).softmax(-1), True),
        (lambda q, k: (q @ k.mT).masked_fill(~CAUSAL, -math.inf).softmax(-1), True),
        (lambda q, k: (q @ k.mT).relu().softmax(-1), False),
        (lambda q, k: (q @ k.mT).mT.softmax(-1), False),
        (lambda q, k: (q + k).softmax(-1), False),
    ],
    ids=["product", "last axis", "other axis", "scaled", "masked", "not linear", "turned", "a sum"],
)
def test_a_softmax_of_a_product_of_two_signals(way: Callable[[Tensor, Tensor], Tensor], found: bool) -> None:
    model = Written(lambda net, x: way(net.q(x), net.k(x)), q=nn.Linear(WIDTH, WIDTH), k=nn.Linear(WIDTH, WIDTH))
    flow = flow_behind(model, model(tokens()))
    softmax = flow.graph.names.index("Softmax")
    scores = scores_of(flow, softmax)
    assert (scores is not None) is found
    assert scores is None or flow.graph.names[scores.node] == "Bmm"


def test_the_factors_of_a_product_are_known() -> None:
    model = Written(
        lambda net, x: (net.q(x) @ net.k(x).mT * 3.0 / 4.0).softmax(-1), q=nn.Linear(16, 16), k=nn.Linear(16, 16)
    )
    flow = flow_behind(model, model(tokens()))
    scores = scores_of(flow, flow.graph.names.index("Softmax"))
    assert scores is not None
    assert {(float(factor), divides) for factor, divides, _ in scores.factors} == {
        (4.0, True),
        (3.0, False),
        (1.0, False),
    }
