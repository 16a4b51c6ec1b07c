"""Logs what a model's constructor does to its tensors, which have no memory, and answers code that reads values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    UnsupportedOperatorException,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

from inithealth.record.paged.errors import cannot_defer
from inithealth.record.paged.history import History
from inithealth.record.paged.operation import Operation, aten, in_place_twin, schema_name, written_arguments
from inithealth.record.paged.random_draws import drawn_seed
from inithealth.record.paged.recipe import Recipe, plain_torch
from inithealth.record.paged.spec import Spec

_GEOMETRY = ("aten::set_", "aten::resize_", "aten::resize_as_")  # they write no values
_QUANTIZED = (torch.qint8, torch.quint8, torch.qint32, torch.quint4x2, torch.quint2x4)
_UNKNOWN = (DataDependentOutputException, DynamicOutputShapeException)


class BuildLog(TorchDispatchMode):
    """Logs operations on fake tensors. It is entered after the mode that makes the fake tensors.

    Args:
        limit: the bytes that values read by the model's code may take, and all constants together.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.history = History()
        self._limit = limit
        self._constants = 0
        self._cached: tuple[int, int, torch.UntypedStorage] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Log an operation. Raises CannotDefer if it needs values that are too large, or is not known to torch."""
        kwargs = _on_cpu(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        real = [each for each in tensors if not isinstance(each, FakeTensor)]
        if real and self._runs_for_real(func, args, kwargs, tensors, real):
            return self._with_values(func, args, kwargs)
        if func is aten._local_scalar_dense.default:
            return self._with_values(func, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except _UNKNOWN:
            return self._with_values(func, args, kwargs)
        except UnsupportedOperatorException:
            raise _without_fake(func) from None
        except RuntimeError as error:
            if "no fake impl" not in str(error):  # an operation of `torch.library.custom_op`
                raise
            raise _without_fake(func) from None
        self._record(func, args, kwargs, result)
        return result

    def values(self, tensor: Tensor) -> Tensor:
        """Return the values of a fake tensor. Raises CannotDefer if they take too much memory to be made now."""
        if not _is_logged(tensor):
            return tensor
        key = self.history.know(tensor)
        version = self.history.version(key)
        if self._cached is None or self._cached[:2] != (key, version):
            recipe = Recipe(self.history, key)
            self._refuse_large(
                recipe.nbytes + recipe.scratch, "the initialization reads values, for which {size} bytes are needed"
            )
            storage = torch.UntypedStorage(recipe.nbytes)
            recipe.fill(storage)
            self._cached = (key, version, storage)
        with plain_torch():
            return Spec.of(tensor).view(self._cached[2]).clone()

    def draw(self, function: Any, tensor: Tensor, args: tuple[Any, ...], generator: torch.Generator | None) -> None:
        """Log a draw by a function that is not an operation of torch. It ignores the values from before."""
        spec = self._spec(tensor)
        whole = frozenset({spec.storage}) if spec.covers(self.history.nbytes(spec.storage)) else frozenset()
        writes = frozenset({spec.storage})
        seed = drawn_seed(generator)
        self.history.add(Operation(function, (spec, *args), writes=writes, overwrites=whole, seed=seed))

    def _runs_for_real(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: Sequence[Any], real: Sequence[Any]
    ) -> bool:
        if func is aten.lift_fresh.default:  # `torch.tensor(...)`
            return False
        written = any(leaf is each for leaf, _ in written_arguments(func, args, kwargs) for each in real)
        return written or len(real) == len(tensors)

    def _with_values(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = tree_map_only(FakeTensor, self.values, (args, kwargs))
        with plain_torch():
            result = func(*args, **kwargs)
        size = sum(leaf.untyped_storage().nbytes() for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        self._refuse_large(size, "the initialization makes a tensor of {size} bytes from values")
        return result

    def _record(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        _refuse_kinds(tree_leaves((args, kwargs, result)))
        given = {self.history.know(t) for t in tree_leaves((args, kwargs)) if _is_logged(t)}
        made = [t for t in tree_leaves(result) if _is_logged(t)]
        fresh = [t for t in made if self.history.know(t) not in given]
        written = [(t, hides) for t, hides in written_arguments(func, args, kwargs) if _is_logged(t)]
        name = schema_name(func)
        if name in _GEOMETRY or name.startswith(("aten::empty", "aten::new_empty")) or not (fresh or written):
            return
        twin = in_place_twin(func, args)
        if twin is not None and len(fresh) == 1 and not written:
            self._record_twin(*twin, fresh[0], func, kwargs)
            return
        hidden = [t for t, hides in written if hides]
        reads = {Spec.of(t).storage for t in tree_leaves((args, kwargs)) if _is_logged(t) and not _among(t, hidden)}
        covered = {spec.storage for spec in map(self._spec, hidden) if spec.covers(self.history.nbytes(spec.storage))}
        created = {self._spec(t).storage for t in fresh}
        self.history.add(
            Operation(
                function=aten.clone.default if func is aten.lift_fresh.default else func,
                args=self._logged(args),
                kwargs=self._logged(_without_generator(kwargs)) | _pinned_dtype(func, kwargs, made),
                outputs=tuple(self._spec(t) if _among(t, fresh) else None for t in tree_leaves(result))
                if fresh
                else (),
                reads=frozenset(reads),
                writes=frozenset(created | {self._spec(t).storage for t, _ in written}),
                overwrites=frozenset(created | (covered - reads)),
                seed=_seed(func, kwargs),
            )
        )

    def _record_twin(self, function: Any, numbers: Any, tensor: Tensor, func: Any, kwargs: dict[str, Any]) -> None:
        spec = self._spec(tensor)
        only = frozenset({spec.storage})
        seed = _seed(func, kwargs)
        self.history.add(Operation(function, (spec, *numbers), writes=only, overwrites=only, seed=seed))

    def _spec(self, tensor: Tensor) -> Spec:
        self.history.know(tensor)
        return Spec.of(tensor)

    def _logged(self, tree: Any) -> Any:
        return tree_map(lambda leaf: self._leaf(leaf) if isinstance(leaf, Tensor) else leaf, tree)

    def _leaf(self, tensor: Tensor) -> Any:
        if isinstance(tensor, FakeTensor):
            return self._spec(tensor)
        size = tensor.numel() * tensor.itemsize
        self._constants += size
        self._refuse_large(
            self._constants, "the initialization has copied {size} bytes from arrays and existing tensors"
        )
        with plain_torch():
            return tensor.detach().clone()

    def _refuse_large(self, size: int, problem: str) -> None:
        if size > self._limit:
            raise cannot_defer(
                f"{problem.format(size=f'{size:,}')}, more than the {self._limit:,} bytes that can be held while the "
                "model is built: initialize with operations of torch that do not need the values (normal_, uniform_, "
                "mul_), raise the memory, or check the built model without `memory`."
            )


def _refuse_kinds(leaves: Sequence[Any]) -> None:
    """Raise CannotDefer if a tensor is sparse, or an operation makes a quantized one."""
    for leaf in leaves:
        sparse = isinstance(leaf, Tensor) and leaf.layout is not torch.strided
        if sparse or (isinstance(leaf, torch.dtype) and leaf in _QUANTIZED):
            kind = "sparse" if sparse else "quantized"
            raise cannot_defer(f"{kind} tensors cannot be made later: check the built model without `memory`.")


def _without_fake(func: Any) -> Exception:
    return cannot_defer(
        f"{func} does not support tensors without values: register its shapes with `torch.library.register_fake`, or "
        "check the built model without `memory`."
    )


def _is_logged(value: Any) -> bool:
    return isinstance(value, FakeTensor) and value.device.type != "meta"


def _among(tensor: Any, tensors: Sequence[Any]) -> bool:
    return any(tensor is each for each in tensors)


def _on_cpu(kwargs: dict[str, Any]) -> dict[str, Any]:
    device = kwargs.get("device")
    if device is None or torch.device(device).type in ("cpu", "meta"):
        return kwargs
    return {**kwargs, "device": torch.device("cpu")}


def _without_generator(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in kwargs.items() if name != "generator"}


def _pinned_dtype(func: Any, kwargs: dict[str, Any], made: Sequence[Tensor]) -> dict[str, Any]:
    """Return the dtype of the result where it was the default dtype, which may be another one later."""
    named = any(argument.name == "dtype" for argument in func._schema.arguments)
    return {"dtype": made[0].dtype} if named and made and kwargs.get("dtype") is None else {}


def _seed(func: Any, kwargs: dict[str, Any]) -> int | None:
    return drawn_seed(kwargs.get("generator")) if torch.Tag.nondeterministic_seeded in func.tags else None
