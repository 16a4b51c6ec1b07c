"""Gradients of large weights as the two factors of their product, formed only if an operation reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from inithealth.layer_kinds import MATRICES
from inithealth.record.statistics.pieces import LARGE
from inithealth.record.statistics.products import Looked, Product, RowBlocks, norm, repeated_rows
from inithealth.recording import Layer

_FEWEST = 2**20  # bytes of a gradient that is not formed at once

_MM, _T, _LOOKUP = torch.ops.aten.mm.default, torch.ops.aten.t.default, torch.ops.aten.embedding_dense_backward.default


@dataclass(frozen=True)
class Factors:
    """An operation of the backward pass that was not run, and its arguments.

    Attributes:
        turned: whether its result is transposed.
    """

    operation: Callable[..., Tensor]
    args: tuple[Any, ...]
    placeholder: Tensor
    turned: bool = False

    @property
    def kept_bytes(self) -> int:
        """Bytes of the arguments."""
        return sum(each.nbytes for each in self.args if isinstance(each, Tensor))

    @property
    def is_large(self) -> bool:
        """Whether it is measured in blocks of rows."""
        return self._blocks() is not None

    def norm(self) -> float:
        """Return the norm of a large gradient."""
        blocks = self._blocks()
        assert blocks is not None
        with _disable_current_modes():
            return norm(blocks)

    def repeated(self, layers: Sequence[Layer]) -> dict[str, float]:
        """Return the share of units whose large gradient repeats another unit's, by layer."""
        found: dict[str, float] = {}
        for layer in layers:
            blocks = self._blocks(layer.unit_axis)
            if layer.kind in MATRICES and blocks is not None and blocks.shape[0] > 1:
                with _disable_current_modes():
                    found[layer.name] = repeated_rows(blocks, layer.groups)
        return found

    def _blocks(self, unit_axis: int | None = 0) -> RowBlocks | None:
        """Return the result as blocks of rows along an axis; None if it is small, or has no such rows."""
        if self.placeholder.numel() <= LARGE or unit_axis not in (0, 1):
            return None
        if self.operation is _MM:
            left, right = self.args
            return Product(right.t(), left.t()) if self.turned != (unit_axis == 1) else Product(left, right)
        gradient, indices, entries, padding, by_frequency = self.args
        return Looked(gradient, indices, entries, padding) if unit_axis == 0 and not by_frequency else None

    def formed(self) -> Tensor:
        """Run the operation."""
        result = self.operation(*self.args)
        return result.t() if self.turned else result


class Dropped:
    """Hooks that give the gradients of parameters to a function in the backward pass, and drop them.

    Args:
        unformed: the gradients that are not formed: the function receives their factors.
        parameters: by name.
        take: called with the name, and the gradient or its factors.
    """

    def __init__(
        self,
        unformed: Unformed,
        parameters: Mapping[str, nn.Parameter],
        take: Callable[[str, Tensor | Factors], None],
    ) -> None:
        self._unformed, self._take = unformed, take
        trained = {name: each for name, each in parameters.items() if each.requires_grad}
        self._handles = [each.register_hook(partial(self._drop, name)) for name, each in trained.items()]

    def remove(self) -> None:
        """Remove the hooks, and what they were not called for."""
        for handle in self._handles:
            handle.remove()
        self._unformed.clear()

    @torch.no_grad()
    def _drop(self, name: str, gradient: Tensor) -> Tensor:
        """Return a gradient of the same shape that uses no memory."""
        self._take(name, self._unformed.take(gradient) or gradient)
        return gradient.new_zeros(()).expand(gradient.shape)


class Unformed:
    """The gradients that are not formed, by placeholder: a tensor of the same shape that uses no memory."""

    def __init__(self) -> None:
        self._found: dict[int, Factors] = {}  # by the placeholder's storage, which it keeps alive

    def clear(self) -> None:
        """Forget all of them."""
        self._found.clear()

    def take(self, gradient: Tensor) -> Factors | None:
        """Return the factors of a gradient and forget them; None if it is formed."""
        return self._found.pop(gradient.untyped_storage()._cdata, None) if self._found else None

    def instead(self, operation: Any, args: tuple[Any, ...]) -> Tensor | None:
        """Return a placeholder for the result of an operation of the backward pass; None if the operation must run."""
        if operation is _T and self._found:
            factors = self._found.get(args[0].untyped_storage()._cdata)
            if factors is not None:
                return self._keep(factors.operation, factors.args, args[0].shape[::-1], args[0], not factors.turned)
        elif operation is _MM:
            return self._large(operation, args, (args[0].shape[0], args[1].shape[1]), args[0])
        elif operation is _LOOKUP:
            return self._large(operation, args, (args[2], args[0].shape[-1]), args[0])
        return None

    def formed(self, args: Any) -> Any:
        """Return arguments with placeholders replaced by their gradients."""
        if not self._found:
            return args
        return tuple(self._formed(each) for each in args)

    def _formed(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            factors = self._found.get(value.untyped_storage()._cdata) if value.layout is torch.strided else None
            return value if factors is None else factors.formed()
        return type(value)(map(self._formed, value)) if type(value) in (list, tuple) else value

    def _large(self, operation: Any, args: tuple[Any, ...], shape: tuple[int, int], like: Tensor) -> Tensor | None:
        large = shape[0] * shape[1] * like.element_size() >= _FEWEST
        return self._keep(operation, args, shape, like) if large else None

    def _keep(
        self, operation: Any, args: tuple[Any, ...], shape: tuple[int, ...], like: Tensor, turned: bool = False
    ) -> Tensor:
        placeholder = like.new_zeros(()).expand(shape)
        self._found[placeholder.untyped_storage()._cdata] = Factors(operation, args, placeholder, turned)
        return placeholder
