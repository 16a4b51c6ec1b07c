"""What single nodes of a graph are: operations with a weight, norms, residual adds."""

from __future__ import annotations

from dataclasses import dataclass, field

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.operations import Operation


@dataclass(frozen=True)
class Residual:
    """An add that brings a branch back to the trunk it left."""

    fork: int  # the trunk where the branch leaves it
    trunk: int  # the producer of the trunk's side of the add
    branch: int  # the producer of the branch's side of the add
    ends: frozenset[int]  # operations from which the branch reaches the add without meeting another one
    shortcut: int | None = None  # the one operation on the trunk's side, a projection; None: the trunk as it is


@dataclass
class Landmarks:
    """A graph and what is known of its nodes."""

    graph: Graph
    operations: dict[int, Operation]
    norms: dict[int, int]  # normalization node -> what it normalizes
    dominators: list[int]  # for each node the last one that all ways to it pass
    residuals: dict[int, Residual] = field(default_factory=dict)  # add -> the branch that it adds to its trunk
    projections: dict[int, Residual] = field(default_factory=dict)  # the same where a layer projects the trunk
    leads_on: list[bool] = field(default_factory=list)  # whether an operation with a weight follows the node

    def __post_init__(self) -> None:
        self._weighted = {node for node, each in self.operations.items() if each.kind not in ELEMENTWISE}

    def weighted(self, index: int) -> bool:
        """Whether a node is an operation with a weight, norms and learned scales apart."""
        return index in self._weighted

    def before(self, index: int) -> int:
        """The node whose signal this one passes on, normalized, scaled or laid out; -1 where several join or none."""
        if index in self.norms:
            return self.norms[index]
        data = self.graph.data(index)
        if len(data) == 2 and self.graph.names[index] == "Sub" and self._mean_of(data[1], data[0]):
            return data[0]
        return data[0] if len(data) == 1 else -1

    def _mean_of(self, index: int, signal: int) -> bool:
        return self.graph.names[index] == "Mean" and self.graph.data(index) == [signal]
