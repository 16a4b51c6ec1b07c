"""The variance that squared errors are divided by, as in a Gaussian negative log-likelihood, called or written out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.linear_paths import is_term, number_of, origin_of

_MOST_STEPS = 8  # views, signs and factors between the squares and the division


@dataclass(frozen=True)
class Variance:
    """The computed divisor of squared errors."""

    node: int
    divisor: Tensor  # as saved
    factor: float  # the divisor is the variance times this number, such as 2
    inverted: bool  # the squares are multiplied by it: it is the precision

    @property
    def values(self) -> Tensor:
        """The variances."""
        scaled = self.divisor.float() / self.factor
        return 1 / scaled if self.inverted else scaled


def variance_of(graph: Graph, squares: int) -> Variance | None:
    """Return the computed variance that squared errors are divided by; None if they are not."""
    index = squares
    for _ in range(_MOST_STEPS):
        readers = graph.readers(index)
        if len(readers) != 1:
            return None
        reader, operand = readers[0]
        name = graph.names[reader]
        if name in ("Mul", "Div") and len(graph.computed(reader)) == 2:
            return _divisor(graph, reader, operand)
        if name not in vocab.LAYOUT and not number_of(graph, reader):
            return None
        index = reader
    return None


def _divisor(graph: Graph, index: int, operand: int) -> Variance | None:
    name = graph.names[index]
    if name == "Div" and operand != 0:
        return None
    divisor, node = graph.saved(index, ("other", "self")[operand]), graph.edges[index][1 - operand][0]
    if not isinstance(divisor, Tensor):
        return None
    factor, source = 1.0, peel(graph, node)
    while factor_here := number_of(graph, source):
        factor *= factor_here if graph.names[source] == "Mul" else 1 / factor_here
        source = peel(graph, graph.computed(source)[0])
    if not _is_in_log_density(graph, node, source):
        return None
    return Variance(node, divisor, factor, inverted=name == "Mul")


def _is_in_log_density(graph: Graph, node: int, index: int) -> bool:
    """Return whether the logarithm of a variance or precision is a term of the loss too."""
    scale = index
    if graph.names[index] == "Pow" and len(graph.computed(index)) == 1:  # the square of a std
        scale = peel(graph, graph.computed(index)[0])
    if graph.names[scale] == "Exp" and is_term(graph, origin_of(graph, graph.computed(scale)[0])[0]):
        return True
    readers = [reader for each in (node, index, scale) for reader, _ in graph.readers(each)]
    return any(graph.names[reader] == "Log" and is_term(graph, reader) for reader in readers)
