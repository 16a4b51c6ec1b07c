"""Whether PyTorch traces or transforms the present call, or another process runs it: then nothing is measured."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch._C import _functorch
from torch.fx._symbolic_trace import is_fx_symbolic_tracing

# Modes whose tensors have no values, or whose operations become a graph.
_TRACING = tuple(
    getattr(torch._C._TorchDispatchModeKey, name)
    for name in ("FAKE", "PROXY", "FUNCTIONAL")
    if hasattr(torch._C._TorchDispatchModeKey, name)
)

# Bound once, because every hook calls them: jit.trace; vmap, grad, jvp, vjp, functionalize; modes; CUDA.
_is_tracing, _interpreter = torch._C._is_tracing, _functorch.peek_interpreter_stack
_modes: Callable[[], int] = torch._C._len_torch_dispatch_stack
_cuda: Callable[[], bool] = torch.cuda.is_initialized

forks = 0  # forks between the start of the program and this process


def _note_fork() -> None:
    global forks
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def is_traced() -> bool:
    """Return whether the operations of this thread are traced, transformed or captured instead of computed.

    The callers ask ``torch.compiler.is_compiling`` themselves: the compiler takes it for a constant.
    """
    if _is_tracing() or is_fx_symbolic_tracing() or _interpreter() is not None:
        return True
    if _modes() and any(torch._C._get_dispatch_mode(key) is not None for key in _TRACING):
        return True
    return _cuda() and torch.cuda.is_current_stream_capturing()
