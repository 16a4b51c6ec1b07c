"""The document: all fields of the contract, as strict JSON."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from inithealth.page.document import STATE, STRUCTURE, document, number, rounded, to_json
from inithealth.page.step_values import STATISTICS, packed

FIELDS = (
    "version run model healthy verdict errors warnings infos optimizer exact lastStep notMeasured notes skipped "
    "versions lacks layers trunk steps thinned values expected theory reference findings fixed"
)


def test_an_empty_run_has_every_field() -> None:
    made = document({}, {}, [], [])
    assert set(made) == set(FIELDS.split())
    assert made["version"] == 1
    assert made["healthy"] is None
    assert made["values"] == dict.fromkeys(STATISTICS, "")
    assert json.loads(to_json(made)) == made


def test_unknown_fields_of_the_parts_are_left_out() -> None:
    made = document({"model": "Net", "secret": 1}, {"healthy": True, "secret": 1}, [], [])
    assert (made["model"], made["healthy"]) == ("Net", True)
    assert "secret" not in made
    assert not set(STRUCTURE) & set(STATE)


def test_the_last_step_may_be_later_than_the_last_recorded_one() -> None:
    row = packed({name: [1.0] for name in STATISTICS})
    assert document({}, {}, [0, 5], [row, row])["lastStep"] == 5
    assert document({}, {}, [0, 5], [row, row], last_step=9)["lastStep"] == 9


def test_numbers_that_json_does_not_have_are_null() -> None:
    assert [number(each) for each in (None, math.nan, math.inf, 1.5)] == [None, None, None, 1.5]
    assert rounded(0.123456) == 0.1235
    with pytest.raises(ValueError, match="JSON"):
        to_json({"value": math.nan})


def test_any_text_is_ascii() -> None:
    text = to_json(document({"model": "\ud800 </script> ü"}, {}, [], []))
    assert text.isascii()
    assert json.loads(text)["model"] == "\ud800 </script> ü"


def test_it_needs_the_standard_library_only() -> None:
    code = (
        "import sys, inithealth.page.document\n"
        "print([name for name in ('torch', 'pydantic', 'numpy', 'tensorboard') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
