"""A spec describes how a tensor lies in its storage."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inithealth.record.paged.spec import Spec, filled_blank


@pytest.mark.parametrize(
    ("tensor", "whole"),
    [
        (torch.zeros(3, 4), True),
        (torch.zeros(3, 4).t(), True),
        (torch.zeros(3, 1, 4).permute(2, 1, 0), True),
        (torch.zeros(()), True),
        (torch.zeros(3, 4)[1:], False),
        (torch.zeros(3, 4)[:, :2], False),
        (torch.zeros(4).expand(3, 4), False),
        (torch.zeros(4, dtype=torch.complex64).conj(), False),
    ],
)
def test_whether_a_tensor_covers_its_storage(tensor: Tensor, whole: bool) -> None:
    assert Spec.of(tensor).covers(tensor.untyped_storage().nbytes()) is whole


@pytest.mark.parametrize("view", [lambda t: t, lambda t: t[1:, ::2].t(), lambda t: t.conj(), lambda t: t.conj().imag])
def test_a_view_of_the_storage_is_the_tensor(view: object) -> None:
    tensor = view(torch.randn(4, 6, dtype=torch.complex64))  # type: ignore[operator]
    spec = Spec.of(tensor)
    assert torch.equal(spec.view(tensor.untyped_storage()), tensor)
    assert spec.numel == tensor.numel()


def test_blank_memory() -> None:
    floats, integers = torch.zeros(3), torch.ones(3, dtype=torch.int64)
    filled_blank(floats.untyped_storage(), torch.float32)
    filled_blank(integers.untyped_storage(), torch.int64)
    assert floats.isnan().all()
    assert (integers == 0).all()
