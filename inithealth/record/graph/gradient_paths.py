"""Which nodes reach the loss by their values, and not only through what attention compares, or at all."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.record.graph import vocabulary as vocab
from inithealth.record.graph.graph import Graph

_MOST_STEPS = 6  # nodes between a softmax and what it weighs
_PADDING_READ = 2**16  # indices of an embedding that are looked at

Cut = Callable[[Graph, int, int], bool]


def reaching(graph: Graph, cut: Cut) -> list[bool]:
    """For each node, whether some way from it to the loss has no (reader, operand) that is cut."""
    reaches = [False] * len(graph)
    for index in reversed(range(len(graph))):
        readers = graph.consumers[index]
        reaches[index] = not readers or any(reaches[reader] and not cut(graph, reader, at) for reader, at, _ in readers)
    return reaches


def scores(graph: Graph, reader: int, operand: int) -> bool:
    """Whether an operand is what an attention compares: a query, a key, a position.

    Where keys look alike, as they do at first, the gradient of scores fades by right.
    """
    name = graph.names[reader]
    if name in vocab.ATTENTION:
        return vocab.node(name).role(operand) != "value"  # what is summed, not compared
    return name in vocab.SOFTMAX and _weighs(graph, reader)


def over_one(graph: Graph, reader: int, operand: int) -> bool:
    """Whether a node is a softmax over a single element, through which no gradient can come."""
    name = graph.names[reader]
    if name in vocab.ATTENTION:
        node = vocab.node(name)
        key, output = graph.edges[reader][node.at("key")[0]]
        return node.role(operand) != "value" and key >= 0 and graph.shape(key, output)[-2:-1] == (1,)
    if name not in vocab.SOFTMAX:
        return False
    dim, shape = graph.dimension(reader), graph.shape(reader)
    return dim is not None and bool(shape) and shape[dim] == 1


def looks_up_padding(graph: Graph, index: int) -> bool:
    """Whether an embedding looks up nothing but its padding row, which gets no gradient."""
    padding = graph.saved(index, "padding_idx") if graph.names[index] == "Embedding" else None
    indices = graph.saved(index, "indices") if padding is not None else None
    if padding is None or indices is None or not 0 < indices.numel() <= _PADDING_READ:
        return False
    return bool((indices == graph.signed(padding)).all())


def _weighs(graph: Graph, index: int) -> bool:
    """Whether what a softmax puts out is multiplied with another signal, rather than being what is wanted."""
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
