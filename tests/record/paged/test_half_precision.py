"""Products of large half-precision weights are those of torch, up to rounding."""

from __future__ import annotations

import pytest
import torch

from inithealth.record.paged.half_precision import product
from inithealth.record.statistics import pieces

aten = torch.ops.aten


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("turned", [False, True])
def test_products(dtype: torch.dtype, turned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE", 2**12)
    left, right = torch.randn(3, 96).to(dtype), torch.randn(96, 130).to(dtype)
    right = right.t().contiguous().t() if turned else right
    bias = torch.randn(130).to(dtype)
    exact = left.double() @ right.double()
    found = product(aten.mm.default, (left, right), {})
    assert found is not None
    assert found.dtype is dtype
    assert torch.allclose(found.double(), exact.to(dtype).double(), rtol=torch.finfo(dtype).eps)
    added = product(aten.addmm.default, (bias, left, right), {})
    assert added is not None
    assert torch.allclose(added.double(), exact + bias.double(), rtol=2 * torch.finfo(dtype).eps, atol=1e-2)


def test_others_are_left_to_torch() -> None:
    small = torch.randn(8, 8).bfloat16()
    assert product(aten.mm.default, (small, small), {}) is None
    assert product(aten.mul.Tensor, (small, small), {}) is None
    assert product(aten.mm.default, (torch.randn(2, 2), torch.randn(2, 2)), {}) is None
