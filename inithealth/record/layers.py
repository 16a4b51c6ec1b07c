"""The layers of a network: each weight with its statistics and its place in the flow."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from inithealth.record import vocabulary as vocab
from inithealth.record.flow import Flow, Target
from inithealth.record.names import owner, parameter_names, strip, tied_names
from inithealth.record.operations import Operation
from inithealth.record.replay import operand_tensor
from inithealth.record.weights import describe, unit_rows
from inithealth.recording import Feeds, Layer, Weight

# What an output meets, the most telling first.
_PRIORITY: tuple[Feeds, ...] = ("activation", "norm", "attention", "gate", "residual", "layer", "loss")
_MODULE_KINDS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    ((nn.Linear,), "linear"),
    ((nn.modules.conv._ConvNd,), "conv"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    ((nn.RNNBase, nn.RNNCellBase), "rnn"),
    ((nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), "norm"),
    ((nn.Bilinear,), "bilinear"),
)


class Naming:
    """Layer names: the module's, or the parameter's where a module has several weight matrices."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = {strip(name): module for name, module in model.named_modules()}
        self.parameters: dict[str, Tensor] = {}
        names = parameter_names(model)
        for parameter in model.parameters():
            self.parameters[names[id(parameter)]] = parameter
        self.trainable = {name for name, parameter in self.parameters.items() if parameter.requires_grad}
        self._matrices: dict[str, int] = {}
        for name, parameter in self.parameters.items():
            if shape_of(parameter, 0) > 1 and "parametrizations." not in name:
                home = owner(name, self.modules)
                self._matrices[home] = self._matrices.get(home, 0) + 1

    def layer(self, parameter: str) -> str:
        home = owner(parameter, self.modules)
        return parameter if self._matrices.get(home, 0) > 1 else home

    def module(self, parameter: str) -> str:
        return owner(parameter, self.modules)


def shape_of(parameter: Tensor, default: int) -> int:
    """Number of dimensions; uninitialised lazy parameters have none."""
    return default if isinstance(parameter, nn.parameter.UninitializedParameter) else parameter.ndim


@dataclass
class _Uses:
    """The operations that a parameter is the weight of, and those that it is the bias of."""

    weight: dict[str, list[tuple[int, Operation]]] = field(default_factory=dict)
    factors: set[str] = field(default_factory=set)  # the lesser factors of weight norm and the like: no layers
    bias: dict[str, str] = field(default_factory=dict)  # weight -> bias


def layers_of(model: nn.Module, naming: Naming, flow: Flow | None, called: list[str]) -> tuple[Layer, ...]:
    """One Layer for every weight: matrices, embeddings, norm weights, learned scales; in the order of the flow."""
    uses = _uses(naming, flow)
    tied = tied_names(model)
    no_layers = set(uses.bias.values()) | (uses.factors - uses.weight.keys())
    in_graph = set(flow.graph.parameters.values()) if flow is not None else set()
    order = {name: place for place, name in enumerate(uses.weight)}
    weights = [name for name in naming.parameters if name not in no_layers and _is_weight(name, naming, uses)]
    weights.sort(key=lambda name: order.get(name, len(order)))
    return tuple(
        _layer(index, name, naming, uses, flow, tied.get(name, ()), in_graph, called)
        for index, name in enumerate(weights)
    )


def _uses(naming: Naming, flow: Flow | None) -> _Uses:
    uses = _Uses()
    for index, operation in (flow.operations if flow is not None else {}).items():
        # Weight norm has a direction and a length: the larger is the weight.
        main = [p for p in operation.weights if p in naming.parameters]
        if operation.transformed and main:
            uses.factors.update(main)
            main = [max(main, key=lambda p: naming.parameters[p].numel())]
        for name in main:
            if operation.kind in ("norm", "scale") or naming.parameters[name].ndim > 1:
                uses.weight.setdefault(name, []).append((index, operation))
        if operation.bias is not None and main:
            uses.bias.setdefault(main[0], operation.bias)
    for name, parameter in naming.parameters.items():
        if name in uses.bias or shape_of(parameter, 0) < 1:
            continue
        sibling = _sibling_bias(name)
        if sibling in naming.parameters and name != sibling:
            uses.bias.setdefault(name, sibling)
    return uses


def _sibling_bias(name: str) -> str:
    module, _, last = name.replace("parametrizations.weight.original1", "weight").rpartition(".")
    last = last.replace("weight", "bias", 1) if "weight" in last else "bias" if last in ("original0",) else ""
    return f"{module}.{last}".lstrip(".") if last else ""


def _is_weight(name: str, naming: Naming, uses: _Uses) -> bool:
    parameter = naming.parameters[name]
    if shape_of(parameter, 0) > 1:
        return True
    kind = _module_kind(naming.modules.get(naming.module(name)))
    return name in uses.weight or (kind == "norm" and name.rpartition(".")[2] == "weight")


def _module_kind(module: nn.Module | None) -> str:
    return next((kind for types, kind in _MODULE_KINDS if isinstance(module, types)), "other")


