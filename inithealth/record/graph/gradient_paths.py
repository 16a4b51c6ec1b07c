"""Nodes that affect the loss at all, and other than through attention scores."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph

_MOST_STEPS = 6  # nodes between a softmax and the signal that it weighs
_SELECTS = frozenset({"Topk", "Sort", "Max", "Amax", "Kthvalue"})
_PADDING_READ = 2**16  # indices of an embedding that are checked

Cut = Callable[[Graph, int, int], bool]


def reaching(graph: Graph, cut: Cut) -> list[bool]:
    """Return for each node whether some path from it to the loss has no (reader, operand) that is cut."""
    reaches = [False] * len(graph)
    for index in reversed(range(len(graph))):
        readers = graph.consumers[index]
        reaches[index] = not readers or any(reaches[reader] and not cut(graph, reader, at) for reader, at, _ in readers)
    return reaches


def scores(graph: Graph, reader: int, operand: int) -> bool:
    """Return whether an operand sets where a node reads another signal, as a query, a key, or a sampling position.

    If the keys are similar, or the offsets near zero, as at the start of training, small gradients are expected.
    """
    name = graph.names[reader]
    if vocab.node(name).role(operand) == "place":
        return True
    if name in vocab.ATTENTION:
        return vocab.node(name).role(operand) != "value"  # the values are summed; queries and keys are compared
    return name in vocab.SOFTMAX and _weighs(graph, reader)


def over_one(graph: Graph, reader: int, operand: int) -> bool:
    """Return whether a node is a softmax over a single element, whose gradient is zero."""
    name = graph.names[reader]
    if name in vocab.ATTENTION:
        node = vocab.node(name)
        key, output = graph.edges[reader][node.at("key")[0]]
        return node.role(operand) != "value" and key >= 0 and graph.shape(key, output)[-2:-1] == (1,)
    if name not in vocab.SOFTMAX:
        return False
    dim, shape = graph.dimension(reader), graph.shape(reader)
    return dim is not None and bool(shape) and shape[dim] == 1


def over_selected(graph: Graph, reader: int, operand: int) -> bool:
    """Return whether a node normalizes the weight of a single selected element, as of the best expert: it is always 1.

    Both the softmax over one logit and the division of a probability by the sum over the selected ones are such nodes.
    """
    shape = graph.shape(reader)
    if graph.names[reader] == "Div" and shape and 1 in shape:
        signal, total = (producer for producer, _ in graph.edges[reader])
        single = total >= 0 and any(size == 1 for size in graph.shape(total)) and _sums(graph, total, signal)
        return single and _is_selected(graph, signal)
    data = graph.data(reader)
    return over_one(graph, reader, operand) and len(data) == 1 and _is_selected(graph, data[0])


def _sums(graph: Graph, index: int, signal: int) -> bool:
    """Return whether a node is the sum of a signal over one element, perhaps with a constant added."""
    for _ in range(_MOST_STEPS):
        data = graph.data(index)
        if len(data) != 1:
            return False
        if graph.names[index] == "Sum":
            return peel(graph, data[0]) == peel(graph, signal) and graph.shape(data[0]) == graph.shape(index)
        if graph.names[index] not in vocab.LAYOUT | {"Add", "ClampMin", "Clamp"}:
            return False
        index = data[0]
    return False


def _is_selected(graph: Graph, index: int) -> bool:
    """Return whether a signal is what is left of others after a selection by size."""
    for _ in range(_MOST_STEPS):
        if graph.names[index] in _SELECTS:
            return True
        data = graph.data(index)
        if len(data) != 1 or graph.names[index] not in vocab.LAYOUT:
            return False
        index = data[0]
    return False


def looks_up_padding(graph: Graph, index: int) -> bool:
    """Return whether an embedding reads only its padding row, which gets no gradient."""
    padding = graph.saved(index, "padding_idx") if graph.names[index] == "Embedding" else None
    indices = graph.saved(index, "indices") if padding is not None else None
    if padding is None or indices is None or not 0 < indices.numel() <= _PADDING_READ:
        return False
    return bool((indices == graph.signed(padding)).all())


def _weighs(graph: Graph, index: int) -> bool:
    """Return whether the output of a softmax is multiplied with another signal, as in attention."""
    for _ in range(_MOST_STEPS):
        readers = graph.readers(index)
        if not readers:
            return False
        index = readers[0][0]
        name = graph.names[index]
        if name in vocab.PRODUCTS or name in vocab.MULTIPLICATIVE:
            if len(graph.data(index)) > 1:
                return True
        elif name not in vocab.LAYOUT:
            return False
    return False
