"""Describes the state of any object, so that two descriptions are equal only if nothing has changed."""

from __future__ import annotations

import array
import functools
import io
import random
from collections import OrderedDict, defaultdict, deque
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inithealth.record.tensors import has_memory
from tests.record.state import bits

_VALUES = (int, float, str, type(None), type, FunctionType)


def described(value: Any, seen: frozenset[int] = frozenset()) -> object:
    """Return the identity and the content of an object, tensors as bytes with shape, strides, dtype and memory."""
    if isinstance(value, _VALUES):
        return value
    if id(value) in seen:
        return "a loop"
    inside = functools.partial(described, seen=seen | {id(value)})
    if isinstance(value, tuple):
        return type(value), [inside(item) for item in value]
    return id(value), type(value), _content(value, inside), _attributes(value, inside)


def _content(value: Any, inside: Any) -> object:
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, np.ndarray):
        content = inside(tuple(value.ravel().tolist())) if value.dtype.hasobject else value.tobytes()
        return value.shape, value.strides, str(value.dtype), content
    if isinstance(value, dict):
        factory = value.default_factory if isinstance(value, defaultdict) else None
        order = list(OrderedDict.keys(value)) if isinstance(value, OrderedDict) else list(value)
        return factory, [inside(key) for key in order], [inside(item) for item in value.values()]
    if isinstance(value, (list, deque)):
        return [inside(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if isinstance(value, (bytearray, bytes, array.array)):
        return bytes(value)
    if isinstance(value, functools.partial):
        return inside(value.args)
    return inside(value.__self__) if hasattr(value, "__self__") else _state(value)


def _tensor(value: Tensor) -> object:
    flags = value.requires_grad, value.is_leaf, id(value.grad) if value.is_leaf else None
    hooks = value._backward_hooks and list(value._backward_hooks)
    if isinstance(value, (nn.parameter.UninitializedBuffer, nn.parameter.UninitializedParameter)):
        return flags
    if is_traceable_wrapper_subclass(value):
        return flags, hooks  # its inner tensors are attributes
    if value.layout != torch.strided or value.is_nested:
        return flags, hooks, bits(value.values() if value.is_nested else value)
    storage = value.untyped_storage()
    content = bytes(storage) if has_memory(value) else None  # type: ignore[arg-type]
    return flags, hooks, value.dtype, value.shape, value.stride(), storage.nbytes(), content


def _state(value: Any) -> object:
    if isinstance(value, torch.Generator):
        return bits(value.get_state())
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return repr(value.get_state())
    if isinstance(value, (io.BytesIO, io.StringIO)):
        return value.getvalue(), value.tell()
    return value.tell() if isinstance(value, io.IOBase) else None


def _attributes(value: Any, inside: Any) -> object:
    slots = {name for kind in type(value).__mro__ for name in vars(kind).get("__slots__", ()) if name[0] != "_"}
    held = {name: getattr(value, name) for name in sorted(slots) if hasattr(value, name)}
    held.update(getattr(value, "__dict__", {}))
    return {name: inside(item) for name, item in held.items()}
