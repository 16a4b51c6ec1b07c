"""The logits of flex attention, which has user-defined functions for scores and mask.

Its node is an ``autograd.Function``. It saves query, key and value as its first three tensors, and the functions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from inithealth.record.graph.graph import Graph
from inithealth.record.saved.attention_logits import MASKED, Products, Reading, UnreadableError, products_of, summary

_MASK_ARGUMENTS = 4  # batch, head, query, key


def flex(graph: Graph, index: int) -> Reading | None:
    """Return the sharpness of a flex attention; None with too few visible keys or packed saved tensors.

    Raises:
        UnreadableError: its saved tensors are freed, or its functions cannot be applied.
    """
    node: Any = graph.nodes[index]
    kept = graph.saved_tensors(index)
    if kept is None:
        return None
    query, key, *_ = (*kept, None, None)
    if query is None or key is None:
        raise UnreadableError("its queries and keys are not saved")
    try:
        products = products_of(query, key, float(node.scale))
        return _modified(node, kept, products)
    except Exception as error:  # an error of the user's functions
        raise UnreadableError(f"{type(error).__name__}: {error}") from error


def _modified(node: Any, kept: Sequence[Tensor], products: Products) -> Reading | None:
    """Return the reading after applying the score function and the mask function."""
    raw = products.logits
    score, mask = node._fw_graph, node._mask_graph
    for_mask = _extra(kept, _captured(mask))
    for_score = _extra(kept[: len(kept) - len(for_mask)], node._score_mod_other_buffers_len)
    at = _indices(products)
    logits = _elementwise(score, for_score, raw, *at)
    shown = _elementwise(mask, for_mask, *at)
    # Lower than any product: the score function masks the key. A soft cap does not lower scores that far.
    shown = shown & (logits >= raw.amin(-1, keepdim=True) - MASKED)
    weights = logits.masked_fill(~shown, -math.inf).softmax(-1)
    return summary(logits, weights, shown)


def _captured(mask: Callable[..., Any]) -> int:
    """Return the number of tensor arguments of a traced mask function besides its indices; 0 for other functions."""
    if not isinstance(mask, GraphModule):
        return 0
    return len([node for node in mask.graph.nodes if node.op == "placeholder"]) - _MASK_ARGUMENTS


def _extra(kept: Sequence[Tensor], count: int) -> Sequence[Tensor]:
    return kept[len(kept) - count :]


def _indices(products: Products) -> tuple[Tensor, ...]:
    """Return batch, head, query and key of each logit."""
    logits, (batch, head) = products.logits, products.places
    device = logits.device
    step, start = products.rows.step, products.rows.start
    query = start + step * torch.arange(logits.shape[1], device=device)
    key = torch.arange(logits.shape[2], device=device)
    axes = (batch.to(device)[:, None, None], head.to(device)[:, None, None], query[:, None], key)
    return tuple(axis.expand(logits.shape) for axis in axes)


def _elementwise(function: Callable[..., Any], captured: Sequence[Tensor], *values: Tensor) -> Tensor:
    """Apply a function of single elements to all elements."""
    places = (*(0 for _ in values), *(None for _ in captured))
    flat = [value.reshape(-1) for value in values]
    # In this mode torch calls the functions itself: without it, vmap of torch 2.10 cannot index a captured tensor.
    torchs = sys.modules.get("torch._dynamo._trace_wrapped_higher_order_op")
    with getattr(torchs, "TransformGetItemToIndex", nullcontext)():
        found: Tensor = torch.vmap(function, in_dims=places)(*flat, *captured)
    return found.reshape(values[0].shape)
