"""Whether dead units would open without their bias, or with a new weight: the operation is recomputed with these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.consumers import Target
from inithealth.record.graph.dominators import peel
from inithealth.record.graph.flow import Flow
from inithealth.record.graph.operations import Operation
from inithealth.record.saved import replay
from inithealth.record.saved.operands import operands
from inithealth.theory.activation_table import BY_NAME

_FEWEST_DRAWN = 64  # units that are drawn: the standard error of a share of one half is 6 %
_SEED = 0
_EPSILON = 1e-5  # torch's default, of a normalization that does not save its own

Parameter = Callable[[str], Tensor | None]


class Edges(NamedTuple):
    """The inputs between which an activation has a slope; with a hole, outside which."""

    low: float
    high: float
    hole: bool

    @classmethod
    def of(cls, target: Target) -> Edges:
        row = BY_NAME[target.name]
        low, high = row.edges(target.parameters)
        return cls(-torch.inf if low is None else low, torch.inf if high is None else high, row.hole)

    def dead_share(self, values: Tensor, axis: int) -> float:
        """Return the share of units without slope for every sample."""
        inside = (values > self.low) & (values < self.high)
        units = (~inside if self.hole else inside).movedim(axis, 0).flatten(1).any(1)
        return 1.0 - float(units.float().mean())


@torch.no_grad()
def reopened(flow: Flow, target: Target, index: int, parameter: Parameter, rows: int | None) -> dict[str, Any]:
    """Return the fields of a Measurement for the units of an operation; {} if anything else shifts its activation.

    Args:
        target: the activation.
        parameter: gives a parameter by its name.
        rows: samples of the batch for which the output is recomputed; None for all.
    """
    operation, edges = flow.operations[index], Edges.of(target)
    source = _source(flow, target.node)
    if source in flow.norms and peel(flow.graph, flow.norms[source]) in (index, _biased(flow, index, operation)):
        shifted = _shifted_by(flow, source)
        found = _standardized(flow, source, parameter)
        return {} if found is None else {"dead_without_bias": edges.dead_share(*found), "shifted_by": shifted}
    if source not in (index, _biased(flow, index, operation)) or target.scale != 1.0:
        return {}
    output = replay.forward(flow, index, parameter, rows)
    if output is None or output.output.ndim < 2:
        return {}
    axis = 1 if operation.kind == "conv" else output.output.ndim - 1
    bias = parameter(operation.bias) if operation.bias else None
    values = output.output if bias is None else output.output - _along(bias, axis, output.output.ndim)
    drawn = _redrawn(flow, index, parameter, rows)
    return {
        "dead_without_bias": edges.dead_share(values, axis),
        "dead_redrawn": None if drawn is None else edges.dead_share(drawn, axis),
        "shifted_by": operation.bias or "",
    }


def _source(flow: Flow, node: int) -> int:
    """Return the node that computes an activation's input, before views."""
    data = flow.graph.data(node)
    return peel(flow.graph, data[0]) if data else -1


def _biased(flow: Flow, index: int, operation: Operation) -> int:
    """Return the node that adds an operation's bias to its output; -1 if the operation itself does."""
    graph, bias = flow.graph, operation.bias
    while bias is not None and len(graph.readers(index)) == 1:
        index = graph.readers(index)[0][0]
        if graph.names[index] == "Add":
            added = any(graph.parameters.get(producer) == bias for producer, _ in graph.edges[index])
            return index if added else -1
        if graph.names[index] not in vocab.LAYOUT:
            return -1
    return -1


def _along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    """Return a vector as a tensor that is broadcast along the other axes."""
    return values.detach().reshape([-1 if dim == axis else 1 for dim in range(dimensions)])


def _redrawn(flow: Flow, index: int, parameter: Parameter, rows: int | None) -> Tensor | None:
    """Return the output of an operation with a weight of mean zero, without bias, scaled to rms 1."""
    operation, fed = flow.operations[index], operands(flow, index, parameter)
    if fed is None or fed.weight_first:
        return None
    signal, weight = fed.signal[:rows], fed.weight
    drawn = torch.Generator().manual_seed(_SEED)  # the global random state stays as it is
    if operation.kind == "conv":
        shape = [*weight.shape]
        axis = 1 if flow.graph.saved(index, "transposed") else 0
        if operation.groups == 1:
            shape[axis] = max(shape[axis], _FEWEST_DRAWN)
        new = torch.randn(shape, generator=drawn, device="cpu").to(signal)
        output = replay.convolved(flow.graph, index, signal, new, None).output
    else:
        new = torch.randn(weight.shape[-2], max(weight.shape[-1], _FEWEST_DRAWN), generator=drawn, device="cpu").to(
            signal
        )
        output = signal @ new
    rms = output.float().square().mean().sqrt()
    return output / rms if float(rms) > 0 else output


def _shifted_by(flow: Flow, norm: int) -> str:
    operation = flow.operations.get(norm)
    return (operation.bias or "") if operation is not None else ""


def _standardized(flow: Flow, norm: int, parameter: Parameter) -> tuple[Tensor, int] | None:
    """Return the output of a normalization without its bias, and the axis of its units."""
    graph, operation = flow.graph, flow.operations.get(norm)
    name, values = graph.names[norm], graph.saved(norm, "input")
    weight = parameter(operation.weights[0]) if operation is not None else None
    if not isinstance(values, Tensor) or weight is None or weight.ndim != 1:
        return None
    values, weight, eps = values.float(), weight.detach().float(), graph.saved(norm, "eps") or _EPSILON
    if name == "NativeLayerNorm":
        return torch.layer_norm(values, weight.shape, weight, None), values.ndim - 1
    if name == "NativeGroupNorm":
        return torch.group_norm(values, int(graph.saved(norm, "group")), weight, None, eps), 1
    if "BatchNorm" not in name or values.ndim < 2:
        return None
    mean, variance = graph.saved(norm, "running_mean"), graph.saved(norm, "running_var")
    if graph.saved(norm, "training") is not False:
        others = [dim for dim in range(values.ndim) if dim != 1]
        mean, variance = values.mean(others), values.var(others, correction=0)
    if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
        return None
    mean, variance, weight = (_along(each.float(), 1, values.ndim) for each in (mean, variance, weight))
    return weight * (values - mean) * torch.rsqrt(variance + eps), 1
