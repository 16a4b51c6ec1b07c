"""Bytes are copied once, compared as bytes, and not read where the memory is gone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inithealth.record.sandbox.storages import Storages


def copied(*tensors: Tensor) -> tuple[Storages, list[object]]:
    storages = Storages()
    for each in tensors:
        storages.add(each)
    return storages, list(storages.copy())


def nbytes(storages: Storages) -> int:
    return sum(each.before.nbytes for each in storages._found.values() if each.before is not None)


def test_shared_memory_is_copied_once() -> None:
    base = torch.zeros(1000)
    assert nbytes(copied(base, base[:500], base.view(10, 100).t())[0]) == 4000


def test_only_the_used_range_is_copied() -> None:
    base = torch.zeros(1000)
    assert nbytes(copied(base[100:110])[0]) == 40
    assert nbytes(copied(torch.ones(1).expand(1000))[0]) == 4
    assert nbytes(copied(torch.zeros(1000, device="meta"))[0]) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.int8, torch.complex32, torch.float8_e4m3fn, torch.bool])
@pytest.mark.parametrize("size", [1, 3, 8, 17])
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_bytes_of_any_dtype_and_size_are_restored(dtype: torch.dtype, size: int) -> None:
    tensor = torch.zeros(size + 2, dtype=dtype)[1:-1]
    before = bytes(tensor.untyped_storage())  # type: ignore[arg-type]
    _, restorers = copied(tensor)
    tensor.untyped_storage().fill_(7)
    tensor.untyped_storage()[0] = 0
    for restore in restorers:
        restore()  # type: ignore[operator]
    start = tensor.element_size()
    assert bytes(tensor.untyped_storage())[start:-start] == before[start:-start]  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 8, 400])
def test_the_size_of_the_memory_is_restored(size: int) -> None:
    tensor = torch.ones(10)
    _, [restore] = copied(tensor)
    tensor.untyped_storage().resize_(size)
    restore()  # type: ignore[operator]
    assert tensor.tolist() == [1] * 10


def test_memory_that_is_gone_is_not_read() -> None:
    tensor = torch.ones(10)
    tensor.untyped_storage().resize_(0)
    storages, [restore] = copied(tensor)
    tensor.untyped_storage().resize_(40)
    restore()  # type: ignore[operator]
    assert (nbytes(storages), tensor.untyped_storage().nbytes()) == (0, 0)
