"""IH404: units that died during training; not those that were dead from the start."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from inithealth import Severity
from inithealth.recording import Recording
from inithealth.rules.steps.dying_units import DyingUnits
from tests.rules.nets import codes, finding, mlp
from tests.rules.recordings import judge, measured, recording, stack
from tests.rules.runs import trained


def test_a_layer_that_died_in_a_step_is_an_error() -> None:
    def kill(step: int, model: nn.Module) -> None:
        if step == 3:
            model[2].bias.fill_(-50.0)

    report = trained(mlp(), 18, between=kill)
    found = finding(report, "IH404")
    assert (found.severity, found.layers[0]) == (Severity.ERROR, "2")
    assert "100% of the units never activate in this batch" in found.message


def test_a_healthy_run_keeps_its_units() -> None:
    assert "IH404" not in codes(trained(mlp(), 18))


def counted(before: float, now: float, units: int = 64, **more: Any) -> Recording:
    layers = stack(fc1=more)
    shares = [{"dead_share": share, "units": units, "dead_samples": 64} for share in (before, now)]
    first, last = (measured(layers, fc1=share) for share in shares)
    steps = [{"index": 0, "loss": 2.0, "layers": first}, {"index": 8, "loss": 2.0, "layers": last}]
    return recording(layers, steps=tuple(steps))


@pytest.mark.parametrize(
    ("before", "now", "severity"),
    [(0.1, 0.95, Severity.WARNING), (0.1, 1.0, Severity.ERROR), (0.1, 0.8, None), (0.95, 1.0, None)],
)
def test_levels(before: float, now: float, severity: Severity | None) -> None:
    assert [each.severity for each in judge(DyingUnits, counted(before, now))] == ([severity] if severity else [])


def test_it_is_a_warning_if_a_skip_bypasses_the_layer() -> None:
    assert judge(DyingUnits, counted(0.1, 1.0, bypassable=True))[0].severity == Severity.WARNING


def test_options_change_the_limits() -> None:
    assert judge(DyingUnits, counted(0.1, 0.95), max_share=0.97) == []
    assert judge(DyingUnits, counted(0.1, 0.95), min_lost=0.9) == []
    assert judge(DyingUnits, counted(0.1, 0.95), error_share=0.9)[0].severity == Severity.ERROR
    assert judge(DyingUnits, counted(0.1, 0.95), min_units=65) == []


def test_the_message_names_the_flat_side() -> None:
    layers = stack(fc1={"activation": "relu6"})
    shares: list[dict[str, Any]] = [
        {"dead_share": share, "pinned_share": share, "units": 64, "dead_samples": 64} for share in (0.1, 0.95)
    ]
    steps = [
        {"index": 8 * place, "loss": 2.0, "layers": measured(layers, fc1=share)} for place, share in enumerate(shares)
    ]
    (found,) = judge(DyingUnits, recording(layers, steps=tuple(steps)))
    assert "95% of the units stay at the maximum in this batch" in found.message
    assert found.cause == "optimizer steps were too large: no sample gives them an input below 6"
