"""The layers of a network: each weight with its statistics and its position in the network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from inithealth.layer_kinds import DRAWN
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.operations import Operation
from inithealth.record.layers.flow_fields import place_in_flow, ways_to_loss
from inithealth.record.layers.naming import Naming, dimensions, module_kind
from inithealth.record.saved.replay import operand_tensor
from inithealth.record.statistics.stacks import slice_rms
from inithealth.record.statistics.weights import describe, unit_rows
from inithealth.record.tensors import full_tensor
from inithealth.recording import Layer, Weight

_GATES: tuple[tuple[tuple[type[nn.Module], ...], int], ...] = (
    ((nn.LSTM, nn.LSTMCell), 4),
    ((nn.GRU, nn.GRUCell), 3),
    ((nn.RNN, nn.RNNCell), 1),
)


@dataclass
class _Draft:
    """A layer to be described: a parameter and the operations that use it as their weight."""

    name: str
    parameter: str
    nodes: list[int] = field(default_factory=list)


class Outline(NamedTuple):
    """A layer without the statistics of its weight and bias."""

    layer: Layer
    parameter: str  # its weight
    statistics: Callable[[], dict[str, Weight | None]]  # the fields `weight` and `bias`; reads the parameters
    node: int | None  # of the graph, of the last operation with the weight
    reads: tuple[str, ...]  # the parameters
    computed: bool  # whether they are those of a tensor that the graph saved, and frees in the backward pass


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
        unit_axis=_axis(kind, naming.parameters[name], uses, module),
        groups=_groups(uses, module),
        transformed=any(use.transformed for use in uses),
        packed=_packed(kind, uses, module),
        called=bool(uses) or bool(leaves) or home in called,
        reaches_loss=bool(leaves),
        **place_in_flow(flow, draft.nodes),
        **ways_to_loss(flow, draft.nodes or leaves),
    )
    computed = layer.transformed and kind in DRAWN
    statistics = partial(_statistics, draft, naming, flow, uses, kind, module, biases)
    last = draft.nodes[-1] if draft.nodes else None
    return Outline(layer, name, statistics, last, (name, biases[name]) if name in biases else (name,), computed)


def _statistics(
    draft: _Draft,
    naming: Naming,
    flow: Flow | None,
    uses: list[Operation],
    kind: str,
    module: nn.Module | None,
    biases: dict[str, str],
) -> dict[str, Weight | None]:
    bias = biases.get(draft.parameter)
    return {
        "weight": _weight(draft, naming, flow, uses, kind, module, biases),
        "bias": describe(bias, full_tensor(naming.parameters[bias]), trainable=bias in naming.trainable)
        if bias
        else None,
    }


def _weight(
    draft: _Draft,
    naming: Naming,
    flow: Flow | None,
    uses: list[Operation],
    kind: str,
    module: nn.Module | None,
    biases: dict[str, str],
) -> Weight | None:
    parameter = naming.parameters[draft.parameter]
    values, axis = full_tensor(parameter.detach()), _axis(kind, parameter, uses, module)
    if uses and uses[0].transformed and flow is not None and kind in DRAWN:
        used = operand_tensor(flow.graph, uses[0])
        if used is not None and used.ndim > 1:
            values, axis = used, _used_axis(kind, uses[0])
    groups = _groups(uses, module)
    # The units of experts and of a grouped transposed convolution do not form one matrix.
    separate = kind not in DRAWN or (groups > 1 and (kind == "bmm" or axis != 0))
    rows = None if separate else unit_rows(values, axis)
    fan_in, fan_out = _fans(kind, parameter, rows, uses, _packed(kind, uses, module))
    bias = biases.get(draft.parameter)
    found = describe(
        draft.parameter,
        values,
        trainable=draft.parameter in naming.trainable,
        fan_in=fan_in,
        fan_out=fan_out,
        rows=rows,
        bias=full_tensor(naming.parameters[bias]) if bias and kind != "embedding" else None,
        groups=groups if kind == "conv" else 1,
        tied_to=naming.tied.get(draft.parameter, ()),
    )
    if found is not None and kind in ("linear", "bmm") and not any(use.transformed for use in uses):
        found = found.model_copy(update={"slice_rms": slice_rms(values)})
    # The units of a weight made positive, by a square or an exponential, are expected to be similar.
    made = found is not None and bool(uses) and uses[0].transformed
    positive = made and bool(values.min() >= 0) and bool(parameter.detach().min() < 0)
    return found.model_copy(update={"row_cosine": 0.0}) if found is not None and positive else found


def _axis(kind: str, parameter: Tensor, uses: list[Operation], module: nn.Module | None) -> int | None:
    """Return the axis of the parameter that indexes the units; None if it is unknown."""
    if dimensions(parameter) < 2:
        return None
    if uses and kind != "rnn" and not uses[0].transformed:
        return uses[0].unit_axis
    return 1 if getattr(module, "transposed", False) else None if kind == "other" else 0


def _used_axis(kind: str, operation: Operation) -> int | None:
    """Return the unit axis of the operation's operand."""
    if kind == "conv":
        return operation.unit_axis
    return None if kind == "bmm" else 0 if operation.operand == 0 else 1


def _groups(uses: list[Operation], module: nn.Module | None) -> int:
    groups = uses[0].groups if uses else getattr(module, "groups", 1)
    return groups if isinstance(groups, int) else 1


def _packed(kind: str, uses: list[Operation], module: nn.Module | None) -> int:
    """Return the number of projections in a weight; without a flow, by the type of its module."""
    if uses and kind != "rnn":
        return uses[0].packed
    return next((gates for types, gates in _GATES if isinstance(module, types)), uses[0].packed if uses else 1)


def _fans(
    kind: str, parameter: Tensor, rows: Tensor | None, uses: list[Operation], packed: int
) -> tuple[int | None, int | None]:
    if kind not in DRAWN:
        return None, None
    if uses and kind != "rnn":
        return uses[0].fan_in, uses[0].fan_out
    if kind == "embedding":
        return 1, parameter.shape[-1]
    return (rows.shape[1], rows.shape[0] // packed) if rows is not None else (None, None)
