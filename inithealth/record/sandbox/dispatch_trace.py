"""Traces the operations of a forward pass, for weights that are not in the autograd graph.

Weights used under ``no_grad``, in ``torch.jit.script`` or in a custom autograd function have no node in the graph, but
every operation goes through torch's dispatcher. Tracing needs a separate, slow pass: never in a live training step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from inithealth.record.statistics.exact import exact
from inithealth.record.statistics.moments import combined
from inithealth.record.tensors import tensors_within
from inithealth.recording import Signal

_MOST_CALLS = 8  # uses of one parameter that are measured
# Operation -> (kind, indices of its two operands, one of which is the weight).
_OPERATIONS: dict[str, tuple[str, tuple[int, int]]] = {
    "mm": ("linear", (0, 1)),
    "addmm": ("linear", (1, 2)),
    "mv": ("linear", (0, 1)),
    "addmv": ("linear", (1, 2)),
    "dot": ("linear", (0, 1)),
    "linear": ("linear", (0, 1)),
    "bmm": ("bmm", (0, 1)),
    "baddbmm": ("bmm", (1, 2)),
    "_grouped_mm": ("bmm", (0, 1)),
    "convolution": ("conv", (0, 1)),
    "embedding": ("embedding", (1, 0)),
    "_embedding_bag": ("embedding", (1, 0)),
    "_embedding_bag_forward_only": ("embedding", (1, 0)),
    "mkldnn_rnn_layer": ("rnn", (0, 1)),
    "native_batch_norm": ("norm", (0, 1)),
    "_native_batch_norm_legit": ("norm", (0, 1)),
    "_native_batch_norm_legit_no_training": ("norm", (0, 1)),
    "native_layer_norm": ("norm", (0, 2)),
    "native_group_norm": ("norm", (0, 1)),
    "_fused_rms_norm": ("norm", (0, 2)),
}
_HIDDEN_SIZE = 10  # index of the argument with the size of a fused recurrent layer
# Operations whose result has the parameter's shape or dtype but not its values.
_FRESH = frozenset(
    "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full".split()
)


@dataclass(frozen=True)
class Use:
    """The uses of a parameter: properties of the first, statistics of all."""

    kind: str
    fan_in: int | None = None
    fan_out: int | None = None
    unit_axis: int | None = None  # axis of the parameter that indexes the output units; None: unknown
    groups: int = 1
    transformed: bool = False  # the weight is computed from the parameter
    calls: int = 1
    input: Signal | None = None  # of the first calls
    output: Signal | None = None


def traced(run: Callable[[], Any], parameters: Mapping[str, Tensor]) -> dict[str, Use]:
    """Return the parameters that a forward pass uses as weights, in the order of their first use.

    Parameters are recognized by their memory. Views, casts and tensors computed only from parameters count too.

    Args:
        run: the forward pass. The caller restores random state and buffers.
        parameters: by name.
    """
    trace = _Trace(parameters)
    with trace:
        run()
    return trace.uses()


@dataclass
class _Seen:
    use: Use
    calls: int = 0
    inputs: list[Signal] = field(default_factory=list)
    outputs: list[Signal] = field(default_factory=list)


@dataclass(frozen=True)
class _Made:
    """A parameter, or a tensor computed from parameters."""

    names: tuple[str, ...]
    base: Tensor  # kept alive, because the memory of a freed tensor is reused
    transformed: bool = False


class _Trace(TorchDispatchMode):
    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: dict[str, _Seen] = {}
        self.made: dict[int, list[_Made]] = {}
        for name, parameter in parameters.items():
            if parameter.layout == torch.strided and parameter.numel():
                self._keep(_Made((name,), parameter.detach()))

    def uses(self) -> dict[str, Use]:
        found = {}
        for name, seen in self.seen.items():
            signals = combined(seen.inputs), combined(seen.outputs)
            found[name] = replace(seen.use, calls=seen.calls, input=signals[0], output=signals[1])
        return found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        tensors = list(tensors_within([args, kwargs]))
        sources = [self._source(tensor) for tensor in tensors]
        if tensors and all(sources) and name not in _FRESH:
            self._derive([source for source in sources if source is not None], name, output)
        elif name in _OPERATIONS:
            self._note(name, args, output)
        return output

    def _keep(self, made: _Made) -> None:
        self.made.setdefault(made.base.untyped_storage().data_ptr(), []).append(made)

    def _source(self, tensor: Tensor) -> _Made | None:
        """Return the parameter that a tensor is or is a part of; several may share one storage."""
        if tensor.layout != torch.strided or not tensor.numel():
            return None
        for made in self.made.get(tensor.untyped_storage().data_ptr(), ()):
            start = made.base.storage_offset()
            if start <= tensor.storage_offset() < start + made.base.numel():
                return made
        return None

    def _derive(self, sources: list[_Made], operation: str, output: Any) -> None:
        """Register a tensor computed only from parameters as a weight."""
        names = tuple(dict.fromkeys(name for source in sources for name in source.names))
        copied = operation in ("_to_copy", "clone", "copy_")
        for tensor in tensors_within([output]):
            if self._source(tensor) is None and tensor.layout == torch.strided and tensor.numel():
                transformed = not copied or sources[0].transformed
                self._keep(_Made(names, tensor.detach(), transformed))

    def _note(self, name: str, args: Any, output: Any) -> None:
        kind, operands = _OPERATIONS[name]
        held = [at for at in reversed(operands) if at < len(args) and isinstance(args[at], Tensor)]
        weight_at = next((at for at in held if self._source(args[at]) is not None), None)
        made = None if weight_at is None else self._source(args[weight_at])
        if weight_at is None or made is None:
            return
        signal_at = next(at for at in operands if at != weight_at)
        use = _use(name, kind, args, weight_at, made)
        first = next(iter(tensors_within([output])), None)
        for parameter in made.names:
            self._measure(parameter, use, args[signal_at], first)
        recurrent = self._source(args[2]) if kind == "rnn" else None
        if recurrent is not None:
            self._measure(recurrent.names[0], _use(name, kind, args, 2, recurrent), None, first)

    def _measure(self, parameter: str, use: Use, signal: Any, output: Tensor | None) -> None:
        seen = self.seen.setdefault(parameter, _Seen(use))
        seen.calls += 1
        if seen.calls > _MOST_CALLS:
            return
        for tensor, signals in ((signal, seen.inputs), (output, seen.outputs)):
            measured = exact(tensor) if isinstance(tensor, Tensor) else None
            if measured is not None:
                signals.append(measured)


def _use(name: str, kind: str, args: Any, at: int, made: _Made) -> Use:
    weight: Tensor = args[at]
    shape = tuple(weight.shape)
    if kind == "norm":
        return Use(kind, transformed=made.transformed)
    if kind == "embedding":
        return Use(kind, 1, shape[-1], 0, transformed=made.transformed)
    if kind == "conv":
        return _convolution(args, shape, made)
    if kind == "rnn":
        return Use(kind, shape[-1], args[_HIDDEN_SIZE], 0, transformed=made.transformed)
    if len(shape) < 2:
        return Use(kind, shape[0], 1, 0, transformed=made.transformed)
    rows_are_units = name == "linear" or at == _OPERATIONS[name][1][0]
    fan_in, fan_out = (shape[-1], shape[-2]) if rows_are_units else (shape[-2], shape[-1])
    groups = shape[0] if kind == "bmm" and len(shape) == 3 else 1
    axis = None if groups > 1 else _axis(weight, len(shape) - (2 if rows_are_units else 1), made)
    return Use(kind, fan_in, fan_out, axis, groups, made.transformed)


def _convolution(args: Any, shape: tuple[int, ...], made: _Made) -> Use:
    stride, transposed, groups = args[3], args[6], args[8]
    window = math.prod(shape[2:])
    if transposed:
        # A transposed convolution distributes each input over stride positions: each output sums that many fewer.
        fan_in = max(1, shape[0] // groups * window // math.prod(stride))
        return Use("conv", fan_in, shape[1] * window, 1, groups, made.transformed)
    return Use("conv", shape[1] * window, shape[0] // groups * window, 0, groups, made.transformed)


def _axis(weight: Tensor, axis: int, made: _Made) -> int | None:
    """Return the parameter's axis with the stride and length of an axis of the weight; None if there is none."""
    target = weight.stride(axis), weight.shape[axis]
    same = [at for at, size in enumerate(made.base.shape) if (made.base.stride(at), size) == target]
    return same[0] if len(same) == 1 and not made.transformed else None
