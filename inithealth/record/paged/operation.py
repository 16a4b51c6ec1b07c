"""One logged operation: what it reads, what it writes, and what it hides of earlier writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from inithealth.record.paged.random_draws import draw_in_place, draw_new
from inithealth.record.paged.spec import Spec

aten = torch.ops.aten
# In-place operations whose result does not depend on the values before.
OVERWRITING = frozenset(
    "aten::normal_ aten::uniform_ aten::zero_ aten::fill_ aten::copy_ aten::bernoulli_ aten::random_ "
    "aten::exponential_ aten::geometric_ aten::cauchy_ aten::log_normal_".split()
)


@dataclass(frozen=True)
class Operation:
    """An operation on specs instead of tensors.

    Args:
        function: an operation of torch, or a function that draws into its first argument.
        outputs: the specs of the flattened result that are in storages of their own, None for the others.
        overwrites: the storages of which nothing from before remains; some of ``writes``.
        seed: of a random operation.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[Spec | None, ...] = ()
    reads: frozenset[int] = frozenset()
    writes: frozenset[int] = frozenset()
    overwrites: frozenset[int] = frozenset()
    seed: int | None = None

    def run(self, real: Callable[[Spec], Tensor]) -> list[Any]:
        """Run on real tensors. Returns the flattened result."""
        args, kwargs = tree_map_only(Spec, real, (self.args, self.kwargs))
        if self.seed is None:
            return tree_leaves(self.function(*args, **kwargs))
        if self.draws_in_place:
            draw_in_place(self.function, args, kwargs, self.seed)
            return []
        return tree_leaves(draw_new(self.function, args, kwargs, self.seed))

    @property
    def draws_in_place(self) -> bool:
        """Whether it draws each element of its first argument independently of the others."""
        name = schema_name(self.function)
        return self.seed is not None and (not name or (name in OVERWRITING and self._tensors == 1))

    @property
    def _tensors(self) -> int:
        return sum(isinstance(each, (Spec, Tensor)) for each in tree_leaves((self.args, self.kwargs)))

    @property
    def is_elementwise(self) -> bool:
        """Whether each element of its result depends on the same element of its only tensor, and on numbers."""
        name = schema_name(self.function)
        if self._tensors != 1 or (self.seed is not None and not self.draws_in_place):
            return False
        known = not name or name in OVERWRITING or name in ("aten::_to_copy", "aten::clone")
        return known or torch.Tag.pointwise in getattr(self.function, "tags", ())


def schema_name(function: Any) -> str:
    """Return the name of an operation of torch such as "aten::mul_", empty for a function."""
    schema = getattr(function, "_schema", None)
    return schema.name if schema is not None else ""


def written_arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Yield the tensors that an operation writes, and whether it ignores their values from before."""
    name = schema_name(function)
    for place, argument in enumerate(function._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) and not argument.kwarg_only else kwargs.get(argument.name)
            for leaf in tree_leaves(value):
                yield leaf, argument.is_out or name in OVERWRITING


def in_place_twin(function: Any, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]] | None:
    """Return the in-place operation and its numbers that give the same as one that makes a new tensor, or None."""
    name = schema_name(function).removeprefix("aten::")
    if name in ("zeros", "zeros_like", "new_zeros"):
        return aten.zero_.default, ()
    if name in ("ones", "ones_like", "new_ones"):
        return aten.fill_.Scalar, (1,)
    if name in ("full", "full_like", "new_full", "scalar_tensor"):
        value = args[{"full": 1, "full_like": 1, "new_full": 2, "scalar_tensor": 0}[name]]
        return aten.fill_.Scalar, (value,)
    if name in ("randn", "randn_like"):
        return aten.normal_.default, (0.0, 1.0)
    if name in ("rand", "rand_like"):
        return aten.uniform_.default, (0.0, 1.0)
    if name == "normal" and not any(isinstance(each, Tensor) for each in args):
        return aten.normal_.default, args[:2]
    return None
