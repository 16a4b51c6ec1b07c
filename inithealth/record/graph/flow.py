"""What each operation feeds and reads, from the autograd graph.

Networks with ``F.relu`` and with ``nn.ReLU`` have the same graph, so they have the same flow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from inithealth.layer_kinds import ELEMENTWISE
from inithealth.layer_uses import Steers
from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph import trunk
from inithealth.record.graph.consumers import Meets, Target, targets
from inithealth.record.graph.dominators import essential_nodes, immediate_dominators, immediate_post_dominators
from inithealth.record.graph.generated_weights import GeneratedWeights, generated_weights
from inithealth.record.graph.gradient_paths import over_one, over_selected, reaching, scores
from inithealth.record.graph.graph import Graph
from inithealth.record.graph.landmarks import Landmarks
from inithealth.record.graph.learned_scales import norm_weights, passed_scales
from inithealth.record.graph.normalization import norms
from inithealth.record.graph.operations import operations
from inithealth.record.graph.packing import unpacked
from inithealth.record.graph.residuals import find_residuals
from inithealth.record.graph.steering import Sources, steering
from inithealth.record.graph.unjudged import unjudged


@dataclass
class Flow(Landmarks):
    """The operations of a graph, what they feed, and where signals join and split."""

    branch_ends: set[int] = field(default_factory=set)
    branches: int = 0  # residual branches on the path to the loss
    trunk_normalized: bool = False  # the residual trunk itself is normalized, as in a post-norm transformer
    essential: set[int] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)  # weight -> the unknown node that uses it
    unknown: tuple[str, ...] = ()  # names of unknown nodes, each once
    meets: Meets = field(default_factory=list)
    unjudged: tuple[str, ...] = ()  # elementwise functions after a layer that have no row in the activation table
    scales: list[tuple[str, ...]] = field(default_factory=list)  # by node: learned scales before the next layer
    forks: set[int] = field(default_factory=set)  # where residual branches leave the trunk
    trunk_nodes: set[int] = field(default_factory=set)  # the trunk at the forks, without views and added terms
    valued: list[bool] = field(
        default_factory=list
    )  # by node: whether its values reach the loss, not only as scores or positions
    moved: list[bool] = field(default_factory=list)  # by node: whether it can get a gradient
    weighs: list[bool] = field(default_factory=list)  # by node: whether its values do more than select an element
    steered: dict[int, Sources] = field(default_factory=dict)  # sampling node -> operations that set its positions
    generated: GeneratedWeights = field(default_factory=GeneratedWeights)  # outputs used as weights

    def activation(self, node: int) -> Target | None:
        """Return the first non-linearity after a node, also after normalization; None if there is none."""
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
        """Return activation node -> the operations that feed it."""
        fed: dict[int, list[int]] = {}
        for node, operation in self.operations.items():
            target = None if operation.kind in ELEMENTWISE else self.activation(node)
            if target is not None:
                fed.setdefault(target.node, []).append(node)
        return fed

    def inputs(self) -> set[int]:
        """Return the ``id`` of every leaf, except parameters, that is a layer's input without a norm or sine before."""
        return {
            id(self.graph.nodes[index].variable)  # type: ignore[attr-defined]
            for index, name in enumerate(self.graph.names)
            if name == "AccumulateGrad" and index not in self.graph.parameters and self._meets_weight(index)
        }

    def _meets_weight(self, index: int) -> bool:
        """Return whether it is a signal, not the weights of one (adjacency, attention's queries and keys)."""
        return any(
            target.what in ("layer", "residual") or (target.what, target.name) == ("attention", "v")
            for target in self.meets[index]
        )

    def is_head(self, node: int) -> bool:
        """Return whether there is no other weight between a node and the loss.

        Positions at which another signal is sampled, and scores that weigh other signals, are no predictions.
        """
        return not self.leads_on[node] and self.valued[node]

    def doubled(self, node: int) -> bool:
        """Return whether the output of an operation is added to itself, as in a skip connection with a typo."""
        readers = self.graph.readers(node)
        while len(readers) == 1 and self.graph.names[readers[0][0]] in vocab.LAYOUT:
            node = readers[0][0]
            readers = self.graph.readers(node)
        adds = {reader for reader, _ in readers}
        return len(readers) == 2 and len(adds) == 1 and self.graph.names[adds.pop()] == "Add"

    def steers(self, node: int) -> Steers:
        """Return how the output of an operation sets positions at which a signal is sampled, or that it is a weight."""
        if node in self.generated.sources:
            return "weight"
        return next((sources[node] for sources in self.steered.values() if node in sources), "")

    def is_trunk(self, node: int) -> bool:
        """Return whether a residual branch starts directly after a node, without a norm in between."""
        return node in self.trunk_nodes

    def reads_norm(self, node: int) -> bool:
        """Return whether the input of an operation is the output of a norm."""
        return trunk.reads_norm(self, node)

    def reads_trunk(self, node: int) -> bool:
        """Return whether an operation is the first of a residual branch; norms with a weight count as operations."""
        shortcut = any(projection.shortcut == node for projection in self.projections.values())
        return not shortcut and trunk.reads_trunk(self, node, self.forks)


