"""How strongly the loss depends on the weights, from gradient and weight norms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import inithealth
from inithealth.evidence.loss_sensitivity import loss_sensitivity
from inithealth.recording import Step
from tests.rules.recordings import layer, measured, recording

LAYERS = (layer("fc0", 0, weight={"rms": 0.5}), layer("head", 1, head=True, weight={"rms": 0.0, "fan_in": 64}))


def sensitivity(loss: float | None, *gradients: float | None) -> float | None:
    measurements = measured(
        LAYERS, **{each.name: {"weight_gradient": g} for each, g in zip(LAYERS, gradients, strict=True)}
    )
    return loss_sensitivity(recording(LAYERS, steps=(Step(index=0, loss=loss, layers=measurements),)))


def test_zero_weights_count_with_a_common_scale() -> None:
    assert sensitivity(2.0, 1e-3, 1e-2) == pytest.approx((1e-3 * 0.5 + 1e-2 / 8) * 96 / 2)


@pytest.mark.parametrize(
    ("loss", "gradients"),
    [(None, (1.0, 1.0)), (0.0, (1.0, 1.0)), (float("nan"), (1.0, 1.0)), (2.0, (0.0, 0.0)), (2.0, (None, None))],
)
def test_it_is_unknown_without_a_loss_or_a_gradient(loss: float | None, gradients: tuple[float | None, ...]) -> None:
    assert sensitivity(loss, *gradients) is None


def test_it_bounds_the_change_of_the_loss() -> None:
    torch.manual_seed(0)
    model, batch = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(32, 8)
    first = model(batch).square().mean().item()
    report = inithealth.check(model, batch, loss=lambda output: output.square().mean())
    found = loss_sensitivity(
        recording(report.layers, report.measurements, steps=(Step(index=0, loss=first, layers=report.measurements),))
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.001)
    changed = abs(model(batch).square().mean().item() / first - 1) / 1e-3
    assert found is not None
    assert 0.3 * changed < found < 30 * changed
