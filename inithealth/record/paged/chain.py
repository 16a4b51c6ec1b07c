"""A storage whose elements are made independently of each other, so that pieces can be made in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from inithealth.record.paged.operation import Operation, schema_name
from inithealth.record.paged.random_draws import PIECE, draw_piece, pieces_of
from inithealth.record.paged.spec import Spec


@dataclass(frozen=True)
class Chain:
    """Elementwise operations, each on the result of the one before, and writes of numbers to a part of it.

    A piece is a run of elements in memory, whatever the shape and the strides of the tensor.
    """

    steps: tuple[Operation, ...]
    spec: Spec  # of the final tensor
    first: torch.dtype

    @property
    def pieces(self) -> int:
        """The number of pieces that can be made in any order."""
        return pieces_of(self.spec.numel)

    @property
    def scratch(self) -> int:
        """The bytes of temporaries while one piece is made."""
        made = [each.outputs[0] for each in self.steps if each.outputs]
        sizes = [spec.dtype.itemsize for spec in made if spec is not None]
        sizes += [self.first.itemsize] if self.first != self.spec.dtype else []
        return sum(sorted(sizes)[-2:]) * min(PIECE, self.spec.numel)

    def fill(self, storage: torch.UntypedStorage, piece: int) -> None:
        """Make one piece in place."""
        start = piece * PIECE
        length = min(PIECE, self.spec.numel - start)
        target = torch.empty(0, dtype=self.spec.dtype).set_(storage, start, (length,), (1,))
        values = target if self.first == self.spec.dtype else torch.empty(length, dtype=self.first)
        for step in self.steps:
            values = _after(step, values, piece)
        if values is not target:
            target.copy_(values)


def _after(step: Operation, values: Tensor, piece: int) -> Tensor:
    target = _target(step)
    if target is not None:
        return values.to(target.dtype)
    if step.seed is not None:
        draw_piece(step.function, *_on(step, values), step.seed, piece)
        return values
    if step.outputs and step.outputs[0] is not None:
        args, kwargs = _on(step, values)
        result: Tensor = step.function(*args, **kwargs)
        return result.to(step.outputs[0].dtype)
    part = _part(step, values, piece * PIECE)
    if part.numel():
        args, kwargs = _on(step, part)
        step.function(*args, **kwargs)
    return values


def _on(step: Operation, values: Tensor) -> tuple[Any, Any]:
    mapped: tuple[Any, Any] = tree_map_only(Spec, lambda _: values, (step.args, step.kwargs))
    return mapped


def _part(step: Operation, values: Tensor, start: int) -> Tensor:
    """Return the elements of a piece that an in-place step writes."""
    (spec,) = _specs(step)
    first, end = spec.offset - start, spec.offset + spec.numel - start
    return values[max(first, 0) : max(end, 0)]


def _specs(step: Operation) -> list[Spec]:
    return [leaf for leaf in tree_leaves((step.args, step.kwargs)) if isinstance(leaf, Spec)]


def _target(step: Operation) -> Spec | None:
    """Return the tensor that a step copies another one into."""
    is_copy = schema_name(step.function) == "aten::copy_"
    return step.args[0] if is_copy and isinstance(step.args[0], Spec) and isinstance(step.args[1], Spec) else None


def chain_of(steps: Sequence[Operation], key: int, nbytes: Callable[[int], int]) -> Chain | None:
    """Return the chain that the steps of a storage are, or None if they can only be run on the whole.

    Args:
        nbytes: the size of a storage.
    """
    current: Spec | None = None
    first: Spec | None = None
    for step in steps:
        following = _following(step, current, nbytes)
        if following is None:
            return None
        current, first = following, first or following
    return Chain(tuple(steps), current, first.dtype) if current and first and current.storage == key else None


def _following(step: Operation, current: Spec | None, nbytes: Callable[[int], int]) -> Spec | None:
    specs = _specs(step)
    target = _target(step)
    result: Spec | None
    if target is not None:
        source, result = step.args[1], target
    elif not step.is_elementwise or len(specs) != 1:
        return None
    else:
        source = specs[0]
        result = step.outputs[0] if step.outputs else source
    in_place = target is None and not step.outputs
    if current is not None and in_place and step.seed is None and _is_run_of(source, current):
        return current
    if result is None or not result.covers(nbytes(result.storage)):
        return None
    if current is None:
        return result if result is source and result.storage in step.overwrites else None
    # The same elements in the same order: a view as another type has other ones.
    same = source.storage == current.storage and source.dtype == current.dtype and source.covers(nbytes(source.storage))
    return result if same and source.is_laid_out_like(result) and source.numel == current.numel else None


def _is_run_of(part: Spec, whole: Spec) -> bool:
    """Return whether a tensor is a run of elements in the memory of another one."""
    start_at_zero = replace(part, offset=0)
    return (
        part.storage == whole.storage
        and part.dtype == whole.dtype
        and start_at_zero.covers(part.numel * part.dtype.itemsize)
    )
