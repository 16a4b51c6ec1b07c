"""An operation is described by what it reads and writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inithealth.record.paged.operation import Operation, aten, in_place_twin, written_arguments
from inithealth.record.paged.spec import Spec

TENSOR = torch.zeros(3)
SPEC = Spec.of(TENSOR)


@pytest.mark.parametrize(
    ("function", "args", "seed", "elementwise"),
    [
        (aten.normal_.default, (SPEC, 0, 1), 1, True),
        (aten.mul_.Tensor, (SPEC, 2.0), None, True),
        (aten.erfinv_.default, (SPEC,), None, True),
        (aten._to_copy.default, (SPEC,), None, True),
        (aten.mul_.Tensor, (SPEC, TENSOR), None, False),
        (aten.cumsum.default, (SPEC, 0), None, False),
        (aten.bernoulli_.Tensor, (SPEC, TENSOR), 1, False),
        (aten.native_dropout.default, (SPEC, 0.5, True), 1, False),
    ],
)
def test_elementwise_operations(function: Any, args: Any, seed: Any, elementwise: bool) -> None:
    assert Operation(function, args, seed=seed).is_elementwise is elementwise


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (aten.zeros.default, ([4],)),
        (aten.ones_like.default, (TENSOR,)),
        (aten.full.default, ([4], 3)),
        (aten.new_full.default, (TENSOR, [4], 3)),
        (aten.scalar_tensor.default, (3,)),
    ],
)
def test_new_tensors_can_be_filled_in_place(function: Any, args: Any) -> None:
    twin, numbers = in_place_twin(function, args)  # type: ignore[misc]
    expected = function(*args)
    assert torch.equal(twin(torch.empty_like(expected), *numbers), expected)


def test_what_an_operation_writes() -> None:
    out = torch.zeros(3)
    assert list(written_arguments(aten.mul_.Tensor, (TENSOR, 2), {})) == [(TENSOR, False)]
    assert [hides for _, hides in written_arguments(aten.copy_.default, (TENSOR, out), {})] == [True]
    ((written, hides),) = written_arguments(aten.add.out, (TENSOR, TENSOR), {"out": out})
    assert written is out
    assert hides
    assert list(written_arguments(aten.add.Tensor, (TENSOR, TENSOR), {})) == []
