"""The real values in a module's arguments and results."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from inithealth.record.tensors import floating_tensors, full_tensor, has_memory, is_sharded, local_shard, plain, span


@dataclass
class Output:
    logits: Tensor
    hidden: tuple[Tensor, ...] = ()
    name: str = "output"


A, B, TOKENS = torch.ones(2), torch.ones(3) * 2, torch.arange(4)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (A, [A]),
        (TOKENS, []),
        ([A, (TOKENS, B)], [A, B]),
        (OrderedDict(one=A, two={"three": B}), [A, B]),
        (Output(A, (B,)), [A, B]),
        (Output, []),
        ("words", []),
        (None, []),
    ],
)
def test_tensors_in_any_output(output: Any, expected: list[Tensor]) -> None:
    found = list(floating_tensors(output))
    assert len(found) == len(expected)
    assert all(one is other for one, other in zip(found, expected, strict=True))


def test_complex_and_packed_tensors() -> None:
    assert len(list(floating_tensors(torch.complex(A, A)))) == 1
    packed = pack_sequence([B, A])
    assert [each.tolist() for each in floating_tensors(packed)] == [packed.data.tolist()]


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (B, [2.0, 2.0, 2.0]),
        (torch.complex(A, 3 * A), [1.0, 3.0, 1.0, 3.0]),
        (torch.complex(A, 3 * A).conj(), [1.0, -3.0, 1.0, -3.0]),
        (torch.tensor([[0.0, 5.0], [0.0, 0.0]]).to_sparse(), [5.0]),
        (torch.nested.nested_tensor([A, B], layout=torch.jagged), [1.0, 1.0, 2.0, 2.0, 2.0]),
        (A.to(torch.float8_e4m3fn), [1.0, 1.0]),
        (TOKENS, None),
        (torch.empty(0), None),
        (torch.ones(2, device="meta"), None),
    ],
)
def test_the_real_values_of_any_tensor(tensor: Tensor, expected: list[float] | None) -> None:
    found = plain(tensor)
    assert (None if found is None else found.flatten().tolist()) == expected


def test_the_values_are_not_part_of_the_graph() -> None:
    found = plain(A.clone().requires_grad_() * 2)
    assert found is not None
    assert not found.requires_grad


class Sharded:
    """The attributes of a DTensor that are used."""

    def full_tensor(self) -> Tensor:
        return torch.cat([A, B])

    def to_local(self) -> Tensor:
        return A


def test_a_process_has_a_shard_of_a_sharded_tensor() -> None:
    sharded: Any = Sharded()
    assert is_sharded(sharded)
    assert local_shard(sharded) is A
    assert full_tensor(sharded).numel() == 5
    assert not is_sharded(A)
    assert local_shard(A) is full_tensor(A) is A


def freed() -> Tensor:
    tensor = torch.ones(8)
    tensor.untyped_storage().resize_(0)
    return tensor


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.ones(2), True),
        (torch.empty(0), True),
        (torch.ones(4)[1:3].expand(3, 2), True),
        (torch.eye(2).to_sparse(), True),
        (nn.parameter.UninitializedParameter(), True),
        (torch.ones(2, device="meta"), False),
        (freed(), False),
    ],
)
def test_whether_values_are_in_memory(tensor: Tensor, expected: bool) -> None:
    assert has_memory(tensor) is expected


def test_the_bytes_up_to_the_last_element() -> None:
    base = torch.zeros(4, 4)
    assert span(base) == 64
    assert span(base[1:3, ::2]) == (4 + 4 + 2 + 1) * 4
    assert span(base.t()) == 64
