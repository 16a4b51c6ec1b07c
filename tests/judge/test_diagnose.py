"""Causes first, what follows from them folded under them, and what was not judged said aloud."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth import Finding, Rule, Settings, Severity
from inithealth.judge.diagnose import diagnose, folded
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


def found(code: str, severity: Severity, *layers: str, **more: Any) -> tuple[Rule, Finding]:
    rule = BY_CODE[code]()
    return rule, Finding(code=code, rule=rule.name, severity=severity, layers=layers, message="off", **more)


def small(severity: Severity = WARNING, *layers: str) -> tuple[Rule, Finding]:
    return found("IH106", severity, *(layers or ("fc1",)), measured=0.001, limit=0.1)


def told(*pairs: tuple[Rule, Finding]) -> list[tuple[str, str, Severity]]:
    return [(each.code, each.role, each.severity) for each in folded(pairs)]


def test_what_follows_is_folded_under_its_cause() -> None:
    result = folded([found("IH301", WARNING, "fc0"), found("IH201", WARNING, "fc2"), small()])
    assert [(each.code, each.role, each.explained_by) for each in result] == [
        ("IH106", "cause", None),
        ("IH201", "consequence", "IH106 fc1"),
        ("IH301", "consequence", "IH106 fc1"),
    ]


def test_a_cause_takes_the_worst_severity_of_what_it_explains() -> None:
    assert told(small(WARNING), found("IH201", ERROR), found("IH301", WARNING)) == [
        ("IH106", "cause", ERROR),
        ("IH201", "consequence", ERROR),
        ("IH301", "consequence", WARNING),
    ]
    assert told(small(ERROR), found("IH201", WARNING))[0] == ("IH106", "cause", ERROR)


def test_what_is_merely_noted_explains_nothing() -> None:
    assert told(small(INFO), found("IH201", ERROR)) == [("IH201", "cause", ERROR), ("IH106", "cause", INFO)]


def test_what_does_not_follow_stays_a_cause() -> None:
    assert told(small(), found("IH202", ERROR)) == [("IH202", "cause", ERROR), ("IH106", "cause", WARNING)]


def test_a_chain_ends_at_its_first_link() -> None:
    """Zero weights explain dead units, which explain fading, which explains the gradient."""
    result = folded([found(code, WARNING, code) for code in ("IH301", "IH201", "IH204", "IH103")])
    assert [each.explained_by for each in result] == [None, "IH103 IH103", "IH103 IH103", "IH103 IH103"]


def test_causes_come_worst_first_then_by_rank() -> None:
    pairs = [found("IH208", WARNING), found("IH305", WARNING), found("IH304", INFO, "fc9"), found("IH101", ERROR, "fc")]
    assert [each.code for each in folded(pairs)] == ["IH101", "IH208", "IH305", "IH304"]
    assert [each.code for each in folded(pairs[::-1])] == ["IH101", "IH208", "IH305", "IH304"]


def test_a_cut_graph_is_nobodys_consequence() -> None:
    zero = found("IH103", ERROR, "fc1")
    cut, asleep = found("IH304", ERROR, "fc2"), found("IH304", ERROR, "fc0", measured=0.0)
    assert told(zero, cut, asleep) == [
        ("IH103", "cause", ERROR),
        ("IH304", "consequence", ERROR),
        ("IH304", "cause", ERROR),
    ]


def test_what_is_seen_later_follows_from_what_was_there_before() -> None:
    large = found("IH106", WARNING, "fc1", measured=3.0, limit=0.5)
    broken = found("IH203", ERROR, "fc2", step=4)
    assert told(broken, large) == [("IH106", "cause", ERROR), ("IH203", "consequence", ERROR)]
    first = found("IH203", ERROR, "fc2", step=0)
    later = found("IH210", ERROR, step=4)
    assert told(later, first) == [("IH203", "cause", ERROR), ("IH210", "cause", ERROR)]


def test_nothing_found_is_nothing_told() -> None:
    assert folded([]) == ()


def test_the_first_of_two_causes_gets_the_consequence() -> None:
    result = folded([found("IH103", WARNING, "fc3"), small(WARNING), found("IH201", ERROR)])
    assert [(each.code, each.severity) for each in result] == [("IH103", ERROR), ("IH201", ERROR), ("IH106", WARNING)]


def sick() -> Recording:
    """One layer a hundred times too small, what that does, and a zero layer that a skip gets round."""
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
    """An input that is off: by a little, with what follows from it, or not at all but for a layer never used."""
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


def test_selected_rules_alone_are_judged_and_the_others_named() -> None:
    report = diagnose(sick(), Settings(select=("IH2", "no-gradient")))
    assert {found.code for found in report.findings} == {"IH201", "IH304"}
    left_out = {skipped.code for skipped in report.skipped if skipped.reason == "not selected"}
    assert left_out == {code for code in BY_CODE if not code.startswith("IH2") and code != "IH304"}


def test_an_ignored_cause_leaves_what_it_explained() -> None:
    report = diagnose(sick(), Settings(ignore=("weight-scale", "IH103")))
    assert [found.code for found in report.findings] == ["IH201", "IH304"]
    assert [cause.code for cause in report.causes] == ["IH201"]


def test_a_rule_that_cannot_be_judged_says_why() -> None:
    report = diagnose(recording(steps=(), loss=Loss(kind="mse")), Settings())
    reasons = {skipped.code: skipped.reason for skipped in report.skipped}
    assert reasons["IH208"] == "the loss (mse) has no known value at initialization"
    assert reasons["IH301"] == reasons["IH302"] == "fewer than two layers have a gradient other than zero"
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


def test_unknown_rules_and_options_never_get_this_far() -> None:
    with pytest.raises(ValueError, match="did you mean 'dead-units'"):
        diagnose(recording(), Settings(select="dead-unit"))
    unchecked = Settings().model_copy(update={"rules": {"dead-unit": {}}})
    with pytest.raises(ValueError, match="did you mean 'dead-units'"):
        diagnose(recording(), unchecked)


def test_a_broken_batch_explains_everything_that_is_not_finite() -> None:
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


def test_a_real_network_keeps_its_verdict_when_rules_are_judged_apart() -> None:
    """Each rule alone finds what it finds among all of them."""
    model = mlp(9)
    for place in (8, 10, 12):
        model[place].weight.data.mul_(0.02)
    together = judged(model)
    for rule in (WeightScale, VanishingActivations, ZeroWeights, NoGradient):
        alone = judged(model, select=rule.code)
        assert [each.layers for each in alone.findings] == [
            each.layers for each in together.findings if each.code == rule.code
        ]
