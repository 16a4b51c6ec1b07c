"""Which ways the signal can take through a graph: dominators, and nodes that no skip gets round."""

from __future__ import annotations

from inithealth.record import vocabulary as vocab
from inithealth.record.graph import Graph

_VALUE = 2  # the operand of a fused attention that is summed, not compared


def peel(graph: Graph, index: int) -> int:
    """The node whose values these are, before views and copies."""
    while index >= 0 and graph.names[index] in vocab.LAYOUT and len(graph.data(index)) == 1:
        index = graph.data(index)[0]
    return index


def immediate_dominators(graph: Graph) -> list[int]:
    """For each node the last one that all ways from the inputs to it pass; -1 where the ways start apart."""
    dominator, depth = [-1] * len(graph), [0] * len(graph)
    for index in range(len(graph)):
        sources = graph.data(index) if graph.pure[index] is None else []
        if sources:
            dominator[index] = _meet(sources, dominator, depth)
            depth[index] = depth[dominator[index]] + 1 if dominator[index] >= 0 else 0
    return dominator


def _meet(nodes: list[int], parent: list[int], depth: list[int]) -> int:
    """The nearest common ancestor in a forest; -1 where there is none."""
    first = nodes[0]
    for other in nodes[1:]:
        while first != other and first >= 0 and other >= 0:
            if depth[first] >= depth[other]:
                first = parent[first]
            else:
                other = parent[other]
        if first != other:
            return -1
    return first


def essential_nodes(graph: Graph) -> set[int]:
    """The nodes without which some input could not reach the loss: no skip leads around them.

    A node that all ways from some input to the loss pass is essential. So is one that feeds an
    essential product (a gate) by itself: a zero factor stops the signal whatever the other brings.
    """
    after = _post_dominators(graph)
    essential: set[int] = set()
    for index in range(len(graph)):
        if graph.pure[index] is None and not graph.data(index):  # an input
            while index >= 0 and index not in essential:
                essential.add(index)
                index = after[index]
    for index in reversed(range(len(graph))):
        if graph.pure[index] is None and index not in essential:
            readers = graph.readers(index)
            if len(readers) == 1 and readers[0][0] in essential and _stops(graph, *readers[0]):
                essential.add(index)
    return essential


def _post_dominators(graph: Graph) -> list[int]:
    """For each node the next one that all ways from it to the loss pass; -1 at the loss."""
    after, depth = [-1] * len(graph), [0] * len(graph)
    for index in reversed(range(len(graph))):
        readers = [reader for reader, _ in graph.readers(index)] if graph.pure[index] is None else []
        if readers:
            after[index] = _meet(readers, after, depth)
            depth[index] = depth[after[index]] + 1 if after[index] >= 0 else 0
    return after


def _stops(graph: Graph, reader: int, operand: int) -> bool:
    """Whether a node passes nothing on when one of its operands is zero."""
    name = graph.names[reader]
    if name in vocab.SOFTMAX:  # of zero scores it makes equal shares
        return False
    if name in vocab.ATTENTION:
        return operand == _VALUE
    return len(graph.data(reader)) < 2 or name in vocab.MULTIPLICATIVE or name in ("Bmm", "Mm", "Baddbmm")
