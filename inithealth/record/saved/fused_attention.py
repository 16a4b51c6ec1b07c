"""The logits of an attention that is one node, recomputed from its saved queries and keys."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph
from inithealth.record.saved.attention_logits import MASKED, Reading, UnreadableError, products_of, summary
from inithealth.record.saved.flex_attention import flex


def fused(graph: Graph, index: int) -> Reading | None:
    """Return the sharpness of an attention; None with too few visible keys or packed saved tensors.

    Raises:
        UnreadableError: the logits cannot be recomputed.
    """
    if not vocab.node(graph.names[index]).saved:  # an autograd.Function, whose saved tensors have no names
        return flex(graph, index)
    query, key = (_kept(graph, index, role) for role in ("query", "key"))
    if not isinstance(query, Tensor) or not isinstance(key, Tensor):
        if graph.packed:
            return None
        raise UnreadableError("its queries and keys are not saved")
    if query.is_nested:
        raise UnreadableError("its queries are a nested tensor")
    if not query.numel():
        return None
    scale = graph.saved(index, "scale")
    products = products_of(query, key, scale if isinstance(scale, float) else query.shape[-1] ** -0.5)
    logits, rows = products.logits, products.rows
    queries, keys = query.shape[-2], key.shape[-2]
    mask = _mask(graph, index, (*query.shape[:-2], queries, keys))
    hidden = torch.zeros_like(logits)
    if mask is not None:
        hidden = mask[..., rows, :][products.places].to(logits).expand_as(logits)
    if graph.saved(index, "is_causal"):
        later = torch.ones(queries, keys, dtype=torch.bool, device=logits.device).triu(1)
        hidden = hidden.masked_fill(later[rows], -math.inf)
    weights = (logits + hidden).softmax(-1)
    visible = hidden >= hidden.amax(-1, keepdim=True) - MASKED
    return summary(logits, weights, visible & hidden.isfinite())


def _kept(graph: Graph, index: int, role: str) -> Tensor | None:
    """Return the saved operand of a node with that role; None if it was not saved."""
    node = vocab.node(graph.names[index])
    value = [graph.saved(index, node.saved[at]) for at in node.at(role)]
    return value[0] if value and isinstance(value[0], Tensor) else None


def _mask(graph: Graph, index: int, shape: tuple[int, ...]) -> Tensor | None:
    """Return the mask or bias of a fused attention; None without one."""
    mask = _kept(graph, index, "mask")
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -math.inf)
    return mask.expand(shape)
