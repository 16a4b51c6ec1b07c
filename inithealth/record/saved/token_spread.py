"""How much the tokens of a sample differ in the values that each self-attention mixes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.saved.attention import layers_before
from inithealth.record.saved.composed_attention import scores_of

_MOST_STEPS = 8  # nodes between a softmax and the product with the values
_FEWEST_TOKENS = 4


@torch.no_grad()
def token_spreads(flow: Flow, layer_at: Mapping[int, str], rows: int | None) -> dict[str, float]:
    """Return the share of the values' mean square that differs between the tokens, by the layer that computes them.

    Args:
        layer_at: the layer of each operation.
        rows: samples and heads that are read; None reads all.
    """
    found: dict[str, float] = {}
    for producer, values in _mixed(flow):
        share = _share(values.reshape(-1, *values.shape[-2:])[:rows])
        for layer in layers_before(flow, [producer], layer_at) if share is not None else ():
            found.setdefault(layer, share or 0.0)
    return found


def _mixed(flow: Flow) -> Iterator[tuple[int, Tensor]]:
    """Yield the values of each self-attention, of shape [..., tokens, units], and the node that computes them."""
    graph = flow.graph
    for index, name in enumerate(graph.names):
        if graph.pure[index] is not None:
            continue
        row = vocab.node(name)
        if name in vocab.ATTENTION and row.saved:
            (query,), (place,) = row.at("query"), row.at("value")
            asked, values = graph.saved(index, row.saved[query]), graph.saved(index, row.saved[place])
            producer = graph.edges[index][place][0]
            square = isinstance(asked, Tensor) and isinstance(values, Tensor) and asked.shape[-2] == values.shape[-2]
        elif name in vocab.SOFTMAX and scores_of(flow, index) is not None:
            reader = _product_after(flow, index)
            shape = graph.shape(index)
            values = None if reader is None else graph.saved(reader, vocab.node(graph.names[reader]).saved[1])
            producer = -1 if reader is None else graph.edges[reader][1][0]
            square = isinstance(values, Tensor) and shape[-2:] == (values.shape[-2],) * 2
        else:
            continue
        if square and isinstance(values, Tensor) and not values.is_nested and values.shape[-2] >= _FEWEST_TOKENS:
            yield producer, values


def _product_after(flow: Flow, index: int) -> int | None:
    """Return the product of two signals, the first of which is a softmax; None if there is none."""
    for _ in range(_MOST_STEPS):
        readers = flow.graph.readers(index)
        if len(readers) != 1:
            return None
        index, operand = readers[0]
        if flow.graph.names[index] in ("Bmm", "Mm"):
            return index if operand == 0 and index not in flow.operations else None
        if flow.graph.names[index] not in vocab.LAYOUT:
            return None
    return None


def _share(values: Tensor) -> float | None:
    """Return the share of the mean square that is left without the mean over the tokens; None without finite values."""
    values = values.float()
    total = values.square().mean()
    common = values.mean(-2).square().mean()
    share = float(1.0 - common / total)
    return max(share, 0.0) if share == share else None