def _layer(
    index: int,
    name: str,
    naming: Naming,
    uses: _Uses,
    flow: Flow | None,
    tied: tuple[str, ...],
    in_graph: set[str],
    called: list[str],
) -> Layer:
    module = naming.module(name)
    found = uses.weight.get(name, [])
    owner_module = naming.modules.get(module) or naming.modules.get(name.rpartition(".")[0])
    kind = found[0][1].kind if found else _module_kind(owner_module)
    bias_name = uses.bias.get(name)
    bias = naming.parameters.get(bias_name) if bias_name else None
    place = _place(flow, found)
    return Layer(
        name=naming.layer(name),
        module=module,
        kind=kind,
        type_name=type(owner_module).__name__,
        index=index,
        weight=_weight(name, naming, bias, kind, flow, found, tied, owner_module),
        bias=None if bias is None or bias_name is None else describe(bias_name, bias, trainable=bias_name in naming.trainable),
        groups=_groups(found, owner_module),
        called=bool(found) or module in called,
        unit_axis=_axis(kind, naming.parameters[name], found[0][1] if found else None, owner_module),
        reaches_loss=name in in_graph,
        **place,
    )


def _weight(
    name: str,
    naming: Naming,
    bias: Tensor | None,
    kind: str,
    flow: Flow | None,
    found: list[tuple[int, Operation]],
    tied: tuple[str, ...],
    module: nn.Module | None,
) -> Weight | None:
    parameter = naming.parameters[name]
    if shape_of(parameter, 0) == 0 and not found:
        return None
    operation = found[0][1] if found else None
    values, axis = parameter.detach(), _axis(kind, parameter, operation, module)
    if operation is not None and operation.transformed and flow is not None and kind not in ("norm", "scale"):
        used = operand_tensor(flow.graph, operation)
        if used is not None and used.ndim > 1:
            values, axis = used, _used_axis(kind, operation)
    rows = None if kind in ("norm", "scale", "other") else unit_rows(values, axis)
    fan_in, fan_out = _fans(kind, parameter, rows, operation)
    groups = _groups(found, module)
    if kind == "bmm" or (groups > 1 and axis != 0):
        rows = None  # the units of each expert stand apart: not judged row by row
    return describe(
        name,
        values,
        trainable=name in naming.trainable,
        fan_in=fan_in,
        fan_out=fan_out,
        rows=rows,
        bias=bias if kind != "embedding" else None,
        groups=groups if kind == "conv" else 1,
        tied_to=tied,
    )


def _axis(kind: str, parameter: Tensor, operation: Operation | None, module: nn.Module | None) -> int | None:
    if shape_of(parameter, 0) < 2:
        return None
    if operation is not None and kind != "rnn" and not operation.transformed:
        return operation.unit_axis
    return 1 if getattr(module, "transposed", False) else None if kind == "other" else 0


def _used_axis(kind: str, operation: Operation) -> int | None:
    """The unit axis of the operand as the operation takes it."""
    if kind == "conv":
        return operation.unit_axis
    return None if kind == "bmm" else 0 if operation.operand == 0 else 1


def _groups(found: list[tuple[int, Operation]], module: nn.Module | None) -> int:
    if found:
        return found[0][1].groups
    groups = getattr(module, "groups", 1)
    return groups if isinstance(groups, int) else 1


def _fans(
    kind: str, parameter: Tensor, rows: Tensor | None, operation: Operation | None
) -> tuple[int | None, int | None]:
    if kind in ("norm", "scale", "other"):
        return None, None
    if operation is not None and kind != "rnn":
        return operation.fan_in, operation.fan_out
    if kind == "embedding":
        return 1, parameter.shape[-1]
    return (rows.shape[1], rows.shape[0]) if rows is not None else (None, None)


def _place(flow: Flow | None, found: list[tuple[int, Operation]]) -> dict[str, object]:
    """Where the flow has the layer."""
    if flow is None or not found:
        return {}
    nodes = [index for index, _ in found]
    targets = [target for node in nodes[:1] for target in flow.meets[node]]
    whats = {target.what for target in targets}
    activation = flow.activation(nodes[0])
    return {
        "activation": activation.name if activation else None,
        "feeds": next((what for what in _PRIORITY if what in whats), "unknown"),
        "normed": "norm" in whats,
        "ends_branch": any(node in flow.branch_ends for node in nodes),
        "bypassable": all(node not in flow.essential for node in nodes),
        "head": any(flow.is_head(node) for node in nodes),
        "exempt_zero_gradient": bool(targets) and all(_over_one_token(flow, target) for target in targets),
    }


def _over_one_token(flow: Flow, target: Target) -> bool:
    """Whether a target is a softmax over a single element, through which no gradient can come."""
    graph = flow.graph
    if target.what == "activation" and target.name == "softmax":
        return graph.shape(target.node)[int(graph.saved(target.node, "dim") or -1)] == 1
    if target.what != "attention" or target.name == "v":
        return False
    if graph.names[target.node] in vocab.ATTENTION:
        return graph.shape(*graph.edges[target.node][1])[-2] == 1
    return graph.shape(target.node)[-1:] == (1,)
