"""Traces how a forward pass uses tensors that no optimizer changes, if their values look unwritten.

Frequencies of a rotary embedding multiply positions: no gradient passes there, so the graph does not show them. A trace
needs a separate, slow pass: never in a live training step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from inithealth.record.tensors import tensors_within
from inithealth.recorded_graph import BufferUse

TINY = 1e-20  # no formula computes only values below it
_FEWEST_POSITIONS = 3
_LAYOUT = frozenset(
    "view _unsafe_view _reshape_alias expand _to_copy clone detach alias lift_fresh unsqueeze squeeze permute "
    "transpose t slice select index index_select gather split split_with_sizes chunk unbind cat stack repeat "
    "view_as_complex view_as_real neg flip".split()
)
_PRODUCTS = frozenset("mul mm bmm mv dot div".split())
_ANGLES = {"sin": 0, "cos": 0, "polar": 1, "exp": 0}  # operation -> the operand that is an angle


@dataclass(frozen=True)
class _Held:
    """A tensor with values of a suspect, or the product of a suspect at zero with another tensor."""

    name: str
    tensor: Tensor  # kept alive, because the memory of a freed tensor is reused
    multiplied: bool = False


def uses(run: Callable[[], Any], suspects: Mapping[str, Tensor]) -> dict[str, BufferUse]:
    """Return how a forward pass uses suspects whose values were not overwritten before; "angle" comes first.

    Args:
        run: the forward pass. The caller restores random state and buffers.
        suspects: tensors by name, either at zero throughout or with values of uninitialized memory.
    """
    trace = _Trace(suspects)
    with trace:
        run()
    return trace.found


def acts_as_zero(tensor: Tensor) -> bool:
    """Return whether all elements are zero or so small that no formula computes them."""
    return bool((tensor.abs() <= TINY).all())


class _Trace(TorchDispatchMode):
    def __init__(self, suspects: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: dict[str, BufferUse] = {}
        self._held: dict[int, list[_Held]] = {}
        for name, tensor in suspects.items():
            self._keep(_Held(name, tensor.detach()))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        operands = list(tensors_within([args, kwargs or {}]))
        held = [self._source(operand) for operand in operands]
        # An operation in place changes its operand: the values that it uses are those before.
        self._note(name, operands, held)
        output = func(*args, **(kwargs or {}))
        self._follow(name, operands, held, output)
        return output

    def _keep(self, held: _Held) -> None:
        self._held.setdefault(held.tensor.untyped_storage().data_ptr(), []).append(held)

    def _source(self, tensor: Tensor) -> _Held | None:
        if tensor.layout != torch.strided or not tensor.numel():
            return None
        for held in self._held.get(tensor.untyped_storage().data_ptr(), ()):
            start = held.tensor.storage_offset()
            if start <= tensor.storage_offset() < start + held.tensor.numel():
                return held
        return None

    def _note(self, name: str, operands: list[Tensor], held: list[_Held | None]) -> None:
        """Record the use by an operation."""
        for at, (operand, source) in enumerate(zip(operands, held, strict=True)):
            if source is None or name in _LAYOUT or (name.endswith("_") and at == 0):
                continue
            if not acts_as_zero(operand):
                if looks_unwritten(operand):
                    self.found.setdefault(source.name, "values")
            elif source.multiplied:
                if _ANGLES.get(name) == at and (name != "exp" or operand.is_complex()):
                    self.found[source.name] = "angle"
            elif name in _PRODUCTS and any(map(_positions, operands[:at] + operands[at + 1 :])):
                self.found.setdefault(source.name, "positions")

    def _follow(self, name: str, operands: list[Tensor], held: list[_Held | None], output: Any) -> None:
        """Keep the output of an operation that rearranges, or multiplies by zero, the values of a suspect."""
        source = next(filter(None, held), None)
        product = name in _PRODUCTS and held[:1] != [None] * (name == "div")
        if source is None or not (product or name in _LAYOUT):
            return
        mixed = any(
            each is None and operand.dtype.is_floating_point for operand, each in zip(operands, held, strict=True)
        )
        for tensor in tensors_within([output]):
            if self._source(tensor) is not None or not tensor.numel() or (name in _LAYOUT and mixed):
                continue
            multiplied = source.multiplied or (product and len(operands) > 1)
            if not multiplied or acts_as_zero(tensor):
                self._keep(_Held(source.name, tensor.detach(), multiplied))


def looks_unwritten(values: Tensor) -> bool:
    """Return whether values are of a kind that only uninitialized memory has: huge next to tiny, or NaN."""
    size = values.abs()
    tiny = (size > 0) & (size < TINY)
    return bool(size.isnan().any() or (tiny.any() and (size > 1 / TINY).any()))


def _positions(values: Tensor) -> bool:
    """Return whether values count along one axis, such as 0, 1, 2: positions, or distances between them."""
    if values.is_complex() or values.dtype is torch.bool or values.numel() < _FEWEST_POSITIONS:
        return False
    exact = values.double()
    if not bool(exact.isfinite().all()) or not bool((exact == exact.round()).all()):
        return False
    if len(exact.unique()) < _FEWEST_POSITIONS:
        return False
    steps = (exact.diff(dim=axis).abs() for axis, size in enumerate(exact.shape) if size >= _FEWEST_POSITIONS)
    return any(float(each.max()) == 1.0 for each in steps)