def flow_of(graph: Graph) -> Flow:
    flow = Flow(graph, operations(graph), norms(graph), immediate_dominators(graph))
    find_residuals(flow)
    after = immediate_post_dominators(graph)
    flow.essential = essential_nodes(graph, after)
    flow.branch_ends = {end for residual in flow.residuals.values() for end in residual.ends}
    flow.forks = {join.fork for joins in (flow.residuals, flow.projections) for join in joins.values()}
    flow.trunk_nodes = {source for fork in flow.forks for source in trunk.as_it_is(graph, fork)}
    adds = trunk.trunk_adds(flow, after)
    flow.branches = trunk.count_branches(flow, adds)
    flow.trunk_normalized = trunk.trunk_normalized(flow, adds)
    flow.unread = dict(_unread(flow))
    flow.unknown = tuple(sorted({name for name in graph.names if not vocab.known(name)}))
    flow.scales = passed_scales(flow)
    flow.valued, flow.moved = reaching(graph, scores), reaching(graph, over_one)
    flow.weighs = reaching(graph, over_selected)
    flow.steered = steering(flow)
    _look_back(flow)
    _look_ahead(flow)
    flow.generated = generated_weights(flow, flow.meets)
    flow.unjudged = unjudged(flow)
    for node in norm_weights(flow):
        flow.operations[node] = replace(flow.operations[node], kind="norm")
    flow.operations = {node: unpacked(flow, flow.meets, operation) for node, operation in flow.operations.items()}
    return flow


def _look_back(flow: Flow) -> None:
    """Find the nodes that an operation with a weight comes before, from the inputs on."""
    graph = flow.graph
    flow.follows = [False] * len(graph)
    for index in range(len(graph)):
        data = graph.data(index) if graph.pure[index] is None else []
        flow.follows[index] = any(flow.weighted(producer) or flow.follows[producer] for producer in data)


def _look_ahead(flow: Flow) -> None:
    """Fill in the targets of each node, from the loss backwards."""
    graph = flow.graph
    flow.meets, flow.leads_on = [()] * len(graph), [False] * len(graph)
    for index in reversed(range(len(graph))):
        if graph.pure[index] is None:
            readers = graph.readers(index)
            flow.meets[index] = targets(flow, flow.meets, index, readers) if readers else (_output(index),)
            flow.leads_on[index] = any(flow.weighted(reader) or flow.leads_on[reader] for reader, _ in readers)


def _output(index: int) -> Target:
    return Target("loss", "output", index)


_ADDED = vocab.LAYOUT | vocab.ARITHMETIC | vocab.NORMS | vocab.ATTENTION | vocab.ACTIVATIONS | vocab.POOLING


def _unread(flow: Flow) -> Iterator[tuple[str, str]]:
    """Yield weights that only unknown operations use, and the operation; biases and scales do not count."""
    graph = flow.graph
    known = {name for operation in flow.operations.values() for name in operation.weights}
    for index, name in graph.parameters.items():
        if name in known or len(graph.shape(index)) < 2:
            continue
        for consumer, _, _ in graph.consumers[index]:
            node = graph.names[consumer]
            if graph.pure[consumer] is None and node not in _ADDED and consumer not in flow.operations:
                yield name, node
