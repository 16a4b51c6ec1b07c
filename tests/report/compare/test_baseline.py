"""Known findings: with no further layer and no higher severity; the file only shrinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from inithealth import Report, Severity
from inithealth.report.compare.baseline import Baseline, applied, pruned, read, text_of
from tests.report.hostile import EXAMPLE, finding

BASELINE = Baseline.of(EXAMPLE)


def report(*findings: object) -> Report:
    return EXAMPLE.model_copy(update={"findings": findings})


def test_it_contains_causes_without_lines_and_numbers() -> None:
    assert [(known.code, known.layers) for known in BASELINE.findings] == [("IH103", ("net.0",)), ("IH104", ("head",))]
    text = text_of(BASELINE)
    assert "a.py" not in text
    assert text.endswith("}\n")
    assert text_of(Baseline.of(report(*reversed(EXAMPLE.findings)))) == text


def test_known_findings_do_not_fail() -> None:
    known = applied(EXAMPLE, BASELINE)
    assert not EXAMPLE.ok
    assert known.ok
    assert {cause.suppressed for cause in known.causes} == {"known: in the baseline", "meant"}


@pytest.mark.parametrize(
    "change", [{"layers": ("net.0", "net.4")}, {"layers": ("net.9",)}, {"code": "IH101"}], ids=["more", "other", "code"]
)
def test_another_finding_is_not_known(change: dict[str, object]) -> None:
    assert not applied(report(finding(**change)), BASELINE).ok


def test_a_worse_finding_is_not_known_and_is_reported() -> None:
    worse = finding(code="IH104", layers=("head",), severity=Severity.ERROR)
    shown = applied(report(worse), BASELINE)
    assert not shown.ok
    assert "IH104 on head: in the baseline as warning on 1 layer, now error on 1 layer" in shown.notes


def test_a_worse_finding_of_the_whole_network_is_reported() -> None:
    known = Baseline.of(report(finding(layers=(), severity=Severity.WARNING)))
    assert "IH103: in the baseline as warning, now error" in applied(report(finding(layers=())), known).notes


def test_suppressed_findings_are_not_included() -> None:
    shown = applied(report(finding(suppressed="meant")), Baseline.of(report(finding())))
    assert shown.notes == ()
    assert shown.causes[0].suppressed == "meant"


def test_a_finding_on_fewer_layers_is_known() -> None:
    known = Baseline.of(report(finding(layers=("a", "b", "c"))))
    assert applied(report(finding(layers=("c", "a"))), known).ok


def test_two_findings_of_one_layer_have_a_fixed_order() -> None:
    both = [finding(), finding(severity=Severity.WARNING)]
    for findings in (both, both[::-1]):
        assert [known.severity.value for known in Baseline.of(report(*findings)).findings] == ["warning", "error"]


def test_thousands_of_findings_are_compared_quickly() -> None:
    many = report(*(finding(layers=(f"blocks.{number}",)) for number in range(3_000)))
    assert applied(many, Baseline.of(many)).ok


def test_fixed_findings_are_reported_and_removed() -> None:
    better = report(finding())
    assert "fixed, can be removed from the baseline: IH104 on head" in applied(better, BASELINE).notes
    assert [known.code for known in pruned(BASELINE, better).findings] == ["IH103"]
    assert pruned(BASELINE, report(finding(), finding(code="IH101"))).findings == BASELINE.findings[:1]


def test_a_file_is_read_back_unchanged(tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text(text_of(BASELINE))
    assert read(tmp_path / "known.json") == BASELINE
