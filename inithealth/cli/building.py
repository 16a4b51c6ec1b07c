"""Builds the model of a target, reproducibly and so that missing initializations are found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from inithealth.cli.targets import Subject, Target


def built(target: Target, seed: int, loss: Any, *, explained: bool = True) -> Subject:
    """Return a new subject of a target.

    Args:
        explained: whether an error of the user's code is shown and raised as BadInput, instead of itself.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    with _garbage_shown():
        subject = target.make() if explained else target.create()
    return subject if loss is None else replace(subject, loss=loss)


@contextmanager
def _garbage_shown() -> Iterator[None]:
    """Fill uninitialized memory with NaN in the context, so that missing initializations are always found."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
