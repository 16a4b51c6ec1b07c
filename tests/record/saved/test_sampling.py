"""The share of sampling points outside against counts by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Written, read


def share(grid: Tensor, signal: Tensor, **how: Any) -> float | None:
    """What is recorded of a layer whose output is this grid."""
    layer = nn.Linear(1, grid.numel())
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(grid.flatten())
    net = Written(lambda net, x: F.grid_sample(signal, net.layer(x).view(grid.shape), **how), layer=layer)
    return read(net, torch.zeros(1, 1)).measured["layer"].outside_share


def slopes(grid: Tensor, signal: Tensor, **how: Any) -> float:
    """The share of points without a gradient."""
    grid = grid.clone().requires_grad_(True)
    F.grid_sample(signal, grid, **how).sum().backward()  # type: ignore[no-untyped-call]
    assert grid.grad is not None
    return float((grid.grad == 0).all(-1).float().mean())


@pytest.mark.parametrize(("corners", "dimensions"), list(product((True, False), (2, 3))))
def test_points_outside_have_no_gradient(corners: bool, dimensions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.rand(1, 2, *(5, 8, 6)[:dimensions], generator=generator)
    grid = 2 * torch.randn(1, *(7, 9, 4)[:dimensions], dimensions, generator=generator)
    how = {"align_corners": corners, "padding_mode": "zeros"}
    found = share(grid, signal, **how)
    assert found == pytest.approx(slopes(grid, signal, **how))
    assert found is not None
    assert 0.2 < found < 0.95


@pytest.mark.parametrize("corners", [True, False])
def test_the_identity_is_inside(corners: bool) -> None:
    signal = torch.rand(1, 1, 6, 6)
    grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, 6, 6], align_corners=corners)
    assert share(grid, signal, align_corners=corners, padding_mode="border") == 0.0


@pytest.mark.parametrize("how", [{"padding_mode": "reflection"}, {"mode": "nearest"}])
def test_without_a_border_or_a_slope_nothing_is_counted(how: dict[str, str]) -> None:
    assert share(torch.full((1, 2, 2, 2), 5.0), torch.rand(1, 1, 6, 6), align_corners=False, **how) is None


def test_not_a_number_is_outside() -> None:
    grid = torch.tensor([0.0, 0.0, float("nan"), 0.0]).view(1, 1, 2, 2)
    assert share(grid, torch.rand(1, 1, 6, 6), align_corners=False) == 0.5


def test_of_several_maps_the_one_with_the_fewest_points_outside_counts() -> None:
    """Offsets in elements, as in deformable attention, leave a small map and stay in a large one."""

    def forward(net: Any, x: Tensor) -> Tensor:
        offsets = net.layer(x).view(1, 1, 4, 2)
        maps = (torch.rand(1, 1, size, size) for size in (2, 64))
        parts = [F.grid_sample(m, offsets / m.shape[-1], align_corners=False) for m in maps]
        return torch.cat(parts)

    layer = nn.Linear(1, 8)
    nn.init.constant_(layer.bias, 4.0)
    nn.init.zeros_(layer.weight)
    assert read(Written(forward, layer=layer), torch.zeros(1, 1)).measured["layer"].outside_share == 0.0


def test_layers_that_set_no_positions_have_no_share() -> None:
    net = Written(lambda net, x: net.layer(x), layer=nn.Linear(2, 2))
    assert read(net, torch.rand(3, 2)).measured["layer"].outside_share is None
