"""Known findings: the same on no further layer and no worse; a file that only shrinks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inithealth import Report, Severity
from inithealth.report.compare.baseline import Baseline, applied, pruned, read, text_of
from inithealth.report.compare.saved import read_report, write
from tests.report.hostile import EXAMPLE, REPORTS, finding

BASELINE = Baseline.of(EXAMPLE)


def report(*findings: object) -> Report:
    return EXAMPLE.model_copy(update={"findings": findings})


def test_it_holds_causes_without_lines_and_numbers() -> None:
    assert [(known.code, known.layers) for known in BASELINE.findings] == [("IH103", ("net.0",)), ("IH104", ("head",))]
    text = text_of(BASELINE)
    assert "a.py" not in text
    assert text.endswith("}\n")
    assert text_of(Baseline.of(report(*reversed(EXAMPLE.findings)))) == text


def test_what_is_known_fails_nothing() -> None:
    known = applied(EXAMPLE, BASELINE)
    assert not EXAMPLE.ok
    assert known.ok
    assert {cause.suppressed for cause in known.causes} == {"known: in the baseline", "meant"}


@pytest.mark.parametrize(
    "change", [{"layers": ("net.0", "net.4")}, {"layers": ("net.9",)}, {"code": "IH101"}], ids=["more", "other", "code"]
)
def test_another_finding_is_not_known(change: dict[str, object]) -> None:
    assert not applied(report(finding(**change)), BASELINE).ok


def test_a_worse_one_is_not_known_and_it_is_said() -> None:
    worse = finding(code="IH104", layers=("head",), severity=Severity.ERROR)
    told = applied(report(worse), BASELINE)
    assert not told.ok
    assert "IH104 on head: in the baseline as warning on 1 layer, now error on 1 layer" in told.notes


def test_a_worse_one_of_the_whole_network_is_told_too() -> None:
    known = Baseline.of(report(finding(layers=(), severity=Severity.WARNING)))
    assert "IH103: in the baseline as warning, now error" in applied(report(finding(layers=())), known).notes


def test_nothing_is_said_of_what_has_a_reason() -> None:
    told = applied(report(finding(suppressed="meant")), Baseline.of(report(finding())))
    assert told.notes == ()
    assert told.causes[0].suppressed == "meant"


def test_fewer_layers_are_known() -> None:
    known = Baseline.of(report(finding(layers=("a", "b", "c"))))
    assert applied(report(finding(layers=("c", "a"))), known).ok


def test_two_findings_of_one_layer_are_always_in_one_order() -> None:
    both = [finding(), finding(severity=Severity.WARNING)]
    for findings in (both, both[::-1]):
        assert [known.severity.value for known in Baseline.of(report(*findings)).findings] == ["warning", "error"]


def test_thousands_are_compared_at_once() -> None:
    many = report(*(finding(layers=(f"blocks.{number}",)) for number in range(3_000)))
    assert applied(many, Baseline.of(many)).ok


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    write(file, "old")
    with pytest.raises(ValueError, match="surrogates"):
        write(file, "\ud800")
    with pytest.raises(OSError, match="directory"):
        write(tmp_path, "a folder")
    assert [each.name for each in tmp_path.iterdir()] == ["known.json"]
    assert file.read_text() == "old"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # a writer waits for one
    try:
        write(pipe, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_what_a_file_says_reaches_no_terminal_raw(tmp_path: Path) -> None:
    file = tmp_path / "two\nlines.json"
    file.write_text(json.dumps({"model": "Net", "\x1b[31mred": 1}))
    for reader in (read, read_report):
        with pytest.raises(ValueError, match="lines") as raised:
            reader(file)
        assert str(raised.value).isprintable()
    assert r"two\nlines.json is no report" in str(raised.value)
    assert r"\x1b[31mred: Extra inputs" in str(raised.value)


def test_what_is_fixed_is_told_and_pruned() -> None:
    better = report(finding())
    assert "fixed, may go from the baseline: IH104 on head" in applied(better, BASELINE).notes
    assert [known.code for known in pruned(BASELINE, better).findings] == ["IH103"]
    assert pruned(BASELINE, report(finding(), finding(code="IH101"))).findings == BASELINE.findings[:1]


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text(text_of(BASELINE))
    assert read(tmp_path / "known.json") == BASELINE


@given(st.one_of(st.binary(max_size=200), REPORTS.map(lambda r: repr(r).encode("utf-8", "replace"))))
def test_whatever_a_file_holds_is_read_or_refused_in_one_line(data: bytes) -> None:
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
def test_a_report_with_wrong_fields_is_read_or_refused_in_one_line(fields: dict[str, object]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "any.json"
        file.write_text(json.dumps({**json.loads(EXAMPLE.to_json()), **fields}))
        told = ""
        try:
            read_report(file)
        except ValueError as error:
            told = str(error)
        assert "\n" not in told


def test_what_a_file_says_reaches_the_terminal_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / "any.json").write_text('{"model": "Net", "\\u001b[31mred": 1}')
    with pytest.raises(ValueError, match=r"any\.json") as raised:
        read(tmp_path / "any.json")
    assert "\x1b" not in str(raised.value)
