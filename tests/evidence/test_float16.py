"""Shares rounded to zero in float16 and outputs near its maximum, compared with random float16 numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inithealth.evidence.float16 import LARGEST, flushed, outputs_beyond
from inithealth.recording import Measurement, Step
from tests.rules.recordings import signal


def step(**more: Any) -> Step:
    scale = more.pop("loss_scale", 1.0)
    return Step(index=0, loss_scale=scale, layers=(Measurement(layer="fc", **more), Measurement(layer="bare")))


@pytest.mark.parametrize(("size", "loss_scale"), [(1e-7, 1.0), (3e-8, 1.0), (1e-9, 32.0), (1e-5, 1.0)])
@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_the_share_rounded_to_zero_is_that_of_a_normal_distribution(
    size: float, loss_scale: float, zeros: float
) -> None:
    values = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * size * loss_scale
    share = float((values.half() == 0).float().mean())
    gradient = signal(size * (1 - zeros) ** 0.5, float16=True, zero_share=zeros)
    assert flushed(step(gradient=gradient, loss_scale=loss_scale)) == {"fc": pytest.approx(share, abs=0.01)}


@pytest.mark.parametrize(("rms", "zeros"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_zero_gradients_are_all_rounded_to_zero(rms: float, zeros: float) -> None:
    assert flushed(step(gradient=signal(rms, float16=True, zero_share=zeros))) == {"fc": 1.0}


@pytest.mark.parametrize("more", [{"float16": False}, {"float16": True, "non_finite": 1}])
def test_only_finite_float16_gradients_are_judged(more: dict[str, Any]) -> None:
    assert flushed(step(gradient=signal(1e-9, **more))) == {}


@pytest.mark.parametrize(
    ("top", "more", "beyond"),
    [
        (101.0, {"float16": True}, True),
        (100.0, {"float16": True}, False),
        (101.0, {"float16": False}, False),
        (101.0, {"float16": True, "non_finite": 1}, False),
    ],
)
def test_an_output_above_the_limit(top: float, more: dict[str, Any], beyond: bool) -> None:
    assert outputs_beyond(100.0, step(output=signal(1.0, abs_max=top, **more))) == ({"fc": top} if beyond else {})


def test_the_largest_float16_number() -> None:
    assert torch.finfo(torch.float16).max == LARGEST
