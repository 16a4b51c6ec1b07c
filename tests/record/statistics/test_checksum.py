"""A number that changes with any element."""

from __future__ import annotations

import pytest
import torch

from inithealth.record.statistics.checksum import checksum


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.complex64]
)
def test_one_element_changes_it(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 7).to(dtype).t()  # not contiguous
    same = weight.clone()
    assert torch.equal(checksum(weight), checksum(same))
    same[3, 2] = same[3, 2].to(torch.complex64 if dtype.is_complex else torch.float32) * 2 + 1
    assert not torch.equal(checksum(weight), checksum(same))


def test_equal_steps_up_and_down_do_not_cancel() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    bits = weight.view(torch.int32) + torch.tensor([1, -1, 1, -1], dtype=torch.int32)
    assert not torch.equal(checksum(weight), checksum(bits.view(torch.float32)))


def test_parts_are_summed() -> None:
    weight = torch.zeros((1 << 20) + 3)
    before = checksum(weight)
    weight[-1] = 1.0
    assert not torch.equal(before, checksum(weight))
    assert checksum(torch.empty(0)) == 0
