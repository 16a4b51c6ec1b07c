"""Root-cause layers are those of errors and warnings, without layers that only have consequences."""

from __future__ import annotations

from inithealth import Severity
from inithealth.report.cause_layers import first_layers, rules_of_causes
from tests.report.reports import cause, follows, report
from tests.rules.recordings import layer

LSTM = (
    layer("lstm.weight_ih_l0", 0, module="lstm", kind="rnn"),
    layer("lstm.weight_hh_l0", 1, module="lstm", kind="rnn"),
    layer("head", 2),
)


def test_a_cause_has_its_rule_and_those_of_consequences_in_it() -> None:
    found = cause("fc1", "fc2")
    judged = report(found, follows(found, "fc2", "fc3"))
    assert rules_of_causes(judged) == {
        "fc1": {"weight-scale"},
        "fc2": {"weight-scale", "exploding-activations"},
    }


def test_two_rules_in_one_layer() -> None:
    judged = report(cause("fc1"), cause("fc1", code="IH204", rule="dead-units"))
    assert rules_of_causes(judged) == {"fc1": {"weight-scale", "dead-units"}}


def test_info_and_suppressed_findings_are_no_causes() -> None:
    judged = report(
        cause("fc0", severity=Severity.INFO),
        cause("fc1", suppressed="known"),
        cause("fc2", severity=Severity.WARNING),
    )
    assert rules_of_causes(judged) == {"fc2": {"weight-scale"}}
    assert [each.name for each in first_layers(judged)] == ["fc2"]


def test_of_a_module_with_several_weights_those_in_the_message_count() -> None:
    named = report(cause("lstm", message="lstm.weight_hh_l0: weights 12x too large"), layers=LSTM)
    assert set(rules_of_causes(named)) == {"lstm.weight_hh_l0"}
    assert [each.name for each in first_layers(named)] == ["lstm.weight_hh_l0"]
    silent = report(cause("lstm", message="no gradient"), layers=LSTM)
    assert set(rules_of_causes(silent)) == {"lstm.weight_ih_l0", "lstm.weight_hh_l0"}
    span = report(cause("lstm", message="lstm.weight_ih_l0 ... lstm.weight_hh_l0 (4 layers): small"), layers=LSTM)
    assert set(rules_of_causes(span)) == {"lstm.weight_ih_l0", "lstm.weight_hh_l0"}


def test_a_finding_on_an_unrecorded_layer() -> None:
    assert rules_of_causes(report(cause(), cause("gone"))) == {}
    assert first_layers(report(cause(), cause("gone"))) == []
