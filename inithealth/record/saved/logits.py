"""How sharp an attention is on some of its queries: the spread of its logits, and its largest weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_FEWEST_KEYS = 4  # of fewer keys one has a large weight whatever the logits are
_MOST_HEADS, _MOST_QUERIES = 12, 8  # sampled of each attention: a spread is known to a few percent
_MOST_PRODUCTS = 2**20  # multiplications that the logits of one attention may take: 0.1 ms
MASKED = 30.0  # what a mask adds is lower than any bias: exp(-30) is nothing

Reading = tuple[float, float, int]  # spread of the logits, mean of the largest weights, median of the visible keys


class UnreadableError(Exception):
    """The logits of an attention cannot be computed again, and why."""


@dataclass(frozen=True)
class Products:
    """The products of some queries with their keys: [heads, queries, keys]."""

    logits: Tensor
    places: tuple[Tensor, ...]  # where the heads are in the leading axes of the queries
    rows: slice  # which queries of each


def products_of(query: Tensor, key: Tensor, scale: float) -> Products:
    """The scaled products of some of the queries of a fused attention: [..., queries, features]."""
    lead, queries, keys = query.shape[:-2], query.shape[-2], key.shape[-2]
    heads, rows = taken(math.prod(lead), queries, keys * query.shape[-1])
    places = torch.unravel_index(heads.to(query.device), lead) if lead else ()
    shared = _shared(places, query, key)
    logits = query[..., rows, :][places].float() @ key[shared].float().transpose(-2, -1)
    return Products(logits * scale, places, rows)


def _shared(places: tuple[Tensor, ...], query: Tensor, key: Tensor) -> tuple[Tensor, ...]:
    """Where the keys of some heads are: several heads of queries may share one of keys."""
    return tuple(
        place // (query.shape[axis] // key.shape[axis]) if key.shape[axis] != query.shape[axis] else place
        for axis, place in enumerate(places)
    )


def taken(heads: int, queries: int, products: int) -> tuple[Tensor, slice]:
    """Which heads of the whole batch, and which of their queries, given the multiplications that one query takes."""
    most = max(1, _MOST_PRODUCTS // max(1, products))
    some_heads = min(heads, _MOST_HEADS, most)
    some_queries = min(queries, _MOST_QUERIES, max(1, most // some_heads))
    # Spread evenly from the first to the last: of a causal mask the last ones see the most keys.
    step = queries // some_queries
    return torch.linspace(0, heads - 1, some_heads).round().long(), slice((queries - 1) % step, None, step)


def summary(logits: Tensor, weights: Tensor, visible: Tensor) -> Reading | None:
    counts = visible.sum(-1)
    kept = counts >= _FEWEST_KEYS
    if not bool(kept.any()):
        return None
    logits, weights, visible, counts = logits[kept], weights[kept], visible[kept], counts[kept]
    mean = logits.masked_fill(~visible, 0.0).sum(-1) / counts
    variance = (logits - mean[:, None]).masked_fill(~visible, 0.0).square().sum(-1) / counts
    spread, top = float(variance.mean().sqrt()), float(weights.amax(-1).mean())
    return (spread, top, int(counts.median())) if math.isfinite(spread + top) else None
