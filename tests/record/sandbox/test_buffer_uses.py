"""How a forward pass uses tensors at zero and tensors of uninitialized memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inithealth.record.sandbox.buffer_uses import acts_as_zero, looks_unwritten, uses

POSITIONS, SIGNAL = torch.arange(6.0), torch.randn(6, 4)
OLD_BYTES = torch.tensor([0x7F4D_21A0, 0x0000_7F31, 0x0000_0041, 0x3F80_0000], dtype=torch.int32).view(torch.float32)

USED: dict[str, tuple[str, Callable[[Tensor], object]]] = {
    "outer": ("angle", lambda zero: torch.outer(POSITIONS, zero).sin()),
    "broadcast": ("angle", lambda zero: (POSITIONS[:, None] * zero.to(torch.bfloat16)).float().cos()),
    "einsum": ("angle", lambda zero: torch.einsum("i,j->ij", POSITIONS, zero).repeat(1, 2).cos()),
    "matmul": ("angle", lambda zero: (zero[None, :, None] @ POSITIONS[None, None]).mT.cos()),
    "features of an input": ("angle", lambda zero: (2 * torch.pi * SIGNAL * zero).sin()),
    "polar": ("angle", lambda zero: torch.polar(torch.ones(6, 4), torch.outer(POSITIONS, zero))),
    "complex": ("angle", lambda zero: torch.exp(1j * torch.outer(POSITIONS, zero))),
    "slopes": ("positions", lambda zero: SIGNAL + zero * (POSITIONS[:, None] - POSITIONS[:1])),
    "after a write": ("", lambda zero: zero.clone().add_(1.0).mul(POSITIONS[:4]).sin()),
    "added": ("", lambda zero: SIGNAL + zero),
    "a phase": ("", lambda zero: zero.sin() * SIGNAL),
    "a state": ("", lambda zero: torch.sigmoid(SIGNAL) * zero + SIGNAL),
    "a state in a product": ("", lambda zero: (zero @ SIGNAL.T).tanh()),
    "a zero point": ("", lambda zero: SIGNAL.round() - zero * (7 * SIGNAL).round()),
    "a mask": ("", lambda zero: SIGNAL * zero.expand(6, 4)),
    "half": ("angle", lambda zero: torch.cat([torch.outer(POSITIONS, zero)] * 2, 1).cos()),
    "beside others": ("positions", lambda zero: torch.cat([torch.outer(POSITIONS, zero), SIGNAL], 1).cos()),
}


@pytest.mark.parametrize("name", USED)
def test_the_use_of_a_tensor_at_zero(name: str) -> None:
    expected, run = USED[name]
    zero = torch.zeros(4)
    assert uses(lambda: run(zero), {"zero": zero}).get("zero", "") == expected


def test_values_that_are_overwritten_first_are_not_used() -> None:
    def run(cache: Tensor) -> Tensor:
        cache[:2] = 1.0
        return cache[:2] * 2.0

    old = torch.cat([torch.zeros(2), OLD_BYTES])
    assert uses(lambda: run(old), {"cache": old}) == {}
    assert uses(lambda: old * 2.0, {"cache": old}) == {"cache": "values"}
    assert uses(lambda: old.float().view(2, 3).sum(), {"cache": old}) == {"cache": "values"}


@pytest.mark.parametrize(
    ("values", "unwritten"),
    [
        (OLD_BYTES, True),
        (OLD_BYTES[1:], False),  # tiny values beside usual ones: a window that decays has them too
        (torch.tensor([0.0, float("nan")]), True),
        (torch.tensor([0.0, float("-inf"), torch.finfo(torch.float32).min]), False),  # a mask that is added
        (torch.exp(-torch.linspace(-15, 15, 64).square()), False),
    ],
)
def test_values_of_uninitialized_memory(values: Tensor, unwritten: bool) -> None:
    assert looks_unwritten(values) is unwritten


def test_values_that_act_as_zero() -> None:
    assert acts_as_zero(torch.tensor([0.0, 4.6e-41]))
    assert not acts_as_zero(torch.tensor([0.0, float("nan")]))
    assert not acts_as_zero(torch.tensor([0.0, 1e-12]))
