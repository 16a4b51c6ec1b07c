"""The properties of optimizers that affect the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import SGD, Optimizer

# All other optimizers in use (Adam, RMSprop, Adagrad, Lion, Muon and similar) normalize each gradient.
_PLAIN = ("SGD", "ASGD", "LBFGS", "Rprop")


def is_adaptive(optimizers: Sequence[Optimizer]) -> bool:
    """Return whether the step size does not depend on the gradient's. False without an optimizer, which means SGD."""
    return bool(optimizers) and not any(isinstance(o, SGD) or type(o).__name__ in _PLAIN for o in optimizers)


def first_rate(optimizers: Sequence[Optimizer]) -> float | None:
    """Return the learning rate of the first parameter group; with a schedule, the initial rate. None if unknown."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rate = groups[0].get("initial_lr", groups[0].get("lr")) if groups else None
    return None if rate is None else float(rate)


def describe_optimizers(optimizers: Sequence[Optimizer]) -> str:
    """Return ``Adam(lr=0.001)``, several joined by commas; with a schedule, the initial rate."""
    words = []
    for optimizer in optimizers:
        rates = sorted({float(group.get("initial_lr", group.get("lr", 0.0))) for group in optimizer.param_groups})
        words.append(f"{type(optimizer).__name__}(lr={', '.join(f'{rate:g}' for rate in rates)})")
    return ", ".join(words)


def is_idle(optimizers: Sequence[Optimizer]) -> bool:
    """Return whether every learning rate is zero. False without an optimizer."""
    return bool(optimizers) and not any(group.get("lr", 1.0) for o in optimizers for group in o.param_groups)
