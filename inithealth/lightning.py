"""Lightning under both of its names."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

_NAMESPACES = ("pytorch_lightning", "lightning.pytorch")


def callback_bases() -> tuple[type[Any], ...]:
    """The Callback class of each namespace that is installed: a class with both works in every Trainer."""
    bases = []
    for name in _NAMESPACES:
        if name in sys.modules or find_spec(name.split(".")[0]) is not None:
            bases.append(import_module(name).Callback)
    if not bases:
        raise ImportError("InitHealth needs pytorch-lightning: pip install pytorch-lightning")
    return tuple(dict.fromkeys(bases))


def is_tensorboard(logger: Any) -> bool:
    """Whether a Lightning logger writes TensorBoard events."""
    homes = [sys.modules.get(f"{name}.loggers") for name in _NAMESPACES]
    return any(home is not None and isinstance(logger, home.TensorBoardLogger) for home in homes)
