"""Severities can be compared, reports survive JSON, and errors survive pickling."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any, Literal

import pytest

from inithealth import Finding, Report, Severity, UnhealthyInit
from inithealth.findings import Skipped
from tests.rules.recordings import measured, signal, stack


def made(severity: Severity = Severity.ERROR, code: str = "IH106", *layers: str, **more: Any) -> Finding:
    return Finding(code=code, rule="weight-scale", severity=severity, layers=layers, message="off", **more)


def report(*findings: Finding, fail_on: Literal["error", "warning", "info", "never"] = "error") -> Report:
    return Report(model="MLP", findings=findings, fail_on=fail_on)


def test_severities_are_ordered() -> None:
    order = [Severity.INFO, Severity.WARNING, Severity.ERROR]
    for (worse, high), (better, low) in itertools.product(enumerate(order), repeat=2):
        assert (high > low) is (worse > better)
        assert (high >= low) is (worse >= better)
        assert (high < low) is (worse < better)
        assert (high <= low) is (worse <= better)
    assert max(order) is Severity.ERROR
    assert sorted([Severity.ERROR, Severity.INFO, Severity.WARNING]) == order


def test_a_severity_equals_its_string() -> None:
    assert Severity.ERROR == "error"
    assert f"{Severity.WARNING}" == str(Severity.WARNING) == "warning"
    assert Severity("info") is Severity.INFO
    with pytest.raises(TypeError):
        assert Severity.ERROR > 3


FAILING = {
    "error": {Severity.ERROR},
    "warning": {Severity.ERROR, Severity.WARNING},
    "info": {Severity.ERROR, Severity.WARNING, Severity.INFO},
    "never": set(),
}


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("fail_on", FAILING)
def test_fail_on_determines_what_fails(severity: Severity, fail_on: Any) -> None:
    judged = report(made(severity), fail_on=fail_on)
    assert judged.ok is (severity not in FAILING[fail_on])
    assert judged.failures == (() if judged.ok else judged.findings)
    if judged.ok:
        judged.raise_if_unhealthy()
    else:
        with pytest.raises(UnhealthyInit):
            judged.raise_if_unhealthy()


def test_a_consequence_alone_does_not_fail() -> None:
    cause = made(Severity.WARNING, "IH106", "fc")
    consequence = made(Severity.ERROR, "IH201", "fc", role="consequence", explained_by=cause.key)
    judged = report(cause, consequence)
    assert judged.ok
    assert judged.causes == (cause,)
    assert judged.consequences(cause) == (consequence,)
    assert judged.consequences(consequence) == ()


def test_the_key_is_code_and_root_cause_layer() -> None:
    assert made(Severity.ERROR, "IH106", "fc1", "fc2").key == "IH106 fc1"
    assert made(Severity.ERROR, "IH405").key == "IH405"


def test_the_error_shows_the_whole_table() -> None:
    judged = report(made(Severity.ERROR, "IH106", "fc1"))
    with pytest.raises(UnhealthyInit) as raised:
        judged.raise_if_unhealthy()
    assert str(raised.value) == f"unhealthy initialization\n{judged}"
    assert raised.value.report is judged
    assert isinstance(raised.value, RuntimeError)


def test_the_error_can_be_pickled() -> None:
    error = UnhealthyInit(report(made(Severity.ERROR, "IH106", "fc1")), "inithealth fix init.json")
    assert str(error).endswith("\ninithealth fix init.json")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, UnhealthyInit)
    assert str(again) == str(error)
    assert again.report == error.report
    once_more = pickle.loads(pickle.dumps(again))
    assert str(once_more) == str(error)


def test_an_error_created_from_text_can_be_pickled() -> None:
    error = UnhealthyInit("the table")
    again = pickle.loads(pickle.dumps(error))
    assert again.report is None
    assert str(again) == str(error)


def full() -> Report:
    layers = stack(3)
    odd = {"output": signal(math.nan, mean=-math.inf, non_finite=3).model_dump(), "dead_share": 1.0}
    return Report(
        model="MLP",
        findings=(made(Severity.ERROR, "IH202", "fc0", measured=math.inf, limit=math.nan, source="net.py:3"),),
        layers=layers,
        measurements=measured(layers, fc1=odd),
        skipped=(Skipped(code="IH208", rule="loss-at-init", reason="no loss"),),
        not_measured=("fc9: \n\x1b[31m",),
        notes=("loss: as given",),
        fail_on="warning",
        step=4,
        versions={"torch": "2"},
    )


@pytest.mark.parametrize("indent", [None, 2])
def test_a_report_with_non_finite_values_survives_json(indent: int | None) -> None:
    before = full()
    text = before.to_json(indent=indent)
    after = Report.from_json(text)
    assert after.to_json(indent=indent) == text
    assert after.findings[0].measured == math.inf
    assert math.isnan(after.findings[0].limit or 0.0)
    output = after.measurements[1].output
    assert output is not None
    assert math.isnan(output.rms)
    assert output.mean == -math.inf
    assert output.non_finite == 3
    assert str(after) == str(before)
    assert Report.from_json(text.encode()).fail_on == "warning"


def test_the_json_is_standard() -> None:
    """It contains no bare NaN, which only Python's own parser accepts."""
    import json

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    assert json.loads(full().to_json(), parse_constant=refuse)["findings"][0]["measured"] == "Infinity"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": "MLP", "surprise": 1}', '{"model": "MLP", "step": "x"}'])
def test_other_json_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Report.from_json(text)


def test_findings_and_reports_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        made().message = "fine"  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        report().step = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="surprise"):
        made(surprise=1)


def test_an_empty_report_is_ok() -> None:
    assert report().ok
    assert report().causes == report().failures == ()


def test_the_representation_is_two_lines() -> None:
    for judged in (report(), full(), report(made(Severity.ERROR, "IH106", "a\nb"))):
        first, second = repr(judged).split("\n")
        assert first == f"<{judged.summary()}"
        assert second.endswith(">")
    assert repr(report()) == "<inithealth: healthy at step 0 (MLP)\n print(report) shows the causes and the layers>"


def test_text_is_ascii_for_any_layer_names() -> None:
    judged = report(made(Severity.ERROR, "IH106", "sch\u00f6n\u2028\x1b[31m"))
    assert str(judged).isascii()
    assert repr(judged).isascii()
    assert judged.summary().isascii()


def test_the_table_has_all_rows_on_request() -> None:
    many = report().model_copy(update={"layers": stack(100)})
    assert "fc77" not in many.table()
    assert "fc77" in many.table(full=True)
    assert many.table() == str(many)
