"""The recomputed logits of an attention that is one node."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.saved.attention_logits import UnreadableError
from inithealth.record.saved.fused_attention import fused as fused_reading
from tests.record.reading import Written, graph_of
from tests.record.saved.attentions import (
    HEADS,
    TOKENS,
    WIDTH,
    fused,
    read,
    split,
    tokens,
)


def test_padding_is_not_attended_to() -> None:
    padded = torch.zeros(2, TOKENS, dtype=torch.bool)
    padded[:, 6:] = True
    torch.manual_seed(0)
    packed = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    model = Written(lambda self, x: self.a(x, x, x, key_padding_mask=padded)[0], a=packed)
    found = read(model, tokens())
    assert [keys for _, _, keys in found.values()] == [6]


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_packed_projection_gives_queries_and_keys(need_weights: bool) -> None:
    torch.manual_seed(0)
    packed = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    model = Written(lambda self, x: self.a(x, x, x, need_weights=need_weights)[0], a=packed)
    x = tokens()
    q, k, _ = F.linear(x, packed.in_proj_weight, packed.in_proj_bias).detach().chunk(3, -1)
    scores = split(q) @ split(k).transpose(-2, -1) / math.sqrt(WIDTH / HEADS)
    (found,) = read(model, x).values()
    assert found[0] == pytest.approx(float(scores.var(-1, unbiased=False).mean().sqrt()), rel=0.25)


def test_heads_that_share_their_keys() -> None:
    torch.manual_seed(0)
    layers = {"q": nn.Linear(WIDTH, WIDTH), "k": nn.Linear(WIDTH, 4), "v": nn.Linear(WIDTH, 4)}

    def forward(self: Any, x: Tensor) -> Tensor:
        q = self.q(x).unflatten(-1, (4, 4)).transpose(1, 2)
        return fused(q, self.k(x)[:, None], self.v(x)[:, None], enable_gqa=True)

    model, x = Written(forward, **layers), tokens()
    scores = model.q(x).unflatten(-1, (4, 4)).transpose(1, 2) @ model.k(x)[:, None].transpose(-2, -1) / 2
    spread = float(scores.detach().var(-1, unbiased=False).mean().sqrt())
    assert read(model, x)["k"][0] == pytest.approx(spread, rel=0.25)


def node_of(*inputs: Tensor, **options: Any) -> tuple[Any, int]:
    graph = graph_of(nn.Module(), fused(*(each.requires_grad_() * 1 for each in inputs), **options))
    return graph, next(at for at, name in enumerate(graph.names) if name.startswith("ScaledDot"))


@pytest.mark.parametrize("scale", [None, 0.7])
def test_the_scale_is_given_or_follows_from_the_width(scale: float | None) -> None:
    q, k, v = (torch.randn(1, 2, 6, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3))
    found = fused_reading(*node_of(q, k, v, scale=scale))
    assert found is not None
    logits = (q @ k.mT * (scale or 0.5)).detach()
    assert found[0] == pytest.approx(float(logits.var(-1, unbiased=False).mean().sqrt()), rel=1e-4)
    assert found[1] == pytest.approx(float(logits.softmax(-1).amax(-1).mean()), rel=1e-4)
    assert found[2] == 6


def test_freed_tensors_cannot_be_recomputed() -> None:
    q, k, v = (torch.randn(1, 1, 5, 4, requires_grad=True) * 1 for _ in range(3))
    output = fused(q, k, v)
    graph = graph_of(nn.Module(), output)
    node = next(at for at, name in enumerate(graph.names) if name.startswith("ScaledDot"))
    assert fused_reading(graph, node) is not None
    output.sum().backward()  # type: ignore[no-untyped-call]
    with pytest.raises(UnreadableError, match="queries and keys are not saved"):
        fused_reading(graph, node)
