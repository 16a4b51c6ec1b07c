"""The sharpness of an attention on some of its queries: the std of its logits, and its largest weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_FEWEST_KEYS = 4  # with fewer keys, one always has a large weight
_MOST_HEADS, _MOST_QUERIES = 12, 8  # samples of each attention: the standard error of a std is a few percent
_MOST_PRODUCTS = 2**20  # multiplications for the logits of one attention, which take 0.1 ms
MASKED = 30.0  # an added value below -30 is a mask, not a bias: exp(-30) is negligible

Reading = tuple[float, float, int]  # std of the logits, mean of the largest weights, median number of visible keys


class UnreadableError(Exception):
    """The logits of an attention cannot be recomputed; the message is the reason."""


@dataclass(frozen=True)
class Products:
    """The products of sampled queries with their keys: [heads, queries, keys]."""

    logits: Tensor
    places: tuple[Tensor, ...]  # indices of the heads in the leading axes of the queries
    rows: slice  # the sampled queries of each head


def products_of(query: Tensor, key: Tensor, scale: float) -> Products:
    """Return the scaled products of sampled queries of an attention, given tensors of [..., positions, features]."""
    lead, queries, keys = query.shape[:-2], query.shape[-2], key.shape[-2]
    heads, rows = taken(math.prod(lead), queries, keys * query.shape[-1])
    places = torch.unravel_index(heads.to(query.device), lead) if lead else ()
    shared = _shared(places, query, key)
    logits = query[..., rows, :][places].float() @ key[shared].float().transpose(-2, -1)
    return Products(logits * scale, places, rows)


def _shared(places: tuple[Tensor, ...], query: Tensor, key: Tensor) -> tuple[Tensor, ...]:
    """Return the indices of the keys of some heads; several heads of queries may share one of keys."""
    return tuple(
        place // (query.shape[axis] // key.shape[axis]) if key.shape[axis] != query.shape[axis] else place
        for axis, place in enumerate(places)
    )


def taken(heads: int, queries: int, products: int) -> tuple[Tensor, slice]:
    """Return the sampled heads of the batch and queries of each, given the multiplications for one query."""
    most = max(1, _MOST_PRODUCTS // max(1, products))
    some_heads = min(heads, _MOST_HEADS, most)
    some_queries = min(queries, _MOST_QUERIES, max(1, most // some_heads))
    # Evenly spaced up to the last one: with a causal mask the last queries have the most visible keys.
    step = queries // some_queries
    return torch.linspace(0, heads - 1, some_heads, device="cpu").round().long(), slice(
        (queries - 1) % step, None, step
    )


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
