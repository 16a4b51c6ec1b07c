"""The same samples in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tests.zoo.case import Case


def shuffled(case: Case, seed: int) -> Case:
    """Return the case with its batch in another order; outputs are reordered before the loss."""
    first = case.batch if isinstance(case.batch, Tensor) else case.batch[0]
    order = torch.randperm(len(first), generator=torch.Generator().manual_seed(seed))
    return replace(case, batch=_taken(case.batch, order), loss=_unshuffled(case.loss, order.argsort()))


def _unshuffled(loss: Callable[[Any], Tensor], back: Tensor) -> Callable[[Any], Tensor]:
    return lambda out: loss(_taken(out, back))


def _taken(values: Any, order: Tensor) -> Any:
    if isinstance(values, Tensor):
        return values[order]
    return tuple(_taken(part, order) for part in values)
