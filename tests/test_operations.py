"""Operations accept names and finite numbers only, rounded to the digits of their code."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from inithealth.operations import (
    Fill,
    Freeze,
    Initialize,
    Operation,
    Scale,
    ScaleByDepth,
    SetBias,
    StartTimeSteps,
    magnitude,
)
from inithealth.operations import parametrized as whole

ANY: TypeAdapter[Operation] = TypeAdapter(Operation)
VALID: tuple[Operation, ...] = (
    Initialize(parameter="fc.weight", initializer="normal", numbers=(0.02,)),
    Initialize(parameter="fc.weight", initializer="kaiming_normal", nonlinearity="relu"),
    Initialize(parameter="experts", initializer="normal", numbers=(0.0, 0.1), matrix=3),
    Fill(parameter="norm.weight", value=4.9),
    SetBias(parameter="head.bias", value=-4.6),
    Scale(parameter="q.weight", factor=0.12),
    ScaleByDepth(parameter="out.weight", branches=24, paired=True),
    StartTimeSteps(parameter="dt.bias", low=-6.9, high=-2.3),
    Freeze(parameter="fc"),
)


@pytest.mark.parametrize("operation", VALID, ids=lambda operation: operation.kind)
def test_an_operation_survives_json(operation: Operation) -> None:
    assert ANY.validate_json(ANY.dump_json(operation)) == operation


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, sys.float_info.max])
def test_numbers_are_finite(value: float) -> None:
    for fields in (
        {"kind": "fill", "value": value},
        {"kind": "scale", "factor": value},
        {"kind": "set_bias", "value": value},
        {"kind": "initialize", "initializer": "normal", "numbers": [value]},
    ):
        with pytest.raises(ValidationError):
            ANY.validate_python({"parameter": "w", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "exec", "code": "print()"},
        {"kind": "freeze", "code": "print()"},
        {"kind": "initialize", "initializer": "__import__"},
        {"kind": "initialize", "initializer": "zeros", "numbers": [1.0]},
        {"kind": "initialize", "initializer": "zeros", "nonlinearity": "relu"},
        {"kind": "initialize", "initializer": "normal"},
        {"kind": "initialize", "initializer": "normal", "numbers": [-1.0]},
        {"kind": "initialize", "initializer": "uniform", "numbers": [1.0, -1.0]},
        {"kind": "initialize", "initializer": "eye", "numbers": [1e9]},
        {"kind": "initialize", "initializer": "kaiming_normal"},
        {"kind": "initialize", "initializer": "kaiming_normal", "nonlinearity": "sin"},
        {"kind": "initialize", "initializer": "zeros", "matrix": -1},
        {"kind": "scale_by_depth", "branches": 0},
        {"kind": "start_time_steps", "low": 1.0, "high": 0.0},
    ],
    ids=str,
)
def test_everything_else_is_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ANY.validate_python({"parameter": "w", **fields})


def test_numbers_are_those_that_the_code_shows() -> None:
    assert Scale(parameter="w", factor=0.123456).factor == 0.12
    assert SetBias(parameter="b", value=-4.59512).value == -4.6
    assert Initialize(parameter="w", initializer="normal", numbers=(0.123456,)).numbers == (0.123,)


def test_a_parametrized_weight_is_an_attribute_of_its_module() -> None:
    assert whole("0.parametrizations.weight.original1") == ("0", "weight")
    assert whole("parametrizations.weight.original") == ("", "weight")
    assert whole("fc.weight") is None
    assert magnitude("fc.weight_v") == "fc.weight_g"
