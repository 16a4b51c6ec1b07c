"""Fixes that the report gives in words: what a user who follows them would write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def slower(model: Any, optimizers: list[Any]) -> None:
    """Lower the learning rates tenfold."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] /= 10


FIXES: dict[str, Callable[[Any, list[Any]], None]] = {"IH402": slower, "IH403": slower}  # code of the rule -> its fix
