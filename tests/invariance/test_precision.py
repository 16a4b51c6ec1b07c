"""A verdict is the same in float64 as in float32; bfloat16 autocast is tested in test_writing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.invariance.rebuilt import KINDS, rebuilt
from tests.invariance.verdicts import judged, own_verdict, shown, verdict
from tests.zoo.case import Case


def doubled(case: Case) -> Case:
    """Return the case in float64, except its loss."""
    single = case.loss
    return replace(
        case,
        model=deepcopy(case.model).double(),
        batch=_cast(case.batch, torch.float64),
        loss=lambda out: single(_cast(out, torch.float32)),
    )


def _cast(values: Any, dtype: torch.dtype) -> Any:
    if isinstance(values, Tensor):
        return values.to(dtype) if values.is_floating_point() else values
    return tuple(_cast(part, dtype) for part in values)


@pytest.mark.parametrize("name", KINDS)
def test_double_precision(name: str) -> None:
    assert shown(verdict(judged(doubled(rebuilt(name))))) == shown(own_verdict(name))
