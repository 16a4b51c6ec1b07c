"""Recognizes losses without a node of their own: a mean of absolute or squared differences."""

from __future__ import annotations

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph

DIFFERENCES = frozenset({"l1", "mse"})  # composed losses whose main operation takes predictions minus targets
_MOST_STEPS = 16  # nodes between the differences and the loss: a mean, a factor, a sum with other losses
_WEIGHED = vocab.ARITHMETIC | vocab.LAYOUT | vocab.REDUCTIONS
_OF_A_NUMBER = frozenset({"Sqrt", "Log", "Log1P"})  # may follow once the loss is one number, as in an RMSE


def written_loss(graph: Graph, index: int) -> str | None:
    """Return the loss of which a node is the main operation: "l1" or "mse" for the distance or square of a difference.

    "poisson" for the difference ``rate - target * log(rate)``. None if it is not a loss: other operations than a mean,
    a sum and arithmetic follow, or the difference is to the signal's own mean, as in a variance. ``F.l1_loss`` has this
    form too.
    """
    if poisson_nodes(graph, index) is not None:
        return "poisson" if _reduced(graph, index) else None
    kind = {"Abs": "l1", "Pow": "mse", "Mul": "mse"}.get(graph.names[index])
    difference = difference_of(graph, index) if kind is not None and graph.pure[index] is None else -1
    if difference < 0 or _centered(graph, difference):
        return None
    return kind if _reduced(graph, index) else None


def difference_of(graph: Graph, index: int) -> int:
    """Return the subtraction whose absolute value or square a node computes, perhaps times a constant; -1 if none."""
    name, data = graph.names[index], graph.data(index)
    if name == "Pow" and graph.saved(index, "exponent") != 2:
        return -1
    if name == "Mul" and (len(data) != 2 or data[0] != data[1]):
        return -1
    before = data[0] if data else -1
    if before >= 0 and _is_constant_factor(graph, before):
        before = graph.computed(before)[0]
    return before if before >= 0 and graph.names[before] in ("Sub", "Rsub") else -1


def factor_of_difference(graph: Graph, index: int) -> Tensor | None:
    """Return the constant that multiplies the difference inside a composed loss; ones without it, None if unknown."""
    before = graph.data(index)[0]
    if not _is_constant_factor(graph, before):
        return torch.ones((), device="cpu")
    factor = graph.constant(before)
    return None if factor is None else 1 / factor if graph.names[before] == "Div" else factor


def _is_constant_factor(graph: Graph, index: int) -> bool:
    """Return whether a node multiplies a signal by a constant, or divides it by one."""
    if graph.names[index] not in ("Mul", "Div") or len(graph.computed(index)) != 1:
        return False
    return graph.names[index] == "Mul" or graph.edges[index][0][0] == graph.computed(index)[0]


def poisson_nodes(graph: Graph, index: int) -> tuple[int, int] | None:
    """Return the nodes of the rate and of ``target * log(rate)`` that a node subtracts; None for other nodes."""
    sides = [peel(graph, side) for side in graph.data(index)] if graph.names[index] == "Sub" else []
    if [graph.names[side] for side in sides] != ["Exp", "Mul"]:
        return None
    rate, product = sides
    return (rate, product) if graph.computed(product) == graph.computed(rate) else None


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
        number = averaged and graph.shape(index) == ()
        index = readers[0][0]
        if len(readers) > 1 or not (graph.names[index] in _WEIGHED or (number and graph.names[index] in _OF_A_NUMBER)):
            return False
        averaged = averaged or graph.names[index] in vocab.REDUCTIONS
    return False
