"""Layers are red while an alert about their size is open."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from inithealth.findings import Lifetime, Report
from inithealth.page.alert_colors import with_alerts
from inithealth.page.of_report import run_data
from inithealth.page.state import state
from inithealth.page.step_values import STATISTICS, packed, unpacked
from inithealth.page.step_values import blocks as blocks_of
from inithealth.rules.steps.signal_drift import SignalDrift
from tests.rules.nets import mlp
from tests.rules.recordings import judge
from tests.rules.runs import several, trained
from tests.rules.steps.test_signal_drift import grown

LAYERS = [{"module": f"fc{number}"} for number in range(4)]
STEPS = [0, 10, 50, 100]


def blocks(**rows: list[float]) -> list[bytes]:
    return [packed({name: rows.get(name, [0.5] * len(LAYERS)) for name in STATISTICS})] * len(STEPS)


def alert(**more: object) -> dict[str, object]:
    known = {"rule": "signal-drift", "layers": ["fc1"], "message": "fc1: the output has grown 40x", "opened": 50}
    return {"suppressed": None, "closed": None, **known, **more}


def shown(finding: object, statistic: str = "forward_off", **rows: list[float]) -> list[list[float]]:
    """Return the values of a statistic, step by step."""
    return [unpacked(block)[statistic] for block in with_alerts(LAYERS, [finding], STEPS, blocks(**rows))]


def test_the_layer_is_red_from_the_alert_on() -> None:
    assert shown(alert()) == [[0.5] * 4] * 2 + [[0.5, 2.5, 0.5, 0.5]] * 2
    assert shown(alert(), "gradient_off") == [[0.5] * 4] * 4


def test_until_it_is_resolved() -> None:
    assert [row[1] for row in shown(alert(closed=100))] == [0.5, 0.5, 2.5, 0.5]


def test_what_is_further_off_or_not_measured_stays() -> None:
    row = [7.0, 7.0, math.nan, math.inf]
    found = shown(alert(layers=["fc1", "fc2", "fc3"]), forward_off=row)[3]
    assert found == pytest.approx(row, nan_ok=True)


@pytest.mark.parametrize(
    "finding",
    [
        alert(rule="update-ratio"),
        alert(suppressed="intentional"),
        alert(message="the layers' outputs have grown"),
        alert(layers=[]),
        alert(layers=None),
        alert(opened="soon"),
        alert(closed=[]),
        {},
        "unreadable",
        None,
    ],
)
def test_nothing_changes_without_an_alert_about_a_size_of_a_layer(finding: object) -> None:
    assert shown(finding) == [[0.5] * 4] * 4
    assert with_alerts(LAYERS, finding, STEPS, blocks()) == blocks()


def test_the_rules_own_findings_are_recognized() -> None:
    gradients = several({"gradients": {"fc1": 5000.0}})
    for recording, statistic in ((grown(fc1=100.0), "forward_off"), (gradients, "gradient_off")):
        (finding,) = judge(SignalDrift, recording)
        report = Report(model="MLP", findings=(finding,), lifetimes=(Lifetime(finding=finding, opened=50),))
        (row,) = {tuple(row) for row in shown(state(report)["findings"][0], statistic)[2:]}
        assert row[1] == 2.5, statistic


def test_the_page_of_a_drifting_run_is_red_at_the_layer_from_the_alert_on() -> None:
    """The output of a layer without peers grows 1.7-fold at each step, first within the range that is healthy."""
    model = nn.Sequential(*[part for layer in mlp(2) for part in (layer, nn.LayerNorm(64))][:-1])
    with torch.no_grad():
        model[4].weight.mul_(0.1)
    report = trained(model, 14, between=lambda step, of: of[4].weight.mul_(1.7))
    data = run_data(report)
    (finding,) = [each for each in data["findings"] if each["code"] == "IH403"]
    place = [each["module"] for each in data["layers"]].index("4")
    rows = [
        unpacked(block)["forward_off"] for block in blocks_of(data["values"], len(data["steps"]), len(data["layers"]))
    ]
    assert finding["layers"] == ["4"]
    assert data["steps"][-1] >= finding["opened"] > 0
    red = [step for step, row in zip(data["steps"], rows, strict=True) if row[place] > 2]
    assert red == [step for step in data["steps"] if step >= finding["opened"]]
