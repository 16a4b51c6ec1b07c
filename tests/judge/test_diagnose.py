"""The report of a recording: selected rules, failures, and what was not judged."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth import Settings, Severity
from inithealth.judge.diagnose import diagnose
from inithealth.recording import Loss, Probation, Recording, Step
from inithealth.rules.backward.no_gradient import NoGradient
from inithealth.rules.catalogue import catalogue
from inithealth.rules.forward.input_scale import InputScale
from inithealth.rules.forward.non_finite_activations import NonFiniteActivations
from inithealth.rules.forward.vanishing_activations import VanishingActivations
from inithealth.rules.steps.non_finite_loss import NonFiniteLoss
from inithealth.rules.weights.weight_scale import WeightScale
from inithealth.rules.weights.zero_weights import ZeroWeights
from tests.rules.nets import judged, mlp
from tests.rules.recordings import measured, recording, signal, stack

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
BY_CODE = {rule.code: rule for rule in catalogue()}


def sick() -> Recording:
    """Return a recording with one layer 100x too small, its consequences, and a zero layer that a skip bypasses."""
    zero = {"rms": 0.0, "abs_max": 0.0, "zero_share": 1.0, "zero_rows": 1.0}
    layers = stack(6, fc1={"weight": {"rms": 0.001}}, fc4={"weight": zero, "bypassable": True})
    trial = Probation(steps=4, settled=True, asleep=("fc4.weight",))
    return recording(layers, measured(layers, outputs={"fc1": 1e-4}), probation=trial)


def test_a_recording_is_judged_by_all_rules() -> None:
    report = diagnose(sick(), Settings())
    assert [(cause.code, cause.layers) for cause in report.causes] == [("IH103", ("fc4",)), ("IH106", ("fc1",))]
    assert not report.ok
    assert report.model == "MLP"
    assert report.layers == sick().layers
    assert report.measurements == sick().steps[0].layers
    assert {"python", "torch"} <= report.versions.keys()


@pytest.mark.parametrize(
    ("fail_on", "severity", "ok"),
    [
        ("error", WARNING, True),
        ("error", ERROR, False),
        ("warning", WARNING, False),
        ("warning", INFO, True),
        ("info", INFO, False),
        ("never", ERROR, True),
    ],
)
def test_fail_on(fail_on: Any, severity: Severity, ok: bool) -> None:
    """The input is slightly outside the expected range, with consequences, or fine except for an unused layer."""
    made_up = {
        ERROR: recording(measurements=measured(stack(), outputs={"fc2": 1e4})),
        WARNING: recording(
            measurements=measured(stack(), fc0={"input": signal(20.0).model_dump()}), inputs={"batch": signal(20.0)}
        ),
        INFO: recording(unused=("fc1",)),
    }[severity]
    report = diagnose(made_up, Settings(fail_on=fail_on))
    assert [cause.severity for cause in report.causes] == [severity]
    assert report.ok is ok
    assert report.fail_on == fail_on


def test_only_selected_rules_are_judged_and_the_others_are_listed() -> None:
    report = diagnose(sick(), Settings(select=("IH2", "no-gradient")))
    assert {found.code for found in report.findings} == {"IH201", "IH304"}
    left_out = {skipped.code for skipped in report.skipped if skipped.reason == "not selected"}
    assert left_out == {code for code in BY_CODE if not code.startswith("IH2") and code != "IH304"}


def test_consequences_of_an_ignored_cause_remain() -> None:
    report = diagnose(sick(), Settings(ignore=("weight-scale", "IH103")))
    assert [found.code for found in report.findings] == ["IH201", "IH304"]
    assert [cause.code for cause in report.causes] == ["IH201"]


def test_a_rule_that_cannot_be_judged_gives_the_reason() -> None:
    report = diagnose(recording(steps=(), loss=Loss(kind="mse")), Settings())
    reasons = {skipped.code: skipped.reason for skipped in report.skipped}
    assert reasons["IH208"] == "the expected value of this loss (mse) at initialization is not known"
    assert reasons["IH301"] == reasons["IH302"] == "fewer than two layers have a non-zero gradient"
    codes = [skipped.code for skipped in report.skipped]
    assert codes == sorted(codes)


def test_an_empty_recording_has_a_report() -> None:
    report = diagnose(Recording(model="Nothing", layers=(), steps=()), Settings())
    assert report.step == 0
    assert report.measurements == ()
    assert str(report)


def test_the_step_is_that_of_the_last_recorded_one() -> None:
    steps = tuple(Step(index=index, loss=2.3, layers=measured(stack())) for index in (0, 1, 20))
    assert diagnose(recording(steps=steps), Settings()).step == 20


def test_unknown_rules_and_options_are_rejected_earlier() -> None:
    with pytest.raises(ValueError, match="did you mean 'dead-units'"):
        diagnose(recording(), Settings(select="dead-unit"))
    unchecked = Settings().model_copy(update={"rules": {"dead-unit": {}}})
    with pytest.raises(ValueError, match="did you mean 'dead-units'"):
        diagnose(recording(), unchecked)


def test_a_broken_batch_explains_all_non_finite_findings() -> None:
    layers = stack()
    broken = {"output": signal(non_finite=3).model_dump()}
    made_up = recording(
        layers,
        inputs={"batch": signal(non_finite=3)},
        steps=(Step(index=0, loss=float("nan"), layers=measured(layers, fc0=broken)),),
    )
    report = diagnose(made_up, Settings())
    assert [cause.code for cause in report.causes] == [InputScale.code]
    assert {NonFiniteActivations.code, NonFiniteLoss.code} <= {each.code for each in report.findings}


def test_rules_judged_separately_give_the_same_findings() -> None:
    """Each rule alone finds the same as among all rules."""
    model = mlp(9)
    for place in (8, 10, 12):
        model[place].weight.data.mul_(0.02)
    together = judged(model)
    for rule in (WeightScale, VanishingActivations, ZeroWeights, NoGradient):
        alone = judged(model, select=rule.code)
        assert [each.layers for each in alone.findings] == [
            each.layers for each in together.findings if each.code == rule.code
        ]
