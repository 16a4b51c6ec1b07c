"""The share of a deformable convolution's points that its offsets move outside, against counts by hand.

torchvision is not required: a function with the name and the attributes of its operation takes its place.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Reading, Written, read


class GeneratedBackwardFor_torchvision_deform_conv2d_default(torch.autograd.Function):  # noqa: N801
    """A convolution that saves what a deformable one does, but does not use the offsets."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor, how: Any) -> Tensor:
        ctx.save_for_backward(x, weight, offset, mask, bias)
        ctx.stride_h, ctx.stride_w, ctx.pad_h, ctx.pad_w, ctx.dilation_h, ctx.dilation_w = how
        return F.conv2d(x, weight, bias, how[:2], how[2:4], how[4:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return *(torch.ones_like(saved) for saved in ctx.saved_tensors), None


def reading(offsets: Tensor, size: tuple[int, int], how: tuple[int, ...]) -> Reading:
    """Read a network whose offsets are the given ones."""

    def forward(net: Any, x: Tensor) -> Any:
        apply = GeneratedBackwardFor_torchvision_deform_conv2d_default.apply
        weight, bias = net.convolution.weight, net.convolution.bias
        offset = net.offset(x.mean((1, 2, 3))[:, None]).view(offsets.shape)
        return apply(x, weight, offset, torch.ones(()), bias, how)

    layer = nn.Linear(1, offsets.numel())
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(offsets.flatten())
    return read(Written(forward, offset=layer, convolution=nn.Conv2d(2, 3, 3)), torch.randn(1, 2, *size))


def counted(offsets: Tensor, size: tuple[int, int], how: tuple[int, ...]) -> float:
    """The share of the points that start inside and end outside."""
    moved = []
    for y, x, row, column in product(range(3), range(3), *map(range, offsets.shape[-2:])):
        start = (row * how[0] - how[2] + y * how[4], column * how[1] - how[3] + x * how[5])
        if all(-1 < place < length for place, length in zip(start, size, strict=True)):
            tap = 2 * (3 * y + x)
            ends = [place + float(offsets[0, tap + axis, row, column]) for axis, place in enumerate(start)]
            moved.append(not all(-1 < place < length for place, length in zip(ends, size, strict=True)))
    return sum(moved) / len(moved)


@pytest.mark.parametrize(("how", "places"), [((1, 1, 1, 1, 1, 1), (5, 7)), ((2, 1, 2, 0, 1, 2), (4, 3))])
def test_points_are_counted_as_by_hand(how: tuple[int, ...], places: tuple[int, int]) -> None:
    offsets = 3 * torch.randn(1, 18, *places, generator=torch.Generator().manual_seed(0))
    found = reading(offsets, (5, 7), how)
    assert found.measured["offset"].outside_share == pytest.approx(counted(offsets, (5, 7), how))
    assert (found.layers["offset"].steers, found.layers["convolution"].kind) == ("offsets", "conv")


def test_offsets_of_zero_move_no_point() -> None:
    found = reading(torch.zeros(1, 18, 5, 7), (5, 7), (1, 1, 1, 1, 1, 1))
    assert found.measured["offset"].outside_share == 0.0
