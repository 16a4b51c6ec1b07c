"""What each operation feeds: its activation, norm, residual add, the loss; read from the autograd graph.

A net written with ``F.relu`` and its twin with ``nn.ReLU`` have the same graph, hence the same flow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from inithealth.record import vocabulary as vocab
from inithealth.record.graph import Graph
from inithealth.record.operations import Operation, operations
from inithealth.record.paths import essential_nodes, immediate_dominators, peel
from inithealth.recording import Feeds

_MOST_TARGETS = 4  # an output read by more things than that is told by the first few


@dataclass(frozen=True)
class Target:
    """What an output meets: ("activation", "relu", node)."""

    what: Feeds
    name: str
    node: int
    scale: float = 1.0  # the constant that the output is multiplied by before


@dataclass
class Flow:
    """A graph read: operations, what they feed, where the signal joins and splits."""

    graph: Graph
    operations: dict[int, Operation]
    norms: dict[int, int] = field(default_factory=dict)  # normalization node -> what it normalizes
    residuals: dict[int, int] = field(default_factory=dict)  # add -> the producer of its branch
    branch_ends: set[int] = field(default_factory=set)
    essential: set[int] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)  # weight -> the node that uses it in a way not known here
    meets: list[tuple[Target, ...]] = field(default_factory=list)
    leads_on: list[bool] = field(default_factory=list)  # whether an operation with a weight follows the node

    def activation(self, node: int) -> Target | None:
        """The first non-linearity that a node's output meets, looking through normalization."""
        frontier, seen = [node], {node}
        while frontier:
            passed: list[int] = []
            for index in frontier:
                for target in self.meets[index]:
                    if target.what == "activation":
                        return target
                    if target.what == "norm" and target.node not in seen:
                        seen.add(target.node)
                        passed.append(target.node)
            frontier = passed
        return None

    def activations(self) -> dict[int, list[int]]:
        """Activation node -> the operations that feed it."""
        fed: dict[int, list[int]] = {}
        for node, operation in self.operations.items():
            target = None if operation.kind in ("norm", "scale") else self.activation(node)
            if target is not None:
                fed.setdefault(target.node, []).append(node)
        return fed

    def inputs(self) -> set[int]:
        """``id`` of every leaf tensor, parameters apart, whose scale reaches a weight: no norm or sine comes before."""
        return {
            id(self.graph.nodes[index].variable)  # type: ignore[attr-defined]
            for index, name in enumerate(self.graph.names)
            if name == "AccumulateGrad" and index not in self.graph.parameters and self._meets_weight(index)
        }

    def _meets_weight(self, index: int) -> bool:
        return any(target.what in ("layer", "attention", "residual") for target in self.meets[index])

    def is_head(self, node: int) -> bool:
        """Whether nothing with a weight stands between a node and the loss."""
        return not self.leads_on[node]


def flow_of(graph: Graph) -> Flow:
    flow = Flow(graph, operations(graph))
    flow.norms = _norms(graph)
    _find_residuals(flow)
    flow.essential = essential_nodes(graph)
    flow.unread = _unread(flow)
    flow.meets = [()] * len(graph)
    flow.leads_on = [False] * len(graph)
    for index in reversed(range(len(graph))):
        if graph.pure[index] is None:
            flow.meets[index] = _targets(flow, index)
            flow.leads_on[index] = any(_weighted(flow, r) or flow.leads_on[r] for r, _ in graph.readers(index))
    return flow


def _weighted(flow: Flow, index: int) -> bool:
    operation = flow.operations.get(index)
    return operation is not None and operation.kind not in ("norm", "scale")


_ADDED = vocab.LAYOUT | vocab.ARITHMETIC | vocab.NORMS | vocab.ATTENTION | vocab.ACTIVATIONS | vocab.POOLING


def _unread(flow: Flow) -> dict[str, str]:
    """Weights that only operations outside the vocabulary use; what is added to the signal, or scales it, is none."""
    graph = flow.graph
    known = {name for operation in flow.operations.values() for name in operation.weights}
    found: dict[str, str] = {}
    for index, name in graph.parameters.items():
        if name in known or len(graph.shape(index)) < 2:
            continue
        for consumer, _, _ in graph.consumers[index]:
            node = graph.names[consumer]
            if graph.pure[consumer] is None and node not in _ADDED and consumer not in flow.operations:
                found[name] = node
    return found


def _norms(graph: Graph) -> dict[int, int]:
    """Normalization nodes, composite ones too: x * rsqrt(mean(x^2) + eps), x / norm(x)."""
    found: dict[int, int] = {}
    for index, name in enumerate(graph.names):
        if graph.pure[index] is not None:
            continue
        edges = graph.edges[index]
        if name in vocab.NORMS:
            found[index] = edges[0][0]
        elif name in ("Mul", "Div") and len(edges) == 2:
            for this, other in ((0, 1), (1, 0)):
                if graph.is_data(edges[other][0]) and _is_statistic(graph, edges[this][0]):
                    found[index] = edges[other][0]
    return found


_STATISTIC_PARTS = frozenset(
    "Rsqrt Sqrt LinalgVectorNorm Norm Std Var Pow Reciprocal Mean Sum ClampMin Clamp Add Expand Div ToCopy Mul".split()
)


