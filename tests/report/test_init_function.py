"""The fixes as a function: it has the effect of ``Report.apply``, and no text of a report becomes code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

import inithealth
from inithealth import Finding, Report, Severity
from inithealth.commands import inert
from inithealth.operations import Fill, Operation, ScaleByDepth
from inithealth.report.init_function import init_function
from tests.report.allowed_code import refuse_other_code
from tests.report.hostile_operations import FIXES
from tests.zoo.case import Case
from tests.zoo.faulty import all_zero, duplicated_units, small_middle

PROSE = "no change of parameters alone fixes it"


def cause(*operations: Operation, **more: Any) -> Finding:
    known = {
        "code": "IH106",
        "rule": "weight-scale",
        "severity": Severity.ERROR,
        "layers": ("0", "2"),
        "message": "off",
    }
    return Finding(operations=operations, **{**known, **more})


def report(*findings: Finding) -> Report:
    return Report(model="Sequential", findings=findings)


def defined(code: str) -> Callable[[nn.Module], None]:
    namespace: dict[str, Any] = {}
    exec(compile(code, "pasted", "exec"), namespace)
    function: Callable[[nn.Module], None] = namespace["init_weights"]
    return function


@pytest.mark.parametrize("build", [all_zero, duplicated_units, small_middle])
def test_the_function_does_what_apply_does(build: Callable[[], Case]) -> None:
    case = build()
    found = inithealth.check(case.model, case.batch, loss=case.loss)
    state = {name: value.clone() for name, value in case.model.state_dict().items()}
    torch.manual_seed(1)
    found.apply(case.model)
    applied = {name: value.clone() for name, value in case.model.state_dict().items()}
    case.model.load_state_dict(state)
    torch.manual_seed(1)
    defined(init_function(found))(case.model)
    assert all(torch.equal(value, applied[name]) for name, value in case.model.state_dict().items())


def test_imports_docstring_and_a_comment_for_each_cause() -> None:
    biases = [Fill(parameter=f"{place}.bias", value=0.5) for place in range(3)]
    first = cause(*biases, verified="clears", verification="ok")
    scaled = cause(ScaleByDepth(parameter="2.weight", branches=3), code="IH108", rule="unscaled-residual")
    tried = {"layers": ("2",), "verified": "clears", "verification": "the fix clears this finding"}
    assert init_function(report(first, scaled.model_copy(update=tried))).splitlines() == [
        "import math",
        "",
        "from torch import nn",
        "",
        "",
        "def init_weights(model):",
        '    """Fix what inithealth found: call this on a new model, before its optimizer is created."""',
        "    # IH106 weight-scale in layer 0 and 1 more: ok",
        "    for i in range(3):",
        "        nn.init.constant_(model[i].bias, 0.5)",
        "    # IH108 unscaled-residual in layer 2: the fix clears this finding",
        "    model[2].weight.data /= math.sqrt(3)",
    ]


def test_a_fix_that_was_not_tried_is_marked() -> None:
    code = init_function(report(cause(Fill(parameter="0.bias", value=0.0))))
    assert "    # IH106 weight-scale in layer 0 and 1 more: its fix was not tried\n" in code


def test_a_fix_that_does_not_clear_its_finding_is_a_comment() -> None:
    left = cause(Fill(parameter="0.bias", value=0.0), verified="partly", verification="the fix leaves IH106")
    lines = init_function(report(left)).splitlines()
    assert lines[-2:] == ["    # IH106 weight-scale in layer 0 and 1 more", "    # Not applied: the fix leaves IH106"]


@pytest.mark.parametrize(
    ("fix", "lines"),
    [
        ("", ["Not applied: it has no fix"]),
        ("use fewer layers", [f"Not applied: {PROSE}: use fewer layers"]),
        ("nn.init.zeros_(model.fc.weight", [f"Not applied: {PROSE}: nn.init.zeros_(model.fc.weight"]),
        ("first\nimport os\rx\u2028y", [f"Not applied: {PROSE}: first", r"import os\rx\u2028y"]),
        ('"""\n__import__("os").abort()', [f'Not applied: {PROSE}: """', '__import__("os").abort()']),
    ],
)
def test_a_fix_without_operations_is_advice(fix: str, lines: list[str]) -> None:
    code = init_function(report(cause(fix=fix)))
    assert code.splitlines()[2:] == [
        "    # IH106 weight-scale in layer 0 and 1 more",
        *(f"    # {line}" for line in lines),
    ]
    refuse_other_code(code)


def test_names_that_cannot_be_written_as_code_are_a_comment() -> None:
    deep = ".".join(["a b"] * 400)
    code = init_function(report(cause(Fill(parameter=deep, value=0.0))))
    assert code.endswith("    # Not applied: the names of its parameters cannot be written as code")


@given(FIXES)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_text_of_a_report_becomes_code(found: Report) -> None:
    loaded = Report.from_json(found.to_json())
    code = init_function(loaded)
    assert all(" " <= letter <= "~" or letter == "\n" or letter.isprintable() for letter in code)
    refuse_other_code(code)
    assert inert(code) == code
    with suppress(ValueError):
        loaded.apply(nn.Sequential(nn.Linear(2, 2)))
