"""Paths through a graph with only views, sums and constant factors."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph

_MOST_STEPS = 8  # views and factors between two nodes
_MOST_NODES = 64  # nodes between a term of the loss and the loss
_SUMS = vocab.LAYOUT | vocab.REDUCTIONS | frozenset({"Add", "Sub", "Rsub"})


def number_of(graph: Graph, index: int) -> float:
    """Return the number that a node multiplies or divides a signal by; 0 for other nodes."""
    constant = graph.constant(index) if graph.names[index] in ("Mul", "Div") else None
    return float(constant) if constant is not None and constant.numel() == 1 else 0.0


def origin_of(graph: Graph, index: int) -> tuple[int, float]:
    """Return the node whose output reaches another one times a constant factor, and the sign of that factor."""
    sign = 1.0
    for _ in range(_MOST_STEPS):
        factor = number_of(graph, index)
        if graph.names[index] == "Neg":
            sign = -sign
        elif factor:
            sign *= 1.0 if factor > 0 else -1.0
        elif graph.names[index] not in vocab.LAYOUT or len(graph.computed(index)) != 1:
            break
        index = graph.computed(index)[0]
    return index, sign


def is_term(graph: Graph, index: int) -> bool:
    """Return whether only sums, means and constant factors are between a node and the loss, on some path."""
    waiting, seen = [(index, False)], {index}
    while waiting and len(seen) < _MOST_NODES:
        node, reduced = waiting.pop()
        reduced = reduced or graph.names[node] in vocab.REDUCTIONS
        readers = [reader for reader, _ in graph.readers(node) if reader not in seen]
        if not graph.readers(node) and reduced:
            return True
        following = [reader for reader in readers if graph.names[reader] in _SUMS or number_of(graph, reader)]
        seen.update(following)
        waiting += [(reader, reduced) for reader in following]
    return False