def _is_statistic(graph: Graph, index: int) -> bool:
    """Whether a node is the inverse size of a signal: a mean or norm below a root."""
    rooted = averaged = False
    for _ in range(8):
        name = graph.names[index] if index >= 0 else ""
        if not graph.is_data(index) or name not in _STATISTIC_PARTS:
            return False
        rooted = rooted or name in ("Rsqrt", "Sqrt", "LinalgVectorNorm", "Norm", "Std")
        averaged = averaged or name in ("Mean", "Sum", "LinalgVectorNorm", "Norm", "Std", "Var")
        if rooted and averaged:
            return True
        index = graph.edges[index][0][0]
    return False


def _find_residuals(flow: Flow) -> None:
    """Adds of a path without weights and one with some, from the same fork; the operations that end the latter."""
    graph = flow.graph
    dominators = immediate_dominators(graph)
    for index, name in enumerate(graph.names):
        if name not in vocab.ADDITIVE or graph.pure[index] is not None or index in flow.norms:
            continue
        sides = graph.data(index)
        fork = dominators[index]
        if len(sides) != 2 or fork < 0:
            continue
        ends = [_ends(flow, side, fork) for side in sides]
        if bool(ends[0]) != bool(ends[1]):
            branch = 0 if ends[0] else 1
            flow.residuals[index] = sides[branch]
            flow.branch_ends |= ends[branch]


def _ends(flow: Flow, start: int, fork: int) -> set[int]:
    """The weighted operations from which the signal reaches ``start`` without meeting another one."""
    found: set[int] = set()
    stack, seen = [start], set[int]()
    while stack and len(seen) < 400:  # a parameter-free path longer than that is no residual branch
        index = stack.pop()
        if index <= fork or index in seen:  # topological order: nothing above the fork lies on the side
            continue
        seen.add(index)
        if _weighted(flow, index):
            found.add(index)
        else:
            stack += flow.graph.data(index)
    return found


def _targets(flow: Flow, index: int) -> tuple[Target, ...]:
    graph, found = flow.graph, {}
    readers = graph.readers(index)
    if not readers:
        return (Target("loss", "output", index),)
    for consumer, operand in readers:
        for target in _met(flow, index, consumer, operand):
            found[(target.what, target.name)] = target
        if len(found) >= _MOST_TARGETS:
            break
    return tuple(found.values())


def _met(flow: Flow, index: int, consumer: int, operand: int) -> tuple[Target, ...]:
    """What is met at a consumer: itself, or, where it lets the signal pass, what comes after it."""
    graph, name = flow.graph, flow.graph.names[consumer]
    if consumer in flow.norms:
        return (Target("norm", name, consumer),) if flow.norms[consumer] == index else ()
    if consumer in flow.operations and flow.operations[consumer].kind != "scale":
        return (Target("layer", flow.operations[consumer].kind, consumer),)
    if name in vocab.ATTENTION:
        return (Target("attention", "qkv"[operand] if operand < 3 else "bias", consumer),)
    if name in vocab.LOSSES or name == "LogSoftmax":
        return (Target("loss", name, consumer),)
    if name in vocab.OPERATIONS:  # two signals multiplied
        return (Target("attention", "qkv"[min(operand, 1)], consumer),)
    activation = _activation(graph, consumer)
    if activation is not None:
        return (Target("activation", activation, consumer),)
    if name in _STATISTIC_PARTS and any(flow.norms.get(reader) == index for reader, _ in graph.readers(index)):
        return ()  # on its way into the statistics of a norm
    if consumer in flow.residuals and peel(graph, flow.residuals[consumer]) == peel(graph, index):
        return (Target("residual", name, consumer),)
    if name in vocab.MULTIPLICATIVE and len(graph.data(consumer)) > 1:
        return (Target("gate", name, consumer),)
    beyond = flow.meets[consumer] or (Target("loss", "output", consumer),)
    scale = _constant_factor(graph, consumer)
    return beyond if scale == 1.0 else tuple(replace(target, scale=target.scale * scale) for target in beyond)


def _constant_factor(graph: Graph, index: int) -> float:
    """The number that a node multiplies the signal by; 1 for every other node."""
    if graph.names[index] not in ("Mul", "Div") or all(producer >= 0 for producer, _ in graph.edges[index]):
        return 1.0
    factor = graph.saved(index, "other")
    if not isinstance(factor, Tensor) or factor.numel() != 1 or not float(factor):
        return 1.0
    return abs(float(factor)) if graph.names[index] == "Mul" else 1 / abs(float(factor))


def _activation(graph: Graph, index: int) -> str | None:
    """The name users know an activation node by; None for nodes that are none."""
    name = graph.names[index]
    if name == "Clamp":  # at zero from below it is a ReLU, from both sides a hard tanh
        low, high = graph.saved(index, "min"), graph.saved(index, "max")
        return None if low is None else "hardtanh" if high is not None else "relu" if low == 0 else None
    scale = graph.saved(index, "scale") if name == "Elu" else None
    if isinstance(scale, float) and abs(scale - 1.0507) < 1e-3:
        return "selu"
    return vocab.ACTIVATION_NAMES.get(name)
