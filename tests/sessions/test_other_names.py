"""The error about an argument that `check` does not have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import inithealth


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("criterion", "check() has no argument 'criterion': pass loss=..."),
        ("input_size", "torch.randn(input_size)"),
        ("targets", "pass (inputs, targets) as the batch"),
        ("fail_on", "check() has no argument 'fail_on': pass settings={'fail_on': ...}"),
        ("optimiser", "unknown argument 'optimiser'; did you mean 'optimizer'?"),
    ],
)
def test_an_unknown_argument_is_rejected_with_what_to_pass(name: str, advice: str) -> None:
    with pytest.raises(TypeError) as error:
        inithealth.check(nn.Linear(4, 2), torch.randn(8, 4), **{name: object()})  # type: ignore[arg-type]
    assert advice in str(error.value)
