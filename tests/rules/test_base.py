"""The rule base class: validated options, and findings with the rule's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from inithealth.evidence import fixes
from inithealth.findings import Finding, Report, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit, unit_of
from tests.rules.recordings import layer, recording


class LoudLayers(Rule):
    """Layers are loud."""

    code = "XY001"
    name = "loud-layers"
    severity = Severity.WARNING
    explains = frozenset({"XY002"})
    max_rms: float = limit(2.0, "largest rms", unit="rms", above=0.0)

    def check(self, recording: Recording) -> Iterator[Finding]:
        loud = [each for each in recording.layers if each.weight is not None and each.weight.rms > self.max_rms]
        if loud:
            yield self.finding(loud, "loud")


class Early(LoudLayers):
    """The same rule with a lower rank."""

    rank = 3


def found(*layers: Layer, **fields: Any) -> Finding:
    return LoudLayers().finding(layers, "loud", **fields)


def test_a_finding_has_the_rules_name_and_severity() -> None:
    one = found(layer("a", 0))
    assert (one.code, one.rule, one.severity, one.message) == ("XY001", "loud-layers", Severity.WARNING, "loud")
    assert found(layer("a", 0), severity=Severity.INFO).severity is Severity.INFO


def test_a_finding_has_the_measured_value() -> None:
    one = found(layer("a", 0), measured=3.0, limit=2.0, cause="a large weight", fix="scale it")
    assert (one.measured, one.limit, one.cause, one.fix) == (3.0, 2.0, "a large weight", "scale it")
    with pytest.raises(ValidationError, match="surprise"):
        found(surprise=1)


def test_a_finding_names_each_module_once_the_root_cause_first() -> None:
    """A module may have several weights: a query, a key and a value."""
    layers = [layer(f"attention.{name}", place, module="attention") for place, name in enumerate("qkv")]
    assert found(layer("z", 3), *layers, layer("a", 4)).layers == ("z", "attention", "a")


def test_a_finding_has_the_line_of_its_first_layer() -> None:
    first, second = (layer(name, 0, source=f"{name}.py:3") for name in ("a", "b"))
    assert found(first, second).source == "a.py:3"
    assert found(layer("a", 0), second).source is None
    assert found().source is None
    assert found().layers == ()


def test_a_rule_applies_to_all_recordings_by_default() -> None:
    assert LoudLayers().skipped(recording()) is None
    assert LoudLayers().may_follow(found()) is True


def test_the_rank_of_a_finding_is_its_rules() -> None:
    assert LoudLayers().order(found()) == LoudLayers.rank == 50
    assert Early().order(found()) == 3


def test_a_rule_accounts_for_the_codes_that_it_explains() -> None:
    def symptom(code: str) -> Finding:
        return found().model_copy(update={"code": code})

    assert LoudLayers().accounts_for(found(), symptom("XY002"))
    assert not LoudLayers().accounts_for(found(), symptom("XY001"))
    assert Rule.explains == frozenset()


def test_a_limit_is_an_option_with_an_effect() -> None:
    loud = recording((layer("a", 0, weight={"rms": 3.0}), layer("b", 1, weight={"rms": 2.0})), ())
    assert [each.layers for each in LoudLayers().check(loud)] == [("a",)]
    assert list(LoudLayers(max_rms=3.0).check(loud)) == []
    assert unit_of(LoudLayers.model_fields["max_rms"]) == "rms"


@pytest.mark.parametrize("options", [{"max_rms": 0.0}, {"max_rms": "loud"}, {"max_rsm": 3.0}])
def test_options_are_validated(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        LoudLayers(**options)


def test_a_rule_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        LoudLayers().max_rms = 3.0  # type: ignore[misc]


def test_a_rule_must_define_check() -> None:
    with pytest.raises(TypeError, match="check"):
        Rule()  # type: ignore[abstract]


def test_a_finding_has_the_operations_of_its_fix() -> None:
    first = layer("a", 0)
    one = found(first, fix=fixes.each([first]))
    assert (one.fix, one.operations) == (str(fixes.each([first])), fixes.each([first]).operations)
    assert found(first, fix=f"try this:\n{fixes.each([first])}").operations == ()
    assert "operations" not in str(Report(model="Net", findings=(one,)))
