"""Calls checkpointed functions of this thread directly, so that their graph is part of the whole graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from inithealth.record.counted import Counted

_GENERATORS = (
    "_checkpoint_without_reentrant_generator",
    "_checkpoint_without_reentrant_generator_impl",  # its name since torch 2.14
)


def _replace() -> Callable[[], None]:
    """Replace torch's checkpoints; those of other threads work as before."""
    module: Any = sys.modules.get("torch.utils.checkpoint")
    if module is None:
        return lambda: None
    before = {name: getattr(module, name) for name in ("CheckpointFunction", *_GENERATORS) if hasattr(module, name)}
    stand_ins = {
        name: _reentrant(real) if name == "CheckpointFunction" else _around(real) for name, real in before.items()
    }
    for name, stand_in in stand_ins.items():
        setattr(module, name, stand_in)

    def undo() -> None:
        for name, real in before.items():
            if getattr(module, name) is stand_ins[name]:  # otherwise someone else has replaced it since
                setattr(module, name, real)

    return undo


CHECKPOINTS_KEPT = Counted(_replace)


def _reentrant(real: Any) -> Any:
    """Return the class that replaces the reentrant checkpoint."""

    class Checkpoint(real):  # type: ignore[misc]
        @staticmethod
        def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
            return function(*args) if CHECKPOINTS_KEPT.here else real.apply(function, preserve, *args)

    return Checkpoint


def _around(real: Callable[..., Iterator[None]]) -> Callable[..., Iterator[None]]:
    """Return the function that replaces the non-reentrant checkpoint, which runs code before and after the call."""

    def around(*args: Any, **kwargs: Any) -> Iterator[None]:
        return _nothing() if CHECKPOINTS_KEPT.here else real(*args, **kwargs)

    return around


def _nothing() -> Iterator[None]:
    yield
