"""Divides a batch between the arguments of the model and those of the loss.

The assignment must be unique: if none or several are possible, TypeError suggests what to write.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from inithealth.call import Call
from inithealth.sessions.signature import Signature

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these

_TARGETS = frozenset({"label", "labels", "label_ids", "target", "targets", "y"})  # usual keys of a target in a mapping


@dataclass(frozen=True)
class Bound:
    """An assignment of the batch.

    Attributes:
        inputs: arguments of the model, in a container of the batch's type.
        targets: arguments of the loss after the output; empty if it only takes the output.
        places: positions of the targets in the batch, for the report.
    """

    inputs: Any
    targets: tuple[Any, ...] = ()
    places: tuple[str, ...] = ()


def bind(model: nn.Module, batch: Any, loss: Callable[..., Any] | None, *, drawn: bool = False) -> Bound:
    """Return the arguments of the model, and those of the loss after its output.

    A loss with one required parameter receives only the output. One with several receives the output and the elements
    of the batch that remain after the model's required forward parameters are bound.

    Args:
        drawn: whether the batch comes from a DataLoader, so that its elements are not necessarily all inputs.

    Raises:
        TypeError: no assignment is possible, or several are.
    """
    forward, taken = Signature.of(model), None if loss is None else Signature.of(loss)
    items = tuple(batch) if _is_sequence(batch) else (batch,)
    if taken is None:
        if loss is None and drawn and forward is not None and len(items) > 1:
            _refuse_optional_targets(forward, items)
        return Bound(batch)
    if not taken.required and math.isinf(taken.most):  # a decorator's *args show nothing: the model decides
        fits_whole = forward is None or forward.takes(len(items)) or not _is_sequence(batch)
        return Bound(batch) if fits_whole else _divided(batch, items, forward, taken, 1)
    if len(taken.required) < 2:
        return Bound(batch)
    if isinstance(batch, Mapping):
        return _of_mapping(batch, forward, taken)
    return _divided(batch, items, forward, taken, len(taken.required) - 1)


def _divided(batch: Any, items: Sequence[Any], forward: Signature | None, taken: Signature, needed: int) -> Bound:
    """Assign the last elements to the loss, and those before them to the model."""
    count = len(items) - needed
    if isinstance(batch, Call) or count < 1 or not (forward is None or forward.takes(count)):
        raise TypeError(_misfit(f"{len(items)} element{'s' if len(items) > 1 else ''}", forward, taken))
    _refuse_named_inputs(items, forward)
    least = count if forward is None else max(1, len(forward.required))
    others = [each for each in range(least, count) if taken.takes(1 + len(items) - each)]
    if others and not _is_torchs(taken):
        calls = " or ".join(_spelled(each, len(items)) for each in (count, *others))
        raise TypeError(f"a batch of {len(items)} elements can be read in several ways: write {calls}")
    places = tuple(f"batch[{place}]" for place in range(count, len(items)))
    return Bound(type(batch)(items[:count]), tuple(items[count:]), places)


def _of_mapping(batch: Mapping[Any, Any], forward: Signature | None, taken: Signature) -> Bound:
    """Select the targets by the loss's parameter names, by common names, or as keys that the model does not take."""
    required = forward.required if forward is not None else ()
    known = set(batch) if forward is None or forward.any_keyword else set(forward.names)
    free = [key for key in batch if key not in required]
    left = [key for key in free if key not in known]
    named = [key for key in free if key in _TARGETS]
    targets = list(taken.required[1:]) if set(taken.required[1:]) <= set(free) else named or left
    if len(targets) != len(taken.required) - 1 or set(left) - set(targets) or set(required) - set(batch):
        raise TypeError(_misfit(", ".join(map(repr, batch)), forward, taken))
    inputs = {key: value for key, value in batch.items() if key not in targets}
    return Bound(inputs, tuple(batch[key] for key in targets), tuple(f"batch[{key!r}]" for key in targets))


def _misfit(has: str, forward: Signature | None, taken: Signature) -> str:
    inputs = forward.required if forward is not None and forward.required else ("inputs",)
    rest = taken.required[1:] or ("target",)
    model = forward.name if forward is not None else "the model"
    return (
        f"{model} takes ({', '.join(inputs)}) and {taken.name} the output and ({', '.join(rest)}), but the batch has "
        f"{has}: pass ({', '.join((*inputs, *rest))}) as the batch, or a loss of the output alone, "
        "loss=lambda output: criterion(output, targets)"
    )


def _spelled(count: int, length: int) -> str:
    inputs, rest = (", ".join(f"batch[{each}]" for each in range(*ends)) for ends in ((count,), (count, length)))
    return f"check(model, inithealth.Call({inputs}), loss=lambda output: loss(output, {rest}))"


def _is_torchs(taken: Signature) -> bool:
    """Return whether the loss is one of torch's, whose further parameters are options."""
    return hasattr(nn.functional, taken.name)


def _refuse_named_inputs(items: Sequence[Any], forward: Signature | None) -> None:
    """Raise TypeError if the first of two elements is a mapping, which may be one argument or one per key."""
    first = items[0]
    if forward is not None and isinstance(first, Mapping) and forward.required and set(forward.required) <= set(first):
        raise TypeError(
            f"batch[0] is a mapping with the names of {forward.name}'s parameters: pass {{**batch[0], "
            "'target': batch[1]}, or inithealth.Call(batch[0]) and loss=lambda output: criterion(output, batch[1])"
        )


def _refuse_optional_targets(forward: Signature, items: Sequence[Any]) -> None:
    """Raise TypeError if a loader's target would be passed to an optional input of the model without a loss."""
    count = len(items)
    if not len(forward.required) < count <= forward.most or math.isinf(forward.most):
        return
    optional = forward.names[len(forward.required) : count]
    if optional and not _TARGETS & set(optional):
        raise TypeError(
            f"the loader gives {count} elements and {forward.name} needs {len(forward.required)}: if the last is the "
            f"target, pass loss=torch.nn.functional.cross_entropy or another; if it is {optional[-1]}, pass "
            "next(iter(loader)) as the batch"
        )


def _is_sequence(batch: Any) -> bool:
    """Return whether each element is an argument, as in :meth:`Call.of`."""
    return isinstance(batch, (tuple, list)) and not hasattr(batch, "_fields")


def batch_advice(loss: Callable[..., Any] | None) -> str:
    """Return advice for a batch that does not match the model's signature."""
    targets = (
        "pass loss=torch.nn.functional.cross_entropy or another function of output and target, or the inputs alone"
        if loss is None
        else "this loss takes the output alone: pass the inputs alone, or a loss of output and target"
    )
    return (
        "a tuple or list is model(*batch), a mapping model(**batch), inithealth.Call(batch) one argument. "
        f"For (inputs, targets) {targets}"
    )
