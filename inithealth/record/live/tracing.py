"""Whether PyTorch traces or transforms the present call, or another process runs it: then nothing is measured."""

from __future__ import annotations

import os

import torch
from torch._C import _functorch
from torch.fx import _symbolic_trace

# Modes whose tensors have no values, or whose operations become a graph.
_TRACING = tuple(
    getattr(torch._C._TorchDispatchModeKey, name)
    for name in ("FAKE", "PROXY", "FUNCTIONAL")
    if hasattr(torch._C._TorchDispatchModeKey, name)
)

forks = 0  # forks between the start of the program and this process


def _note_fork() -> None:
    global forks
    forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def is_traced() -> bool:
    """Return whether the operations of this thread are traced, transformed or captured instead of computed."""
    if torch._C._is_tracing() or _symbolic_trace._is_fx_tracing_flag or torch.compiler.is_compiling():
        return True
    if _functorch.peek_interpreter_stack() is not None:  # vmap, grad, jvp, vjp, functionalize
        return True
    if torch._C._len_torch_dispatch_stack() and any(torch._C._get_dispatch_mode(key) is not None for key in _TRACING):
        return True
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
