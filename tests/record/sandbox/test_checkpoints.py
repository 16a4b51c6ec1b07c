"""In the context, checkpointed functions of this thread run once; outside, torch's checkpoints are in place."""

from __future__ import annotations

import pytest
import torch
import torch.utils.checkpoint as checkpointing
from torch import Tensor

from inithealth.record.sandbox.checkpoints import CHECKPOINTS_KEPT


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpointed_function_is_called_once_in_the_context(reentrant: bool) -> None:
    calls: list[int] = []

    def function(x: Tensor) -> Tensor:
        calls.append(1)
        return x.sin()

    x = torch.ones(3, requires_grad=True)
    with CHECKPOINTS_KEPT:
        checkpointing.checkpoint(function, x, use_reentrant=reentrant).sum().backward()
    assert len(calls) == 1
    checkpointing.checkpoint(function, x, use_reentrant=reentrant).sum().backward()
    assert len(calls) == 3


def test_an_error_of_the_function_is_raised_unchanged() -> None:
    def function(x: Tensor) -> Tensor:
        raise KeyError("mine")

    with CHECKPOINTS_KEPT, pytest.raises(KeyError, match="mine"):
        checkpointing.checkpoint(function, torch.ones(1), use_reentrant=False)


def test_a_replacement_made_in_the_context_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    real = checkpointing.CheckpointFunction
    monkeypatch.setattr(checkpointing, "CheckpointFunction", real)
    with CHECKPOINTS_KEPT:
        checkpointing.CheckpointFunction = int
    assert checkpointing.CheckpointFunction is int
