"""Finds the parameters that a forward pass writes, as a data-dependent initialization does in its first call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from inithealth.record.graph import node_groups as vocab
from inithealth.record.graph.flow import Flow
from inithealth.record.statistics.spectrum import strided
from inithealth.record.tensors import has_memory, is_sharded, plain
from inithealth.recording import ForwardWrite
from inithealth.theory.activation_table import ROWS

_SAMPLE = 2**10  # elements of each parameter that are compared; all of a vector of the usual size
_MOST_NAMED = 3  # channels that do not vary and are named
_MOST = 1e18  # larger squares overflow in fp32
_ROUNDING = 1e-6  # relative range of a channel below which it is constant but for rounding
_CAN_DIE = frozenset(name for row in ROWS if row.dies for name in row.nodes)
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes; NaN differs from itself


class _Input(NamedTuple):
    """The input of a module that wrote a parameter."""

    finite: Tensor  # whether every element is, and its square
    constant: Tensor  # by channel, whether it does not vary; empty if no axis has a channel for each element
    node: Node | None  # of the graph that computes it

    @classmethod
    def of(cls, values: Tensor, count: int, node: Node | None) -> _Input:
        """Return what is needed of an input.

        Args:
            count: elements of the parameter.
        """
        finite, axis = values.abs().amax() < _MOST, _channels(values, count)
        if axis is None or values.numel() <= count:
            return cls(finite, torch.zeros(0, dtype=torch.bool, device="cpu"), node)
        others = [dim for dim in range(values.ndim) if dim != axis]
        low, high = values.amin(others), values.amax(others)
        size = torch.maximum(high.abs(), low.abs())
        return cls(finite, (high - low <= _ROUNDING * size) & size.isfinite(), node)


class ForwardWrites:
    """Compares the parameters before and after a forward pass, which it does not change.

    Args:
        parameters: by name.
        exact: also compare values when a module returns; without it versions and addresses, which needs no transfer.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, exact: bool) -> None:
        self._parameters, self._exact = parameters, exact
        self._before: dict[str, tuple[Tensor, tuple[int, int]]] = {}  # sample, version and address
        self.found: dict[str, ForwardWrite] = {}  # by parameter, after `compare`
        self._inputs: dict[str, _Input] = {}  # of the module that wrote a parameter
        self._left_out: Collection[str] = ()

    def leave_out(self, parameters: Collection[str]) -> None:
        """Do not read some parameters, because :meth:`remember_before` is called before they are written."""
        self._left_out = parameters

    def remember(self) -> None:
        """Keep a sample of each parameter, right before the forward pass."""
        self._inputs.clear()
        self._before = {}
        for name in self._parameters:
            if name not in self._left_out:
                self.remember_before(name)

    def remember_before(self, name: str) -> None:
        """Keep a sample of one parameter, if its values can be read."""
        parameter = self._parameters[name]
        unreadable = isinstance(parameter, nn.parameter.UninitializedParameter) or is_sharded(parameter)
        values = plain(parameter) if not unreadable and has_memory(parameter) else None
        if values is not None:
            self._before[name] = strided(values, _SAMPLE).clone(), (parameter._version, parameter.data_ptr())

    def note_input(self, name: str, module: nn.Module, tensor: Tensor) -> None:
        """Measure the channels of a module's input, if the module has just written one of its parameters."""
        for own, parameter in module._parameters.items():
            whole = f"{name}.{own}".lstrip(".")
            if parameter is None or whole not in self._before or whole in self._inputs:
                continue
            before, state = self._before[whole]
            if (parameter._version, parameter.data_ptr()) != state or (
                self._exact and not _same(before, _now(parameter))
            ):
                values = plain(tensor)
                if values is not None:
                    self._inputs[whole] = _Input.of(values, parameter.numel(), tensor.grad_fn)

    def compare(self, flow: Flow | None) -> None:
        """Find what was written since :meth:`remember`, and drop the samples.

        Args:
            flow: shows the factors that are computed from parameters.
        """
        for name, (before, _) in self._before.items():
            now = _now(self._parameters[name]) if name in self._parameters else before
            if not _same(before, now):
                shown = self._described(name, now, flow)
                counts = {"non_finite": _non_finite(before), "broken": _non_finite(now)}
                self.found[name] = ForwardWrite.model_validate({**shown, **counts})
        self._before, self._inputs = {}, {}

    def _described(self, name: str, now: Tensor, flow: Flow | None) -> dict[str, object]:
        """Return the fields for the channels of a parameter, and for the input that it was set from."""
        factor = _factor(flow, name)
        sizes = (now if factor is None else factor).detach().float().abs().reshape(-1)
        shown: dict[str, object] = {}
        usual, found = sizes, self._inputs.get(name)
        if found is not None:
            constant = found.constant
            places = constant.nonzero().flatten().tolist()
            shown = {"channels": len(constant), "constant": tuple(places[:_MOST_NAMED]), "constants": len(places)}
            shown |= {"source": _source(flow, found.node), "broken_input": not bool(found.finite)}
            usual = sizes[~constant] if len(constant) == len(sizes) else sizes
        middle = float(usual.median()) if len(usual) else 1.0
        return {"contrast": float(sizes.max()) / middle if middle > 0 else None, **shown}


def _source(flow: Flow | None, node: Node | None) -> str:
    """Return what computes an input: dead units, as their zeros after a ReLU, trainable layers, or no layer."""
    index = -1 if flow is None or node is None else flow.graph.index.get(node, -1)
    if flow is None or index < 0:
        return "input"
    graph, seen = flow.graph, set[int]()
    while graph.names[index] in vocab.LAYOUT | vocab.POOLING and len(graph.data(index)) == 1:
        index = graph.data(index)[0]
    if graph.names[index] in _CAN_DIE:
        return "dead"
    waiting = [index]
    while waiting:
        here = waiting.pop()
        if here in graph.parameters:
            return "layers"
        new = {producer for producer, _ in graph.edges[here] if producer >= 0} - seen
        seen |= new
        waiting += new
    return "input"


def _non_finite(values: Tensor) -> int:
    return int(torch.count_nonzero(~values.isfinite()))


def _now(parameter: nn.Parameter) -> Tensor:
    values = plain(parameter) if has_memory(parameter) else None
    return torch.empty(0, device="cpu") if values is None else strided(values, _SAMPLE)


def _same(one: Tensor, other: Tensor) -> bool:
    """Return whether two samples have the same bits."""
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    bits = _BITS[one.dtype.itemsize]
    return torch.equal(one.contiguous().view(bits), other.contiguous().view(bits))


def _channels(tensor: Tensor, count: int) -> int | None:
    """Return the axis of an input with as many channels as a parameter has elements; None without one."""
    if count < 1 or tensor.ndim < 2:
        return None
    return next((axis for axis in (1, tensor.ndim - 1) if tensor.shape[axis] == count), None)


def _factor(flow: Flow | None, name: str) -> Tensor | None:
    """Return the factor computed from a parameter that multiplies a signal; None if the graph does not show it."""
    for index, operation in flow.operations.items() if flow is not None else ():
        if operation.kind != "scale" or name not in operation.weights or flow is None:
            continue
        saved = vocab.node(flow.graph.names[index]).saved
        for (producer, _), attribute in zip(flow.graph.edges[index], saved, strict=False):
            if producer >= 0 and flow.graph.pure[producer] is not None:
                factor = flow.graph.saved(index, attribute)
                return factor if isinstance(factor, Tensor) and factor.numel() else None
    return None
