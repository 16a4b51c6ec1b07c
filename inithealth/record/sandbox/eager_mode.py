"""Runs the forward pass as one graph: without dropout, checkpoints and compiled code, with frozen parameters in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from inithealth.record.counted import Counted
from inithealth.record.sandbox.checkpoints import CHECKPOINTS_KEPT

__tracebackhide__ = True  # pytest shows what the model raises, not these


@contextmanager
def whole_graph(model: nn.Module, *, reveal_frozen: bool) -> Iterator[None]:
    """Set training mode; disable dropout modules, checkpointing and compiled code; optionally unfreeze parameters.

    The modules' modes and ``requires_grad`` are not restored: use it inside
    :func:`inithealth.record.sandbox.restore.undisturbed`.
    """
    model.train()
    for module in model.modules():
        _silence(module)
    for parameter in model.parameters():
        if reveal_frozen and parameter.is_floating_point():
            parameter.requires_grad_(True)
    with _EAGER, CHECKPOINTS_KEPT:
        yield


def _force_eager() -> Callable[[], None]:
    if "torch._dynamo" not in sys.modules:  # without it nothing is compiled
        return lambda: None
    stance = torch.compiler.set_stance("force_eager")
    return lambda: stance.__exit__(None, None, None)


_EAGER = Counted(_force_eager)  # all threads share the stance of torch.compile


def _silence(module: nn.Module) -> None:
    name = type(module).__name__.lower()
    bare = not module._modules and not module._parameters
    if isinstance(module, nn.modules.dropout._DropoutNd) or (bare and ("drop" in name or "stochasticdepth" in name)):
        module.training = False
    elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
        module.dropout = 0.0


class NoDropout(TorchFunctionMode):
    """Disables functional dropout. It slows down every torch call, so use it for the forward pass only."""

    _identity = frozenset(
        {
            F.dropout,
            F.dropout1d,
            F.dropout2d,
            F.dropout3d,
            F.alpha_dropout,
            F.feature_alpha_dropout,
            torch.dropout,
            torch.feature_dropout,
            torch.alpha_dropout,
            torch.feature_alpha_dropout,
        }
    )
    # Functions with internal dropout that a mode cannot intercept, and the argument with its probability.
    _dropping: ClassVar[Mapping[Any, int]] = {F.scaled_dot_product_attention: 4, F.multi_head_attention_forward: 10}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._identity:
            return args[0] if args else kwargs["input"]
        at = self._dropping.get(func)
        if at is not None:
            args = (*args[:at], 0.0, *args[at + 1 :]) if len(args) > at else args
            kwargs = {**kwargs, "dropout_p": 0.0} if "dropout_p" in kwargs else kwargs
        return func(*args, **kwargs)
