"""The sharpness of attention by layer: the std of its logits over the keys, and its largest weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.saved.attention_logits import Reading, UnreadableError
from inithealth.record.saved.composed_attention import composed, scores_of
from inithealth.record.saved.fused_attention import fused

_MOST_NODES = 200  # between an attention and the layers that compute its queries and keys


@dataclass(frozen=True)
class Sharpness:
    """The sharpness of the attentions of a graph, by the layers that compute queries or keys.

    For each layer, of its sharpest attention: standard deviation of the logits over the visible keys (root mean square
    over the queries), mean of the largest weights, median number of visible keys. Queries with fewer than four visible
    keys are ignored.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)  # layer -> why the logits of its attention are unknown


@torch.no_grad()
def sharpness(flow: Flow, layer_at: Mapping[int, str]) -> Sharpness:
    """Return the sharpness of the attentions of a graph whose saved tensors exist.

    Args:
        layer_at: the layer of each operation.
    """
    found = Sharpness()
    for index, name in enumerate(flow.graph.names):
        if flow.graph.pure[index] is not None:
            continue
        if name in vocab.ATTENTION:
            _fused(flow, index, layer_at, found)
        elif name in vocab.SOFTMAX:
            scores = scores_of(flow, index)
            if scores is not None:
                makers = [producer for producer, _ in flow.graph.edges[scores.node][-2:]]
                _note(found, layers_before(flow, makers, layer_at), composed(flow.graph, index, scores))
    return found


def _fused(flow: Flow, index: int, layer_at: Mapping[int, str], found: Sharpness) -> None:
    edges, node = flow.graph.edges[index], vocab.node(flow.graph.names[index])
    layers = list(layers_before(flow, [edges[at][0] for at in node.at("query", "key")], layer_at))
    try:
        _note(found, layers, fused(flow.graph, index))
    except UnreadableError as error:
        for layer in layers or [flow.graph.names[index]]:
            found.unread.setdefault(layer, str(error))


def _note(found: Sharpness, layers: Iterable[str], reading: Reading | None) -> None:
    for layer in layers:
        if reading is not None and reading > found.readings.get(layer, (-1.0,)):
            found.readings[layer] = reading


def layers_before(flow: Flow, nodes: list[int], layer_at: Mapping[int, str]) -> Iterator[str]:
    """Yield the layers that compute the outputs of some nodes, each once."""
    yield from dict.fromkeys(layer_at[maker] for maker in _makers(flow, nodes) if maker in layer_at)


def _makers(flow: Flow, nodes: list[int]) -> Iterator[int]:
    """Yield the operations with a weight upstream of some nodes, up to residual adds."""
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
