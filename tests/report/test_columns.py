"""The columns of the layer table: each reads and formats a field of the report, with its target and its rules."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence.targets import FREE, Targets
from inithealth.recording import Layer, Measurement
from inithealth.report.columns import (
    DEAD,
    FEEDS,
    GAIN,
    GRADIENT,
    GRADIENT_NORM,
    LEFT_OUT,
    OUTPUT,
    OUTPUT_RMS,
    RANK,
    SCHEME,
    SHAPE,
    STD,
    TABLE,
    Column,
)
from inithealth.rules.catalogue import catalogue
from tests.rules.recordings import layer, signal

BARE = Measurement(layer="fc")


@pytest.mark.parametrize("column", TABLE, ids=lambda column: column.heading)
def test_a_column_corresponds_to_a_field_of_the_json(column: Column) -> None:
    assert column.field in {*Layer.model_fields, *Measurement.model_fields}


@pytest.mark.parametrize("column", TABLE, ids=lambda column: column.heading)
def test_there_is_no_value_without_the_field(column: Column) -> None:
    bare = layer("fc", 0).model_copy(update={"weight": None, "activation": None, "feeds": ""})
    assert column.text([column.read(bare, BARE)]) == column.missing


@pytest.mark.parametrize("column", TABLE, ids=lambda column: column.heading)
def test_the_rules_that_judge_a_column_exist(column: Column) -> None:
    assert column.rules | column.symptoms <= {rule.name for rule in catalogue()}
    assert not column.symptoms or column.target is not None


def test_headings_are_unique() -> None:
    headings = [column.heading for column in TABLE]
    assert len(set(headings)) == len(headings)


def test_the_columns_with_a_target_show_it() -> None:
    assert [column.heading for column in TABLE if column.target is not None] == ["std", "gain"]
    relu, head = layer("fc", 0, wants=0.144), layer("head", 1, head=True)
    targets = Targets([relu, head], {})
    assert STD.target is not None
    assert GAIN.target is not None
    assert (STD.target(targets, relu), GAIN.target(targets, relu)) == (0.144, pytest.approx(math.sqrt(2), abs=1e-3))
    assert (STD.target(targets, head), GAIN.target(targets, head)) == (FREE, FREE)


def test_the_columns_that_a_narrow_table_omits_exist() -> None:
    assert set(LEFT_OUT) < set(TABLE)
    assert STD not in LEFT_OUT


def test_one_value_has_three_digits() -> None:
    m = Measurement(layer="fc", input=signal(2.0), output=signal(3.0), effective=12.345, width=64, dead_share=0.254)
    fc = layer("fc", 0)
    values = [column.text([column.read(fc, m)]) for column in (SHAPE, SCHEME, FEEDS, STD, GAIN, RANK, DEAD)]
    assert values == ["96x96", "-", "relu", "0.144", "1.5", "12/64", "25%"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.12345], "0.123"),
        ([0.12345, 0.12345], "0.123"),
        ([0.12345, None], "0.123"),
        ([0.120, 0.125], "0.12"),
        ([0.1, 0.1, 0.11], "0.1"),
        ([0.1, 0.112], "0.1..0.11"),
        ([0.0, 0.1], "0..0.1"),
        ([-1.0, -0.95], "-1..-0.95"),
        ([1.0, math.inf], "1..inf"),
        ([math.nan, 1.0], "nan"),
        ([1.0, math.nan], "nan"),
        ([0.2, FREE], "several"),
        ([FREE, FREE], "free"),
        ([None, None], "-"),
        ([], "-"),
    ],
)
def test_several_values_are_one_value_or_a_range(values: list[Any], text: str) -> None:
    assert STD.text(values) == text


def test_shares_are_percentages_also_in_a_range() -> None:
    assert DEAD.text([0.25, 1.0]) == "25%..100%"


def test_equal_texts_are_shown_once() -> None:
    assert SCHEME.text(["zeros", "zeros", None]) == "zeros"
    assert SCHEME.text(["zeros", "ones"]) == "several"


@pytest.mark.parametrize("kind", ["norm", "embedding", "other"])
def test_a_layer_without_a_matrix_has_no_gain(kind: str) -> None:
    m = Measurement(layer="x", input=signal(2.0), output=signal(3.0))
    assert GAIN.read(layer("x", 0, kind=kind), m) is None


def test_a_constant_has_std_zero_and_a_norm_shows_its_rms() -> None:
    constant = {"constant": True, "mean": 0.1, "rms": 0.1}
    assert STD.read(layer("fc", 0, weight=constant), BARE) == 0.0
    assert STD.read(layer("norm", 0, kind="norm", weight=constant), BARE) == 0.1


def test_a_non_finite_signal_has_no_size() -> None:
    broken = Measurement(layer="fc", output=signal(3.0, non_finite=1), gradient=signal(1.0, non_finite=1))
    assert (OUTPUT.text([OUTPUT.read(layer("fc", 0), broken)]), GRADIENT.text([math.nan])) == ("nan", "nan")
    assert OUTPUT_RMS(layer("fc", 0), broken) == 3.0


def test_sizes_of_signals() -> None:
    m = Measurement(layer="fc", output=signal(3.0), gradient=signal(1.0))
    assert OUTPUT_RMS(layer("fc", 0), m) == 3.0
    assert GRADIENT_NORM(layer("fc", 0), m) == signal(1.0).norm
    assert OUTPUT_RMS(layer("fc", 0), BARE) is None
