"""Finds normalization in a graph: torch's nodes, and norms composed of single operations."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph

_MOST_STEPS = 8  # nodes of the statistic, from the mean to the root


def norms(graph: Graph) -> dict[int, int]:
    """Return normalization node -> the node it normalizes; also for x * rsqrt(mean(x^2) + eps) and x / norm(x)."""
    found: dict[int, int] = {}
    for index, name in enumerate(graph.names):
        if graph.pure[index] is not None:
            continue
        edges = graph.edges[index]
        if name in vocab.NORMS:
            found[index] = edges[vocab.node(name).at("input")[0]][0]
        elif name in ("Mul", "Div") and len(edges) == 2:
            for this, other in ((0, 1), (1, 0)):
                if graph.is_data(edges[other][0]) and _is_statistic(graph, edges[this][0]):
                    found[index] = edges[other][0]
    return found


def _is_statistic(graph: Graph, index: int) -> bool:
    """Return whether a node is the inverse norm of a signal: computed by a mean or norm and a root."""
    rooted = averaged = False
    for _ in range(_MOST_STEPS):
        name = graph.names[index] if index >= 0 else ""
        if not graph.is_data(index) or name not in vocab.STATISTIC:
            return False
        rooted = rooted or name in vocab.ROOTED
        averaged = averaged or name in vocab.AVERAGED
        if rooted and averaged:
            return True
        index = graph.edges[index][0][0]
    return False
