"""The layers of a network: each weight with its statistics and its position in the network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from inithealth.record.graph.flow import Flow
from inithealth.record.layers.flow_fields import place_in_flow, ways_to_loss
from inithealth.record.layers.naming import Naming, dimensions, module_kind
from inithealth.record.layers.weight_use import WeightUse
from inithealth.recording import Layer


@dataclass
class _Draft:
    """A layer to be described: a parameter and the operations that use it as their weight."""

    name: str
    parameter: str
    nodes: list[int] = field(default_factory=list)


class Outline(NamedTuple):
    """A layer without the statistics of its weight and bias."""

    layer: Layer
    use: WeightUse
    node: int | None  # of the graph, of the last operation with the weight


def outlines(naming: Naming, flow: Flow | None, called: Collection[str]) -> tuple[Outline, ...]:
    """Return one layer per weight, in forward order: matrices, embeddings, norm weights, learned scales.

    Args:
        called: names of the modules that were called.
    """
    drafts = _drafts(naming, flow)
    biases = _biases(naming, flow)
    factors = _factors(naming, flow)
    taken = {draft.parameter for draft in drafts} | set(biases.values()) | factors
    for name, parameter in naming.parameters.items():
        kind = module_kind(naming.modules.get(naming.module(name)))
        is_norm_weight = kind == "norm" and name.endswith("weight")
        if name not in taken and (dimensions(parameter) > 1 or is_norm_weight):
            drafts.append(_Draft(naming.layer(name), name))
    return tuple(_outline(index, draft, naming, flow, biases, called) for index, draft in enumerate(drafts))


def _drafts(naming: Naming, flow: Flow | None) -> list[_Draft]:
    """Return the layers of the flow, in order of their first use."""
    drafts: dict[tuple[str, str], _Draft] = {}
    for node, name in (naming.layers(flow) if flow is not None else {}).items():
        operation = flow.operations[node] if flow is not None else None
        main = naming.main(operation) if operation is not None else None
        if operation is None or main is None:
            continue
        drafts.setdefault((name, main), _Draft(name, main)).nodes.append(node)
        if operation.kind == "rnn":  # a fused recurrent layer has several weights
            for other in operation.weights:
                if dimensions(naming.parameters[other]) > 1 and other != main:
                    key = naming.layer(other), other
                    drafts.setdefault(key, _Draft(*key)).nodes.append(node)
    return list(drafts.values())


def _biases(naming: Naming, flow: Flow | None) -> dict[str, str]:
    """Return the bias of each weight: from the flow, otherwise by its name."""
    found: dict[str, str] = {}
    for operation in flow.operations.values() if flow is not None else ():
        main = naming.main(operation)
        if main is not None and operation.bias is not None:
            found.setdefault(main, operation.bias)
    for name in naming.parameters:
        module, _, last = name.replace("parametrizations.weight.original1", "weight").rpartition(".")
        sibling = f"{module}.{last.replace('weight', 'bias', 1)}".lstrip(".")
        if "weight" in last and name not in found and sibling in naming.parameters:
            found[name] = sibling
    return found


def _factors(naming: Naming, flow: Flow | None) -> set[str]:
    """Return the other factors of computed weights, such as the magnitude of weight norm: they are not layers."""
    return {
        name
        for operation in (flow.operations.values() if flow is not None else ())
        if operation.transformed
        for name in operation.weights
        if name != naming.main(operation)
    }


def _outline(
    index: int, draft: _Draft, naming: Naming, flow: Flow | None, biases: dict[str, str], called: Collection[str]
) -> Outline:
    name = draft.parameter
    uses = [flow.operations[node] for node in draft.nodes] if flow is not None else []
    # The second use of a tied weight gets the name of the module that ties it.
    home = draft.name if draft.name in naming.modules else naming.module(name)
    module = naming.modules.get(home, naming.modules.get(name.rpartition(".")[0]))
    kind = uses[0].kind if uses else module_kind(module)
    use = WeightUse(naming, flow, name, biases.get(name), kind, uses, module)
    leaves = [node for node, each in flow.graph.parameters.items() if each == name] if flow is not None else []
    layer = Layer(
        name=draft.name,
        module=home,
        kind=kind,
        type_name=type(module).__name__,
        place=naming.place(name),
        index=index,
        weight=None,
        bias=None,
        unit_axis=use.unit_axis,
        groups=use.groups,
        transformed=any(each.transformed for each in uses),
        packed=use.packed,
        called=bool(uses) or bool(leaves) or home in called,
        reaches_loss=bool(leaves),
        **place_in_flow(flow, draft.nodes),
        **ways_to_loss(flow, draft.nodes or leaves),
    )
    return Outline(layer, use, draft.nodes[-1] if draft.nodes else None)
