"""The roles of the nodes of a graph: operations with a weight, norms, residual adds."""

from __future__ import annotations

from dataclasses import dataclass, field

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation


@dataclass(frozen=True)
class Residual:
    """An add that joins a residual branch and its trunk."""

    fork: int  # the node of the trunk where the branch starts
    trunk: int  # the operand of the add on the trunk
    branch: int  # the operand of the add on the branch
    ends: frozenset[int]  # last operations of the branch before the add
    shortcut: int | None = None  # the projection on the trunk; None: the trunk is unchanged


@dataclass
class Landmarks:
    """A graph and the roles of its nodes."""

    graph: Graph
    operations: dict[int, Operation]
    norms: dict[int, int]  # normalization node -> the node that it normalizes
    dominators: list[int]  # for each node the last node on all paths to it
    residuals: dict[int, Residual] = field(default_factory=dict)  # add -> its residual branch
    projections: dict[int, Residual] = field(default_factory=dict)  # the same with a projection on the trunk
    leads_on: list[bool] = field(default_factory=list)  # by node: whether an operation with a weight follows
    follows: list[bool] = field(default_factory=list)  # by node: whether an operation with a weight comes before it

    def __post_init__(self) -> None:
        self._weighted = {node for node, each in self.operations.items() if each.kind not in ELEMENTWISE}

    def weighted(self, index: int) -> bool:
        """Return whether a node is an operation with a weight, other than norms and learned scales."""
        return index in self._weighted

    def before(self, index: int) -> int:
        """Return the node whose signal this one normalizes, scales or rearranges; -1 for several signals or none."""
        if index in self.norms:
            return self.norms[index]
        data = self.graph.data(index)
        if len(data) == 2 and self.graph.names[index] == "Sub" and self._mean_of(data[1], data[0]):
            return data[0]
        return data[0] if len(data) == 1 else -1

    def _mean_of(self, index: int, signal: int) -> bool:
        return self.graph.names[index] == "Mean" and self.graph.data(index) == [signal]
