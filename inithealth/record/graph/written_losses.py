"""Recognizes losses without a node of their own: a mean of absolute or squared differences."""

from __future__ import annotations

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph

_MOST_STEPS = 16  # nodes between the differences and the loss: a mean, a factor, a sum with other losses
_WEIGHED = vocab.ARITHMETIC | vocab.LAYOUT | vocab.REDUCTIONS


def written_loss(graph: Graph, index: int) -> str | None:
    """Return the loss of which a node is the main operation: "l1" for ``Abs``, "mse" for ``Pow`` of a difference.

    "poisson" for the difference ``rate - target * log(rate)``. None if it is not a loss: other operations than a mean,
    a sum and arithmetic follow, or the difference is to the signal's own mean, as in a variance. ``F.l1_loss`` has this
    form too.
    """
    if poisson_nodes(graph, index) is not None:
        return "poisson" if _reduced(graph, index) else None
    kind = {"Abs": "l1", "Pow": "mse"}.get(graph.names[index])
    if kind is None or graph.pure[index] is not None or (kind == "mse" and graph.saved(index, "exponent") != 2):
        return None
    (before, *_) = graph.data(index) or (-1,)
    if before < 0 or graph.names[before] not in ("Sub", "Rsub") or _centered(graph, before):
        return None
    return kind if _reduced(graph, index) else None


def poisson_nodes(graph: Graph, index: int) -> tuple[int, int] | None:
    """Return the nodes of the rate and of ``target * log(rate)`` that a node subtracts; None for other nodes."""
    sides = [peel(graph, side) for side in graph.data(index)] if graph.names[index] == "Sub" else []
    if [graph.names[side] for side in sides] != ["Exp", "Mul"]:
        return None
    rate, product = sides
    return (rate, product) if graph.data(product) == graph.data(rate) else None


def _centered(graph: Graph, difference: int) -> bool:
    """Return whether a difference is a signal minus its own mean."""
    sides = graph.data(difference)
    for side, other in (sides, sides[::-1]) if len(sides) == 2 else ():
        other = peel(graph, other)
        if graph.names[other] == "Mean" and graph.data(other) == [side]:
            return True
    return False


def _reduced(graph: Graph, index: int) -> bool:
    """Return whether only a mean or sum and arithmetic are between a node and the loss."""
    averaged = False
    for _ in range(_MOST_STEPS):
        readers = graph.readers(index)
        if not readers:
            return averaged
        index = readers[0][0]
        if len(readers) > 1 or graph.names[index] not in _WEIGHED:
            return False
        averaged = averaged or graph.names[index] in vocab.REDUCTIONS
    return False
