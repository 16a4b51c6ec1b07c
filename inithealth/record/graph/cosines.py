"""Products of two normalized matrices: the cosines between features and the weights of classes."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation

_LENGTHS = frozenset({"LinalgVectorNorm", "Norm"})
_MOST_STEPS = 4  # nodes between a length and the division: a minimum, an expansion


def computes_cosines(graph: Graph, operation: Operation) -> bool:
    """Return whether both factors of a linear layer are divided by their lengths."""
    factors = vocab.node(graph.names[operation.node]).at("factor")
    edges = graph.edges[operation.node]
    sides = [edges[place][0] for place in factors if place < len(edges)]
    return operation.kind == "linear" and len(sides) == 2 and all(_is_normalized(graph, side) for side in sides)


def _is_normalized(graph: Graph, index: int) -> bool:
    while index >= 0 and graph.names[index] in vocab.LAYOUT and len(graph.edges[index]) == 1:
        index = graph.edges[index][0][0]
    if index < 0 or graph.names[index] != "Div":
        return False
    length = graph.edges[index][1][0]
    for _ in range(_MOST_STEPS):
        if length < 0 or graph.names[length] in _LENGTHS:
            break
        length = graph.edges[length][0][0] if graph.edges[length] else -1
    return length >= 0 and graph.names[length] in _LENGTHS
