"""The method of a module that writes one of its buffers again, such as ``reset_parameters``."""

from __future__ import annotations

import dis
import inspect
from types import FunctionType

from torch import nn

_NOT_CALLED = frozenset({"forward", "extra_repr"})
_WRITES = frozenset({"copy_", "fill_", "data"})


def refill(module: nn.Module, buffer: str) -> str:
    """Return the name of the method that writes a buffer and needs no arguments; "" if the class defines none."""
    for kind in type(module).__mro__:
        if kind is nn.Module:
            break
        for name, function in vars(kind).items():
            plain = isinstance(function, FunctionType) and not name.startswith("__") and name not in _NOT_CALLED
            if plain and _needs_nothing(function) and _writes(function, buffer):
                return name
    return ""


def _needs_nothing(function: FunctionType) -> bool:
    """Return whether a method can be called without arguments."""
    _, *others = inspect.signature(function).parameters.values()
    flexible = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(each.default is not each.empty or each.kind in flexible for each in others)


def _writes(function: FunctionType, buffer: str) -> bool:
    """Return whether a function assigns an attribute of that name, registers it, or changes it in place."""
    code = function.__code__
    if "register_buffer" in code.co_names and buffer in code.co_consts:
        return True
    steps = [(each.opname, each.argval) for each in dis.get_instructions(code) if each.opname != "CACHE"]
    if ("STORE_ATTR", buffer) in steps:
        return True
    # self.buffer.copy_(values), self.buffer[...] = values
    after = [steps[at + 1] for at, (_, name) in enumerate(steps[:-1]) if name == buffer]
    return any(name in _WRITES for _, name in after)
