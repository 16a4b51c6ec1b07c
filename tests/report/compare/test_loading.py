"""Saved reports and baselines are read, or rejected with one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inithealth import Report
from inithealth.report.compare import loading
from inithealth.report.compare.baseline import read
from inithealth.report.compare.loading import read_report
from inithealth.saved import write
from tests.report.hostile import EXAMPLE, REPORTS


def test_a_files_content_is_escaped_in_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "two\nlines.json"
    file.write_text(json.dumps({"model": "Net", "\x1b[31mred": 1}))
    for reader in (read, read_report):
        with pytest.raises(ValueError, match="lines") as raised:
            reader(file)
        assert str(raised.value).isprintable()
    assert r"two\nlines.json is not a report" in str(raised.value)
    assert r"\x1b[31mred: Extra inputs" in str(raised.value)


@given(st.one_of(st.binary(max_size=200), REPORTS.map(lambda r: repr(r).encode("utf-8", "replace"))))
def test_any_file_is_read_or_rejected_with_one_line(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.json"
        file.write_bytes(data)
        for reader in (read, read_report):
            with pytest.raises(ValueError, match=r"any\.json") as raised:
                reader(file)
            assert "\n" not in str(raised.value)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


FIELDS = sorted(Report.model_fields)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_a_report_with_wrong_fields_is_read_or_rejected_with_one_line(fields: dict[str, object]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.json"
        file.write_text(json.dumps({**json.loads(EXAMPLE.to_json()), **fields}))
        shown = ""
        try:
            read_report(file)
        except ValueError as error:
            shown = str(error)
        assert "\n" not in shown


def test_a_files_content_is_printed_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "any.json").write_text('{"model": "Net", "\\u001b[31mred": 1}')
    with pytest.raises(ValueError, match=r"any\.json") as raised:
        read(tmp_path / "any.json")
    assert "\x1b" not in str(raised.value)


def test_a_report_is_read_back_unchanged(tmp_path: Path) -> None:
    write(tmp_path / "report.json", EXAMPLE.to_json())
    assert read_report(tmp_path / "report.json") == EXAMPLE


def test_a_file_that_is_too_large_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MOST_BYTES", 2**20)
    text = EXAMPLE.to_json()
    (tmp_path / "fits.json").write_text(text + " " * (2**20 - len(text.encode())))
    assert read_report(tmp_path / "fits.json") == EXAMPLE
    (tmp_path / "large.json").write_text(text + " " * (2**20 + 1 - len(text.encode())))
    with pytest.raises(ValueError, match=r"large\.json has more than 1 MiB: it is not a report"):
        read_report(tmp_path / "large.json")
