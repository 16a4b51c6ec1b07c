"""How sharp attention is: the spread of its logits over the keys, and its largest weights, on some queries.

A fused attention saves queries and keys: its logits are computed again. A composed one saves the weights, whose
logarithms are the logits; queries and keys tell there which keys a mask has hidden and which the logits have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph

_FEWEST_KEYS = 4  # of fewer keys one has a large weight by right
_MOST_HEADS, _MOST_QUERIES = 12, 8  # sampled of each attention: a spread is known to a few percent
_MOST_PRODUCTS = 2**20  # multiplications that the logits of one attention may take: 0.1 ms
_MASKED = 30.0  # what a mask adds is lower than any bias: exp(-30) is nothing
_UNDERFLOW = -80.0  # a weight whose logit is not that far below the others is not rounded to zero
_MOST_NODES = 200  # between an attention and the layers that make its queries and keys
_VIEWS = frozenset("View UnsafeView ReshapeAlias Expand Clone Alias ToCopy Contiguous Squeeze Unsqueeze".split())
_MASKS = frozenset("MaskedFill Where Add Sub".split())
_OPERANDS = {"Bmm": ("self", "mat2"), "Baddbmm": ("batch1", "batch2"), "Mm": ("self", "mat2")}

Reading = tuple[float, float, int]


@dataclass(frozen=True)
class _Scores:
    """Where the logits of a composed attention are made, and what they are multiplied by on their way."""

    node: int
    factors: tuple[tuple[Tensor, bool, tuple[int, ...]], ...] = ()  # (factor, whether it divides, shape it acts in)


@torch.no_grad()
def readings(flow: Flow, layer_at: Mapping[int, str]) -> dict[str, Reading]:
    """The attentions of a graph whose tensors are still there, by the layers that make queries or keys.

    Args:
        layer_at: the layer of each operation.

    Returns:
        Of each layer its sharpest attention: standard deviation of the logits over the visible keys (root mean
        square over the queries), mean of the largest weights, median number of visible keys. Queries that see
        fewer than four keys are left out, and attentions that have no others.
    """
    found: dict[str, Reading] = {}
    for index, name in enumerate(flow.graph.names):
        if flow.graph.pure[index] is not None:
            continue
        if name in vocab.ATTENTION:
            reading, makers = _fused(flow.graph, index), [edge for edge, _ in flow.graph.edges[index][:2]]
        elif name in vocab.SOFTMAX:
            scores = _scores(flow, index)
            if scores is None:
                continue
            reading, makers = _composed(flow.graph, index, scores), _operands(flow.graph, scores.node)
        else:
            continue
        for layer in dict.fromkeys(layer_at[m] for m in _makers(flow, makers) if m in layer_at):
            if reading is not None and reading > found.get(layer, (-1.0,)):
                found[layer] = reading
    return found


def _fused(graph: Graph, index: int) -> Reading | None:
    query, key = graph.saved(index, "query"), graph.saved(index, "key")
    if not isinstance(query, Tensor) or not isinstance(key, Tensor) or not query.numel() or query.is_nested:
        return None
    scale = graph.saved(index, "scale")
    lead, queries, keys = query.shape[:-2], query.shape[-2], key.shape[-2]
    heads, rows = _taken(math.prod(lead), queries, keys * query.shape[-1])
    places = torch.unravel_index(heads.to(query.device), lead) if lead else ()
    shared = _shared(places, query, key)
    logits = query[..., rows, :][places].float() @ key[shared].float().transpose(-2, -1)
    logits = logits * (scale if isinstance(scale, float) else query.shape[-1] ** -0.5)
    mask = _mask(graph, index, (*lead, queries, keys))
    hidden = torch.zeros_like(logits)
    if mask is not None:
        hidden = mask[..., rows, :][places].to(logits).expand_as(logits)
    if graph.saved(index, "is_causal"):
        later = torch.ones(queries, keys, dtype=torch.bool, device=logits.device).triu(1)
        hidden = hidden.masked_fill(later[rows], -math.inf)
    weights = (logits + hidden).softmax(-1)
    visible = hidden >= hidden.amax(-1, keepdim=True) - _MASKED
    return _summary(logits, weights, visible & hidden.isfinite())


def _mask(graph: Graph, index: int, shape: tuple[int, ...]) -> Tensor | None:
    """What is added to the logits of a fused attention."""
    for name in ("attn_mask", "attn_bias"):
        mask = graph.saved(index, name)
        if isinstance(mask, Tensor):
            if mask.dtype == torch.bool:
                mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -math.inf)
            return mask.expand(shape)
    return None


def _shared(places: tuple[Tensor, ...], query: Tensor, key: Tensor) -> tuple[Tensor, ...]:
    """Where the keys of some heads are: several heads of queries may share one of keys."""
    return tuple(
        place // (query.shape[axis] // key.shape[axis]) if key.shape[axis] != query.shape[axis] else place
        for axis, place in enumerate(places)
    )


def _composed(graph: Graph, index: int, scores: _Scores) -> Reading | None:
    weights = graph.saved(index, "result")
    first, second = (graph.saved(scores.node, name) for name in _OPERANDS[graph.names[scores.node]])
    if not all(isinstance(each, Tensor) and each.numel() for each in (weights, first, second)):
        return None
    first, second = (each if each.ndim == 3 else each[None] for each in (first, second))
    shape = first.shape[0], first.shape[1], second.shape[2]
    if math.prod(shape) != weights.numel() or weights.shape[-1] != shape[2]:
        return None
    heads, rows = _taken(shape[0], shape[1], second.shape[1] * shape[2])
    weights = weights.reshape(shape)[:, rows][heads].float()
    products = first[:, rows][heads].float() @ second[heads].float()
    for factor, divides, place in scores.factors:
        factor = factor.float() if factor.numel() == 1 else factor.float().expand(place).reshape(shape)[:, rows][heads]
        products = products / factor if divides else products * factor
    logits = weights.log()
    # What a mask or a bias has added, up to a constant for each query.
    added = (logits - products).masked_fill(weights == 0, -math.inf)
    most = added.amax(-1, keepdim=True)
    rounded = (weights == 0) & (products + most < _UNDERFLOW)
    visible = (added >= most - _MASKED) | rounded
    return _summary(torch.where(rounded, products + most, logits), weights, visible)


def _scores(flow: Flow, softmax: int) -> _Scores | None:
    """The product of two signals that a softmax over the last axis weighs; None where it weighs anything else."""
    graph = flow.graph
    dim = graph.dimension(softmax)
    if dim is None or dim not in (-1, len(graph.shape(softmax)) - 1):
        return None
    stack = [(producer, _Scores(-1)) for producer in graph.data(softmax)]
    for _ in range(_MOST_NODES):
        if not stack:
            break
        index, way = stack.pop()
        name = graph.names[index]
        if name in _OPERANDS and index not in flow.operations:
            alpha = graph.saved(index, "alpha") if name == "Baddbmm" else 1.0
            own = ((torch.tensor(float(alpha)), False, ()),)
            return _Scores(index, way.factors + own)
        if name in _VIEWS or name in _MASKS or _keeps_order(graph, index):
            stack += [(producer, way) for producer in graph.data(index)]
        elif name in ("Mul", "Div"):
            stack += _multiplied(graph, index, way)
    return None


def _keeps_order(graph: Graph, index: int) -> bool:
    """Whether a permutation moves axes of size 1 only, as an einsum does: the elements stay where they are."""
    if graph.names[index] != "Permute":
        return False
    shape = graph.shape(*graph.edges[index][0])
    moved = [graph.signed(dim) % len(shape) for dim in graph.saved(index, "dims")]
    kept = [dim for dim in moved if shape[dim] != 1]
    return kept == sorted(kept)


def _multiplied(graph: Graph, index: int, way: _Scores) -> Iterator[tuple[int, _Scores]]:
    """The one signal that a node multiplies by something known."""
    for operand, (producer, _) in enumerate(graph.edges[index]):
        factor = graph.saved(index, ("other", "self")[operand])
        if graph.is_data(producer) and isinstance(factor, Tensor):
            divides = graph.names[index] == "Div"
            if not (divides and operand):
                yield producer, _Scores(-1, (*way.factors, (factor, divides, graph.shape(index))))


def _operands(graph: Graph, index: int) -> list[int]:
    return [producer for producer, _ in graph.edges[index][-2:]]


def _taken(heads: int, queries: int, products: int) -> tuple[Tensor, slice]:
    """Which heads of the whole batch, and which of their queries, given the multiplications that one query takes."""
    most = max(1, _MOST_PRODUCTS // max(1, products))
    some_heads = min(heads, _MOST_HEADS, most)
    some_queries = min(queries, _MOST_QUERIES, max(1, most // some_heads))
    # Spread evenly from the first to the last: of a causal mask the last ones see the most keys.
    step = queries // some_queries
    return torch.linspace(0, heads - 1, some_heads).round().long(), slice((queries - 1) % step, None, step)


def _summary(logits: Tensor, weights: Tensor, visible: Tensor) -> Reading | None:
    counts = visible.sum(-1)
    kept = counts >= _FEWEST_KEYS
    if not bool(kept.any()):
        return None
    logits, weights, visible, counts = logits[kept], weights[kept], visible[kept], counts[kept]
    mean = logits.masked_fill(~visible, 0.0).sum(-1) / counts
    variance = (logits - mean[:, None]).masked_fill(~visible, 0.0).square().sum(-1) / counts
    spread, top = float(variance.mean().sqrt()), float(weights.amax(-1).mean())
    return (spread, top, int(counts.median())) if math.isfinite(spread + top) else None


def _makers(flow: Flow, nodes: list[int]) -> Iterator[int]:
    """The operations with a weight that some nodes come from, up to where residual branches join."""
    stack, seen = list(nodes), set[int]()
    while stack and len(seen) < _MOST_NODES:
        index = stack.pop()
        if not flow.graph.is_data(index) or index in seen:
            continue
        seen.add(index)
        operation = flow.operations.get(index)
        if operation is not None and operation.kind not in ELEMENTWISE:
            yield index
        elif index not in flow.residuals and flow.graph.names[index] not in vocab.ATTENTION | vocab.SOFTMAX:
            stack += flow.graph.data(index)
