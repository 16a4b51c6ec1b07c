"""Attentions of one layer, and their sharpness: as read, and computed from every query."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.record.layers.naming import Naming
from inithealth.record.saved.attention import sharpness
from tests.record.reading import Written, flow_behind, squares

HEADS, WIDTH, TOKENS = 2, 16, 10


CAUSAL = torch.ones(TOKENS, TOKENS).tril().bool()


def tokens(batch: int = 2, length: int = TOKENS, seed: int = 0) -> Tensor:
    return torch.randn(batch, length, WIDTH, generator=torch.Generator().manual_seed(seed))


def split(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def fused(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, **options)


def composed(hide: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda q, k, v: hide(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def attention(way: Callable[..., Tensor] = fused, gain: float = 1.0, **parts: Any) -> Written:
    """Return queries, keys and values of the input from separate layers; ``gain`` is that of queries and keys."""
    torch.manual_seed(0)
    layers = {name: nn.Linear(WIDTH, WIDTH) for name in "qkvo"}
    for name in "qk":
        nn.init.normal_(layers[name].weight, std=gain * WIDTH**-0.5)

    def forward(self: Any, x: Tensor) -> Tensor:
        q, k, v = (split(layer(x)) for layer in (self.q, self.k, self.v))
        return self.o(way(q, k, v).transpose(1, 2).flatten(2))

    return Written(forward, **layers, **parts)


def read(model: nn.Module, *args: Any) -> dict[str, tuple[float, float, int]]:
    flow = flow_behind(model, squares(model(*args)))
    return sharpness(flow, Naming(model).layers(flow)).readings


def by_hand(model: Any, x: Tensor, visible: Tensor | None = None, fewest: int = 4) -> tuple[float, float, int]:
    """Return the sharpness computed from every query."""
    q, k = split(model.q(x)), split(model.k(x))
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).detach()
    visible = torch.ones(TOKENS, TOKENS, dtype=torch.bool) if visible is None else visible
    variances, tops, counts = [], [], []
    for row, seen in zip(scores.flatten(0, 2), visible.expand(scores.shape).flatten(0, 2), strict=True):
        logits = row[seen].tolist()
        if len(logits) < fewest:
            continue
        mean, most = sum(logits) / len(logits), max(logits)
        variances.append(sum((each - mean) ** 2 for each in logits) / len(logits))
        tops.append(1 / sum(math.exp(each - most) for each in logits))
        counts.append(len(logits))
    return math.sqrt(sum(variances) / len(variances)), sum(tops) / len(tops), sorted(counts)[(len(counts) - 1) // 2]
