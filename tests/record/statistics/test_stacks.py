"""The scale of the matrices of a stack against each by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.statistics.stacks import slice_rms
from tests.record.reading import Written, read

STACK = torch.randn(5, 6, 7, generator=torch.Generator().manual_seed(0))


def test_each_matrix_has_its_rms() -> None:
    assert slice_rms(STACK) == pytest.approx([float(matrix.square().mean().sqrt()) for matrix in STACK])
    assert slice_rms(STACK.half()) == pytest.approx(slice_rms(STACK), rel=1e-3)


@pytest.mark.parametrize("shape", [(5, 6), (3, 6, 6), (5, 6, 7, 2), (1025, 1, 2), (5,)])
def test_other_weights_are_no_stack(shape: tuple[int, ...]) -> None:
    assert slice_rms(torch.rand(shape)) == ()


def einsum(net: Any, x: Tensor) -> Tensor:
    return torch.einsum("edh,nd->neh", net.experts, x)


def loop(net: Any, x: Tensor) -> Tensor:
    return torch.stack([x @ expert for expert in net.experts])


@pytest.mark.parametrize("forward", [einsum, loop])
def test_experts_are_read_however_they_are_called(forward: Any) -> None:
    net = Written(forward, experts=nn.Parameter(STACK.clone()))
    (layer,) = read(net, torch.randn(4, 6)).layers.values()
    assert layer.weight is not None
    assert layer.weight.slice_rms == pytest.approx(slice_rms(STACK))


def test_a_convolution_is_no_stack() -> None:
    (layer,) = read(nn.Sequential(nn.Conv1d(3, 8, 3)), torch.randn(2, 3, 9)).layers.values()
    assert layer.weight is not None
    assert layer.weight.slice_rms == ()
