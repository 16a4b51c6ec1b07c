"""The logits of an attention composed of single operations: logarithms of the weights saved by its softmax.

The product before the softmax saved queries and keys. They show whether a key is masked or its logit is low.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.graph import Graph
from inithealth.record.saved.attention_logits import MASKED, Reading, summary, taken

_UNDERFLOW = -80.0  # weights are rounded to zero only if their logit is further below the others
_MOST_NODES = 200  # between a product and its softmax
_PRODUCTS = vocab.PRODUCTS - {"Addmm"}  # of two signals


@dataclass(frozen=True)
class Scores:
    """The product that computes the logits of a composed attention, and the factors after it."""

    node: int
    factors: tuple[tuple[Tensor, bool, tuple[int, ...]], ...] = ()  # (factor, whether it divides, output shape)


def composed(graph: Graph, index: int, scores: Scores) -> Reading | None:
    weights = graph.saved(index, "result")
    first, second = (
        graph.saved(scores.node, name) for name in vocab.node(graph.names[scores.node]).kept_factors.values()
    )
    if not all(isinstance(each, Tensor) and each.numel() for each in (weights, first, second)):
        return None
    first, second = (each if each.ndim == 3 else each[None] for each in (first, second))
    shape = first.shape[0], first.shape[1], second.shape[2]
    if math.prod(shape) != weights.numel() or weights.shape[-1] != shape[2]:
        return None
    heads, rows = taken(shape[0], shape[1], second.shape[1] * shape[2])
    weights = weights.reshape(shape)[:, rows][heads].float()
    products = first[:, rows][heads].float() @ second[heads].float()
    for factor, divides, place in scores.factors:
        factor = factor.float() if factor.numel() == 1 else factor.float().expand(place).reshape(shape)[:, rows][heads]
        products = products / factor if divides else products * factor
    logits = weights.log()
    # The mask or bias that was added, up to a constant for each query.
    added = (logits - products).masked_fill(weights == 0, -math.inf)
    most = added.amax(-1, keepdim=True)
    rounded = (weights == 0) & (products + most < _UNDERFLOW)
    visible = (added >= most - MASKED) | rounded
    return summary(torch.where(rounded, products + most, logits), weights, visible)


def scores_of(flow: Flow, softmax: int) -> Scores | None:
    """Return the product of two signals before a softmax over the last axis; None if there is none."""
    graph = flow.graph
    dim = graph.dimension(softmax)
    if dim is None or dim not in (-1, len(graph.shape(softmax)) - 1):
        return None
    stack = [(producer, Scores(-1)) for producer in graph.data(softmax)]
    for _ in range(_MOST_NODES):
        if not stack:
            break
        index, way = stack.pop()
        name = graph.names[index]
        if name in _PRODUCTS and index not in flow.operations:
            alpha = graph.saved(index, "alpha") if name == "Baddbmm" else 1.0
            own = ((torch.tensor(float(alpha), device="cpu"), False, ()),)
            return Scores(index, way.factors + own)
        if name in vocab.IN_ORDER | vocab.HIDES or _keeps_order(graph, index):
            stack += [(producer, way) for producer in graph.data(index)]
        elif vocab.node(name).kind == "multiplicative" and vocab.node(name).saved:
            stack += _multiplied(graph, index, way)
    return None


def _keeps_order(graph: Graph, index: int) -> bool:
    """Return whether a permutation moves only axes of size 1, as in an einsum, and so keeps the order of elements."""
    if graph.names[index] != "Permute":
        return False
    shape = graph.shape(*graph.edges[index][0])
    moved = [graph.signed(dim) % len(shape) for dim in graph.saved(index, "dims")]
    kept = [dim for dim in moved if shape[dim] != 1]
    return kept == sorted(kept)


def _multiplied(graph: Graph, index: int, way: Scores) -> Iterator[tuple[int, Scores]]:
    """Yield the signal of a node that multiplies it by a known factor."""
    node = vocab.node(graph.names[index])
    for operand, (producer, _) in enumerate(graph.edges[index]):
        factor = graph.saved(index, node.saved[1 - operand])
        if graph.is_data(producer) and isinstance(factor, Tensor):
            divides = "divisor" in node.operands
            if node.role(operand) != "divisor":
                yield producer, Scores(-1, (*way.factors, (factor, divides, graph.shape(index))))
