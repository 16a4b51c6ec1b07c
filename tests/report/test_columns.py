"""The columns of the layer table stand for fields of the report, and read what was measured."""

from __future__ import annotations

import pytest

from inithealth.recording import Layer, Measurement
from inithealth.report.columns import GAIN, GRADIENT_NORM, OUTPUT_RMS, STD, TABLE, USED, Column
from tests.rules.recordings import layer, signal

COLUMNS = [each for column in TABLE for each in (column, column.expected) if each is not None]
BARE = Measurement(layer="fc")


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.heading)
def test_a_column_stands_for_a_field_of_the_json(column: Column) -> None:
    assert column.field in {*Layer.model_fields, *Measurement.model_fields}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.heading)
def test_a_column_without_its_field_is_empty(column: Column) -> None:
    named = layer("fc", 0).model_copy(update={"weight": None, "activation": None, "feeds": ""})
    assert column.cell(named, BARE) == ("fc" if column.field == "name" else column.missing)


def test_headings_are_unique() -> None:
    headings = [column.heading for column in COLUMNS]
    assert len(set(headings)) == len(headings)


def test_values_are_written_with_three_digits_beside_what_they_are_compared_with() -> None:
    m = Measurement(layer="fc", input=signal(2.0), output=signal(3.0), predicted=2.5, effective=12.345, width=64)
    assert STD.cell(layer("fc", 0), m) == "0.144"
    assert GAIN.expected is not None
    assert (GAIN.cell(layer("fc", 0), m), GAIN.expected.cell(layer("fc", 0), m)) == ("1.5", "1.25")
    assert USED.cell(layer("fc", 0), m) == "12/64"
    assert GAIN.legend == "gain: output over input rms, and what the weights predict"


def test_a_constant_has_no_std() -> None:
    assert STD.cell(layer("fc", 0, weight={"constant": True, "mean": 0.1}), BARE) == "0"


def test_sizes_of_signals() -> None:
    m = Measurement(layer="fc", output=signal(3.0), gradient=signal(1.0))
    assert OUTPUT_RMS(layer("fc", 0), m) == 3.0
    assert GRADIENT_NORM(layer("fc", 0), m) == signal(1.0).norm
    assert OUTPUT_RMS(layer("fc", 0), BARE) is None
