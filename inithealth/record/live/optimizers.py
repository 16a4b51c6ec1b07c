"""Which optimizer a network is to be judged for."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import SGD, Optimizer

# Everything else in use (Adam, RMSprop, Adagrad, Lion, Muon and their kin) rescales each gradient by its own size.
_PLAIN = ("SGD", "ASGD", "LBFGS", "Rprop")


def is_adaptive(optimizers: Sequence[Optimizer]) -> bool:
    """Whether a small gradient still makes a full step. False without an optimizer: judged as SGD."""
    return bool(optimizers) and not any(isinstance(o, SGD) or type(o).__name__ in _PLAIN for o in optimizers)


def describe_optimizers(optimizers: Sequence[Optimizer]) -> str:
    """``Adam(lr=0.001)``, several joined by commas; where a schedule moves the rate, what it starts from."""
    words = []
    for optimizer in optimizers:
        rates = sorted({float(group.get("initial_lr", group.get("lr", 0.0))) for group in optimizer.param_groups})
        words.append(f"{type(optimizer).__name__}(lr={', '.join(f'{rate:g}' for rate in rates)})")
    return ", ".join(words)


def is_idle(optimizers: Sequence[Optimizer]) -> bool:
    """Whether a step moves nothing: every learning rate is zero. False without an optimizer."""
    return bool(optimizers) and not any(group.get("lr", 1.0) for o in optimizers for group in o.param_groups)
