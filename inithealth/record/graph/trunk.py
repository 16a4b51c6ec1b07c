"""The input of a layer, a norm or the residual trunk, and the structure of the trunk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks, Residual
from inithealth.record.graph.residuals import branch_ends

_MOST_STEPS = 32  # nodes without a weight between a layer and the source of its input
_NORM_EVERY = 4  # branches between two norms of a normalized trunk: a Conformer block has four branches and one norm


def reads_norm(marks: Landmarks, node: int) -> bool:
    """Return whether an operation's input is the output of a norm, possibly rearranged or scaled by its weight."""
    graph, index = marks.graph, _source(marks, node)
    for _ in range(_MOST_STEPS):
        if index in marks.norms or index < 0:
            return index >= 0
        if marks.weighted(index) or graph.names[index] not in vocab.LAYOUT | vocab.ARITHMETIC:
            return False
        index = marks.before(index)
    return False


def reads_trunk(marks: Landmarks, node: int, forks: Collection[int]) -> bool:
    """Return whether an operation is the first with a weight, including norms, of a residual branch."""
    index = _source(marks, node)
    for _ in range(_MOST_STEPS):
        if index in forks or index < 0:
            return index >= 0
        if index in marks.operations or index in marks.residuals or index in marks.projections:
            return False
        index = _normed_side(marks, index)
    return False


def _source(marks: Landmarks, node: int) -> int:
    """Return the input signal of an operation."""
    if node in marks.norms:
        return marks.norms[node]
    graph, operation = marks.graph, marks.operations[node]
    operands = vocab.node(graph.names[node]).at("factor")
    if not operands or operation.operand is None:
        return next(iter(graph.data(node)), -1)
    producer = graph.edges[node][operands[operation.operand == operands[0]]][0]  # the operand that is not the weight
    return producer if graph.is_data(producer) else -1


def _normed_side(marks: Landmarks, index: int) -> int:
    """Return the previous node; for a modulated norm (times a signal, plus another), the one towards the norm."""
    before = marks.before(index)
    if before >= 0:
        return before
    graph, name = marks.graph, marks.graph.names[index]
    if name in vocab.ADDITIVE:
        return next((side for side in graph.data(index) if _modulated(marks, side)), -1)
    return next((side for side in graph.data(index) if side in marks.norms), -1) if _modulated(marks, index) else -1


def _modulated(marks: Landmarks, index: int) -> bool:
    """Return whether a node is the product of a norm with another signal."""
    graph = marks.graph
    product = graph.names[index] in vocab.MULTIPLICATIVE and index not in marks.norms and len(graph.data(index)) == 2
    return product and any(side in marks.norms for side in graph.data(index))


def trunk_adds(marks: Landmarks, after: list[int]) -> dict[int, Residual]:
    """Return the residual adds on the path to the loss, with projection shortcuts, without nested branches.

    Args:
        after: immediate post-dominators.
    """
    joins = {**marks.residuals, **marks.projections}
    inside = [False] * len(marks.graph)
    for index in reversed(range(len(marks.graph))):
        beyond = after[index]
        if beyond >= 0:
            inside[index] = inside[beyond] or (beyond in joins and index > joins[beyond].fork)
    beside = {index for join in joins.values() for index in _trunk_side(marks, join)}
    return {add: join for add, join in joins.items() if add in beside or not inside[add]}


def _trunk_side(marks: Landmarks, join: Residual) -> Iterator[int]:
    """Yield the nodes of the trunk parallel to a branch, where another branch may have been added."""
    index = join.trunk
    for _ in range(_MOST_STEPS):
        if index <= join.fork:
            break
        yield index
        index = marks.residuals[index].trunk if index in marks.residuals else marks.before(index)


def count_branches(marks: Landmarks, adds: Mapping[int, Residual]) -> int:
    """Return the number of branches of residual adds: parallel attention and MLP count as two."""
    return sum(_terms(marks, join.branch, join.fork) for join in adds.values())


def _terms(marks: Landmarks, index: int, fork: int) -> int:
    """Return the number of branches from the trunk that a branch is the sum of."""
    graph = marks.graph
    for _ in range(_MOST_STEPS):
        data = graph.data(index)
        if index <= fork or marks.weighted(index):
            break
        if len(data) == 2 and graph.names[index] in vocab.ADDITIVE and index not in marks.norms:
            start = marks.dominators[index]
            alone = start >= fork and not branch_ends(marks, start, fork)  # an adapter shares the layers upstream of it
            ends = [branch_ends(marks, side, fork) for side in data]
            return sum(_terms(marks, side, fork) for side in data) if alone and all(ends) else 1
        index = marks.before(index)
    return 1


def trunk_normalized(marks: Landmarks, adds: Mapping[int, Residual]) -> bool:
    """Return whether norms are on the trunk itself, between residual adds, as in a post-norm transformer."""
    between = [normed for add in adds.values() if (normed := _normed_since(marks, add.fork, adds)) is not None]
    return any(between) and (sum(between) + 1) * _NORM_EVERY > len(between)


def _normed_since(marks: Landmarks, fork: int, adds: Collection[int]) -> bool | None:
    """Return whether a norm is between a fork and the previous residual add; None if there is no previous one."""
    index, normed = fork, False
    for _ in range(_MOST_STEPS):
        if index < 0 or marks.weighted(index):
            return None
        if index in adds:
            return normed
        normed = normed or index in marks.norms
        index = marks.before(index)
    return None


def as_it_is(graph: Graph, index: int) -> Iterator[int]:
    """Yield a node and the upstream nodes with the same values, except for views, factors and learned offsets."""
    while index >= 0:
        yield index
        data = graph.data(index)
        passes = graph.names[index] in vocab.LAYOUT | vocab.ADDITIVE | vocab.MULTIPLICATIVE
        index = data[0] if len(data) == 1 and passes else -1
