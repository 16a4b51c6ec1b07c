"""IH403: a layer that grows relative to the others, or growth across the whole network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth import Severity
from inithealth.recording import Recording
from inithealth.rules.steps.signal_drift import SignalDrift
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, stack
from tests.rules.runs import several, trained


def grown(**outputs: float) -> Recording:
    return several({"outputs": outputs})


def test_one_layer_that_has_grown_is_found() -> None:
    (found,) = judge(SignalDrift, grown(fc1=100.0))
    assert (found.severity, found.layers, found.step) == (Severity.WARNING, ("fc1",), 11)
    assert "grown 100x relative to the other layers" in found.message
    assert (found.measured, found.limit) == (pytest.approx(100.0), 32.0)


def test_a_drifting_gain_in_a_normalized_run_is_found_before_the_loss_changes() -> None:
    model = mlp(4)
    model = nn.Sequential(*[part for layer in model for part in (layer, nn.LayerNorm(64))][:-1])

    def drift(step: int, of: nn.Module) -> None:
        of[4].weight.mul_(1.7)

    report = trained(model, 16, between=drift)
    assert torch.isfinite(torch.tensor([m.output.rms for m in report.measurements if m.output])).all()
    assert finding(report, "IH403").layers == ("4",)


def test_a_healthy_run_does_not_drift() -> None:
    assert trained(mlp(), 40).causes == ()


@pytest.mark.parametrize("steps", [2, 9])
def test_nothing_is_judged_before_there_is_a_baseline(steps: int) -> None:
    assert judge(SignalDrift, several({"outputs": {"fc1": 100.0}}, steps=steps)) == []


def test_growth_across_the_whole_network_is_one_finding() -> None:
    every = {f"fc{number}": 50.0 for number in range(4)}
    (found,) = judge(SignalDrift, grown(**every))
    assert found.layers == ()
    assert "have grown 50x (median)" in found.message


def test_growth_of_a_head_is_expected() -> None:
    assert judge(SignalDrift, grown(head=100.0)) == []


def test_options_change_the_limits() -> None:
    gradients: dict[str, Any] = {"gradients": {"fc2": 5000.0}}
    assert judge(SignalDrift, grown(fc1=100.0), max_octaves=7.0) == []
    (found,) = judge(SignalDrift, several(gradients))
    assert "the gradient has grown 5000x" in found.message
    assert judge(SignalDrift, several(gradients), max_octaves_of_gradient=13.0) == []
    every = {f"fc{number}": 50.0 for number in range(4)}
    assert judge(SignalDrift, grown(**every), max_octaves_of_whole=6.0) == []
    waking = several({"outputs": {"fc1": 100.0}}, layers=stack())
    assert judge(SignalDrift, waking, max_start=2.0) == []


def test_alerts_are_reported_during_the_run() -> None:
    assert "IH403" not in codes(trained(mlp(), 12))
