"""Searches a residual branch backwards for the node where it leaves the trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.landmarks import Landmarks
from inithealth.record.graph.slices import Selection, is_other_part

_MOST_TRUNK = 32  # nodes without a weight on the trunk, parallel to a branch
_MOST_BRANCH = 1000  # nodes of one branch that are searched for the fork
_STEPS_A_NODE = 2  # limit per node for all searches, so that their cost is linear in the graph
# State of a backward search through a branch.
_NOTHING, WEIGHT, _NON_LINEAR, SECOND_WEIGHT = range(4)

Edge = tuple[int, int]  # (producer, index of its output)


@dataclass(frozen=True)
class Chain:
    """The nodes upstream of a signal, each with one input signal, up to and including the last."""

    start: int
    end: int
    lowest: int
    nodes: frozenset[int]
    selections: tuple[Selection, ...]  # selected parts of a signal: another part is not its trunk


class Search:
    """Searches backwards through branches, with a limit on the total cost."""

    def __init__(self, marks: Landmarks) -> None:
        self.marks, self.left, self.allowed = marks, 0, 0

    def allow(self, index: int) -> None:
        """Add the budget of a node and the unused budget of earlier nodes."""
        allowed = _MOST_BRANCH + _STEPS_A_NODE * index
        self.left, self.allowed = self.left + allowed - self.allowed, allowed

    def chain(self, edge: Edge, last: int = -1) -> Chain:
        """Return the chain upstream of an edge, up to a weight, a node with several signals, or the node ``last``."""
        graph, nodes, selections = self.marks.graph, list[int](), list[Selection]()
        while edge[0] >= 0 and len(nodes) < _MOST_TRUNK:
            index, output = edge
            nodes.append(index)
            if graph.names[index] in vocab.SELECTING:
                selections.append(Selection(index, output))
            if index == last or self.marks.weighted(index):
                break
            edge = self._earlier(index)
        return Chain(nodes[0], nodes[-1], min(nodes), frozenset(nodes), tuple(selections))

    def _earlier(self, index: int) -> Edge:
        graph = self.marks.graph
        if graph.pure[index] is not None:
            return graph.edges[index][0] if len(graph.edges[index]) == 1 else (-1, 0)
        joined = self.marks.residuals.get(index)
        if joined is not None:  # the trunk continues upstream of another branch
            return next(edge for edge in graph.edges[index] if edge[0] == joined.trunk)
        before = self.marks.before(index)
        return next((edge for edge in graph.edges[index] if edge[0] == before >= 0), (-1, 0))

    def fork(self, branch: int, chain: Chain, required: int, barred: int = -1) -> int:
        """Return the node of the chain where a branch leaves it; -1 if there is none.

        Args:
            required: state that the branch must reach, such as `SECOND_WEIGHT`.
            barred: a node that the branch must not contain.
        """
        graph, selections = self.marks.graph, chain.selections
        stack, seen = [(branch, _NOTHING)], set[tuple[int, int]]()
        while stack and self.left > 0 and len(seen) < _MOST_BRANCH:
            state = stack.pop()
            if state in seen:
                continue
            seen.add(state)
            self.left -= 1
            index, passed = state[0], self._passed(*state)
            for producer, output in self._edges(index):
                if producer < chain.lowest or (
                    selections and is_other_part(graph, selections, index, producer, output)
                ):
                    continue
                if producer not in chain.nodes:
                    if graph.pure[producer] is None and producer != barred:
                        stack.append((producer, passed))
                elif passed >= required:
                    return producer
        return -1

    def _edges(self, index: int) -> Sequence[Edge]:
        """Return the input edges of a node; a nested branch is skipped, because its inputs are not the trunk."""
        residual = self.marks.residuals.get(index) or self.marks.projections.get(index)
        return self.marks.graph.edges[index] if residual is None else ((residual.fork, 0),)

    def _passed(self, index: int, passed: int) -> int:
        if index in self.marks.residuals or index in self.marks.projections:
            return SECOND_WEIGHT
        if self.marks.weighted(index):
            return passed + 1 if passed in (_NOTHING, _NON_LINEAR) else passed
        if passed == WEIGHT and (index in self.marks.norms or self.marks.graph.names[index] in vocab.NON_LINEAR):
            return _NON_LINEAR
        return passed
