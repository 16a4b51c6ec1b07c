"""Products in which the output of a layer is the weight: hypernetworks, dynamic filters, transformations of features.

Both axes of such a matrix come from the units of the layer that generates it. In the products of an attention, one axis
of each operand comes from the tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.axes import after
from inithealth.record.graph.consumers import Meets, constant_factor
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks

_MOST_NODES = 24  # between the output of a layer and the products that use it
_MOST_STEPS = 64  # nodes between two such products
_CHANGES = vocab.ADDITIVE | vocab.MULTIPLICATIVE | {"Tanh"}  # elementwise operations on a matrix that is still a weight


@dataclass(frozen=True)
class Generated:
    """A product, and the operation whose output is its weight."""

    product: int
    source: int
    operand: int  # of the product: the matrix
    fan_in: int
    fan_out: int
    scale: float = 1.0  # constant factor between the output and the matrix
    plain: bool = True  # the matrix is the output, rearranged and times that factor


@dataclass(frozen=True)
class _Place:
    """A node that the output of an operation reaches, and its axes that come from the units."""

    node: int
    axes: frozenset[int]
    scale: float = 1.0
    plain: bool = True


@dataclass
class GeneratedWeights:
    """The generated weights of a graph by product, and the product upstream of each on the path of the signal."""

    by_product: dict[int, Generated] = field(default_factory=dict)
    upstream: dict[int, int] = field(default_factory=dict)

    @property
    def sources(self) -> frozenset[int]:
        """The operations whose output is a weight."""
        return frozenset(each.source for each in self.by_product.values())


def generated_weights(marks: Landmarks, meets: Meets) -> GeneratedWeights:
    """Return the generated weights. A product of two such matrices has no weight: it compares them."""
    found: dict[int, list[Generated]] = {}
    for source in marks.operations:
        for each in _uses(marks, source) if marks.weighted(source) else ():
            found.setdefault(each.product, []).append(each)
    single = {product: each[0] for product, each in found.items() if len({use.operand for use in each}) == 1}
    kept = {product: each for product, each in single.items() if not _mixes(marks.graph, meets, each)}
    result = GeneratedWeights(kept)
    for product, each in kept.items():
        before = _product_before(marks, kept, other_factor(marks.graph, each))
        if before is not None:
            result.upstream[product] = before
    return result


def _uses(marks: Landmarks, source: int) -> list[Generated]:
    """Return the products whose weight is the output of an operation."""
    graph, axis = marks.graph, _unit_axis(marks, source)
    found: list[Generated] = []
    waiting = [] if axis is None else [_Place(source, frozenset({axis}))]
    seen = {source}
    while waiting and len(seen) < _MOST_NODES:
        place = waiting.pop()
        for reader, operand in graph.readers(place.node):
            if vocab.node(graph.names[reader]).role(operand) == "factor" and reader not in marks.operations:
                found += _as_weight(graph, source, place, reader, operand)
            elif reader not in seen and reader not in marks.norms:
                seen.add(reader)
                waiting += _passed(marks, place, reader)
    return found


def _unit_axis(marks: Landmarks, source: int) -> int | None:
    """Return the axis of an operation's output that indexes its units; None if it is unknown."""
    operation, shape = marks.operations[source], marks.graph.shape(source)
    if operation.kind not in ("linear", "conv") or len(shape) < 2:
        return None
    if operation.kind == "conv":
        return 1
    first = operation.operand == 0 and "turned" not in vocab.node(marks.graph.names[source]).traits
    return len(shape) - (2 if first else 1)


def _passed(marks: Landmarks, place: _Place, reader: int) -> list[_Place]:
    """Return the place after a node that rearranges or changes a matrix; none after other nodes."""
    graph, shape = marks.graph, marks.graph.shape(place.node)
    if graph.names[reader] in vocab.LAYOUT:
        axes = after(graph, reader, place.axes, shape)
        return [_Place(reader, axes, place.scale, place.plain)] if axes else []
    if graph.names[reader] not in _CHANGES or graph.shape(reader) != shape:
        return []
    factor = constant_factor(graph, reader)
    return [_Place(reader, place.axes, place.scale * factor, place.plain and factor != 1.0)]


def _as_weight(graph: Graph, source: int, place: _Place, reader: int, operand: int) -> list[Generated]:
    """Return the use of a matrix as the weight of a product, if both of its axes come from the units."""
    row, shape = vocab.node(graph.names[reader]), graph.shape(place.node)
    factors = row.at("factor")
    if row.kind == "conv":
        fits = operand == factors[1] and not graph.saved(reader, "transposed") and len(shape) > 2
        axes, inputs = range(1, len(shape)), math.prod(shape[1:])
        outputs = shape[0] // int(graph.saved(reader, "groups") or 1)
    else:
        fits = (len(shape) > 1 and "vector" not in row.traits) or operand == factors[0]
        axes = range(len(shape) - 2, len(shape))
        inputs, outputs = shape[-2:] if len(shape) > 1 else (1, 1)
        if operand == factors[0] or "turned" in row.traits:  # W @ x
            inputs, outputs = outputs, inputs
    if not fits or not all(axis in place.axes for axis in axes if row.kind != "conv" or shape[axis] > 1):
        return []
    return [Generated(reader, source, operand, inputs, outputs, place.scale, place.plain)]


def other_factor(graph: Graph, use: Generated) -> tuple[int, int]:
    """Return the producer of the other factor and the index of its output."""
    factors = vocab.node(graph.names[use.product]).at("factor")
    return graph.edges[use.product][next(at for at in factors if at != use.operand)]


def _mixes(graph: Graph, meets: Meets, use: Generated) -> bool:
    """Return whether a product mixes or compares the rows of the matrix: they are tokens, not a weight.

    The other factor of such a product is the output of a softmax, or a constant square matrix, as of a graph; or a
    softmax follows it.
    """
    producer, output = other_factor(graph, use)
    if vocab.node(graph.names[use.product]).kind == "conv":
        return False
    if any(target.name == "softmax" for target in meets[use.product]):
        return True
    if producer < 0:
        return _square(_constant_shape(graph, use))
    shape = graph.shape(producer, output)
    if graph.names[peel(graph, producer)] in vocab.SOFTMAX:
        return True
    return not graph.computed(use.product)[1:] and _square(shape)


def _square(shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and shape[-1] == shape[-2]


def _constant_shape(graph: Graph, use: Generated) -> tuple[int, ...]:
    row = vocab.node(graph.names[use.product])
    at = next(at for at in row.at("factor") if at != use.operand)
    value = graph.saved(use.product, row.kept_factors[at]) if at in row.kept_factors else None
    return () if value is None else tuple(value.shape)


def _product_before(marks: Landmarks, found: dict[int, Generated], start: tuple[int, int]) -> int | None:
    """Return the last product with a generated weight that a signal passed through.

    None if a normalization or a sum of two signals is between them: the first one sets the scale, the second one keeps
    a signal that the product does not change.
    """
    graph, index = marks.graph, start[0]
    for _ in range(_MOST_STEPS):
        if index < 0 or index in marks.norms or not graph.is_data(index):
            return None
        if index in found:
            return index
        index = _signal_before(marks, index)
    return None


def _signal_before(marks: Landmarks, index: int) -> int:
    """Return the node whose signal this one changes; -1 for none or several. An added bias may be generated as well."""
    graph, data = marks.graph, marks.graph.data(index)
    if graph.names[index] in vocab.ADDITIVE:
        data = [producer for producer in data if not marks.weighted(peel(graph, producer))] or data
    return data[0] if len(data) == 1 else -1
