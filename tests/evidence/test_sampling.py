"""Which layers send the sampling points outside, and the code that starts them inside."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.evidence.sampling import SamplingLimits, fix, outside
from inithealth.recording import Recording, Steers
from tests.rules.recordings import measured, recording, signal, stack, weight


def bias(name: str, *shape: int) -> dict[str, Any]:
    return weight(name, 1.0, shape=shape, fan_in=None, fan_out=None).model_dump()


def steered(use: Steers = "affine", share: float | None = 0.9, rms: float = 1.0, **more: Any) -> Recording:
    layers = stack(fc1={"steers": use, "bias": bias("fc1.bias", 6), **more})
    return recording(layers, measured(layers, {"fc1": rms}, fc1={"outside_share": share}))


@pytest.mark.parametrize(("share", "amount"), [(0.51, 1), (0.5, 0), (None, 0)])
def test_half_of_the_points(share: float | None, amount: int) -> None:
    found = outside(steered(share=share), SamplingLimits())
    assert [(each.layer.name, each.share) for each in found] == [("fc1", share)] * amount


@pytest.mark.parametrize(("rms", "amount"), [(0.11, 1), (0.1, 0)])
def test_small_offsets_are_not_the_cause(rms: float, amount: int) -> None:
    of = steered("offsets")
    layers = of.layers
    of = recording(layers, measured(layers, fc1={"outside_share": 0.9, "output": signal(rms).model_dump()}))
    assert len(outside(of, SamplingLimits())) == amount


def test_the_largest_share_comes_first() -> None:
    layers = stack(fc1={"steers": "affine"}, fc2={"steers": "affine"})
    of = recording(layers, measured(layers, fc1={"outside_share": 0.6}, fc2={"outside_share": 0.7}))
    assert [each.layer.name for each in outside(of, SamplingLimits())] == ["fc2", "fc1"]


def typed(of: Recording, units: int) -> nn.Linear:
    layer = of.layer("fc1")
    model = nn.ModuleDict({"fc1": nn.Linear(4, units)})
    exec(fix([layer], of), {"model": model, "nn": nn})
    found = model["fc1"]
    assert isinstance(found, nn.Linear)
    return found


def test_an_affine_transformation_starts_at_the_identity() -> None:
    for units, identity in ((6, torch.eye(2, 3)), (12, torch.eye(3, 4))):
        start = typed(steered(bias=bias("fc1.bias", units)), units)
        assert torch.equal(start.bias, identity.flatten())
        assert not start.weight.any()


def test_offsets_start_at_zero() -> None:
    start = typed(steered("offsets"), 6)
    assert not start.weight.any()
    assert not start.bias.any()
    of = steered("offsets", bias=None)
    assert fix([of.layer("fc1")], of) == "nn.init.zeros_(model.fc1.weight)"


def test_positions_start_spread_inside() -> None:
    start = typed(steered("positions"), 6)
    assert not start.weight.any()
    assert start.bias.abs().max() <= 1
    assert start.bias.std() > 0.1
    of = steered("positions", rms=4.0, bias=None)
    assert fix([of.layer("fc1")], of) == "model.fc1.weight.data.mul_(0.12)"


@pytest.mark.parametrize(
    "of",
    [
        steered("transformation"),
        steered(bias=None),
        steered(bias=bias("fc1.bias", 8)),
        steered("transformation", bias=None),
    ],
)
def test_where_no_code_is_known_the_fix_is_advice(of: Recording) -> None:
    assert fix([of.layer("fc1")], of).startswith("start at the identity transformation")
