"""The phase between neighboring samples against every pair by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.saved.operands import Operands
from inithealth.record.saved.phases import phase_step
from tests.record.reading import Written, read


def by_hand(points: Tensor, weight: Tensor, factor: float) -> float:
    steps = []
    for one in points:
        others = [other for other in points if not torch.equal(one, other)]
        nearest = min(others, key=lambda other: float((other - one).norm()))
        steps.append(float((factor * (nearest - one) @ weight).square().mean().sqrt()))
    return sorted(steps)[(len(steps) - 1) // 2]


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_the_nearest_sample_counts(dimensions: int) -> None:
    generator = torch.Generator().manual_seed(dimensions)
    points, weight = torch.rand(41, dimensions, generator=generator), torch.randn(dimensions, 7, generator=generator)
    points = torch.cat([points, points[:5]])  # the same places once more
    found = phase_step(Operands(points, weight, False), 30.0)
    assert found == pytest.approx(by_hand(points, weight, 30.0), rel=1e-4)


@pytest.mark.parametrize(
    "points",
    [torch.rand(9, 5), torch.rand(2, 2), torch.ones(9, 2), torch.rand(1, 2)],
    ids=["too many features", "two samples", "one place", "one sample"],
)
def test_where_there_are_no_neighbors_nothing_is_measured(points: Tensor) -> None:
    assert phase_step(Operands(points, torch.rand(points.shape[1], 3), False), 1.0) is None


def test_a_large_grid_has_the_phase_of_a_small_part() -> None:
    line = torch.linspace(0, 1, 500)
    grid = torch.cartesian_prod(line, line)
    found = phase_step(Operands(grid, torch.eye(2), False), 499 * math.pi)
    assert found == pytest.approx(math.pi / math.sqrt(2), rel=1e-3)


def sines(*widths: int, factor: float = 30.0, dimensions: int = 2) -> Written:
    def forward(net: Any, x: Tensor) -> Tensor:
        for layer in net.layers:
            x = torch.sin(factor * layer(x))
        return net.head(x)

    sizes = [dimensions, *widths]
    layers = [nn.Linear(a, b) for a, b in zip(sizes, widths, strict=False)]
    return Written(forward, layers=nn.ModuleList(layers), head=nn.Linear(widths[-1], 1))


def test_only_the_first_layer_of_a_sine_network_is_measured() -> None:
    x = torch.rand(30, 2)
    net = sines(8, 8)
    reading = read(net, x)
    measured = {name: m.phase_step for name, m in reading.measured.items()}
    assert measured["layers.0"] == pytest.approx(by_hand(x, net.layers[0].weight.detach().t(), 30.0), rel=1e-4)
    assert measured["layers.1"] is None
    assert {name for name, layer in reading.layers.items() if layer.reads_input} == {"layers.0"}
    assert reading.recorder.not_measured == (
        "the frequencies of layers.0: which ones are right depends on details of the target",
    )


def test_other_networks_have_no_phases() -> None:
    net = Written(lambda net, x: net.head(net.body(x).relu()), body=nn.Linear(2, 8), head=nn.Linear(8, 1))
    reading = read(net, torch.rand(30, 2))
    assert all(m.phase_step is None for m in reading.measured.values())
    assert reading.recorder.not_measured == ()
