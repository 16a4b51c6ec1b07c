"""One-line summaries of a report, and its remarks."""

from __future__ import annotations

import pytest

from inithealth import Finding, Report, Severity
from inithealth.findings import Skipped
from inithealth.report.summary import counts, health, remarks, summary, verdict, verdict_style
from tests.report.reports import cause, follows, report

WARNING = cause("b", severity=Severity.WARNING)
INFO = cause("c", severity=Severity.INFO)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ((), "healthy at step 3"),
        ((cause("a"),), "unhealthy at step 3, 1 error"),
        ((cause("a"), cause("b")), "unhealthy at step 3, 2 errors"),
        ((WARNING, WARNING), "healthy at step 3, 2 warnings"),
        ((INFO, INFO), "healthy at step 3, 2 info"),
        ((cause("a"), WARNING, INFO), "unhealthy at step 3, 1 error, 1 warning, 1 info"),
        ((cause("a", suppressed="known"), WARNING), "healthy at step 3, 1 warning, 1 suppressed"),
        ((cause("a"), follows(cause("a"), "b")), "unhealthy at step 3, 1 error"),
    ],
)
def test_the_verdict_counts_causes(findings: tuple[Finding, ...], expected: str) -> None:
    of = report(*findings, step=3)
    assert verdict(of) == f"inithealth: {expected} (MLP, 5 layers)"
    assert verdict(of) == f"inithealth: {health(of)} at step 3{counts(of)} (MLP, 5 layers)"


def test_the_verdict_depends_on_fail_on() -> None:
    assert verdict(report(WARNING, fail_on="warning")).startswith("inithealth: unhealthy at step 0, 1 warning")
    assert verdict(report(cause("a"), fail_on="never")).startswith("inithealth: healthy at step 0, 1 error")


def test_the_verdict_without_layers() -> None:
    assert verdict(report(layers=())) == "inithealth: healthy at step 0 (MLP)"


@pytest.mark.parametrize(
    ("findings", "end"),
    [
        ((), "(MLP, 5 layers)"),
        ((cause("blocks.3.fc"), WARNING), "(MLP, 5 layers): IH106 weight-scale in blocks.3.fc"),
        ((cause("6"),), "(MLP, 5 layers): IH106 weight-scale in layer 6"),
        ((cause(code="IH208", rule="loss-at-init"),), "(MLP, 5 layers): IH208 loss-at-init"),
        ((cause("a", suppressed="known"), WARNING), "(MLP, 5 layers): IH106 weight-scale in b"),
    ],
)
def test_the_summary_names_the_first_cause(findings: tuple[Finding, ...], end: str) -> None:
    of = report(*findings)
    assert summary(of) == f"inithealth: {health(of)} at step 0{counts(of)} {end}"
    assert of.summary() == summary(of)


def test_the_summary_is_one_line_of_plain_ascii() -> None:
    of = report(cause("a\nb\x1b[31m\u00e4"), model="M\n\u2028")
    assert summary(of).isascii()
    assert summary(of).isprintable()


def test_remarks_explain_how_it_was_judged_and_what_was_not() -> None:
    skipped = (
        Skipped(code="IH208", rule="loss-at-init", reason="no known value"),
        Skipped(code="IH101", rule="non-finite-weights", reason="not selected"),
        Skipped(code="IH103", rule="zero-weights", reason="not selected"),
    )
    assert remarks(report(skipped=skipped, not_measured=("fc9: complex",), notes=("loss: as given",))) == [
        "loss: as given",
        "not measured: fc9: complex",
        "not judged: IH208 loss-at-init: no known value",
        "not selected: 2 rules",
    ]
    many = ("fc1: complex", "fc2: complex", "nothing else", "fc3: complex", "fc9: complex", "fc4: empty: 0")
    assert remarks(report(not_measured=many)) == [
        "not measured: fc1 ... fc9 (4 in all): complex",
        "not measured: nothing else",
        "not measured: fc4: empty: 0",
    ]
    assert remarks(report(skipped=skipped[:2]))[-1] == "not selected: 1 rule"
    assert remarks(report()) == []


@pytest.mark.parametrize(
    ("of", "style"),
    [
        (report(), "bold green"),
        (report(cause("a", severity=Severity.INFO)), "bold green"),
        (report(cause("a", severity=Severity.WARNING)), "bold yellow"),
        (report(cause("a")), "bold red"),
        (report(cause("a", suppressed="known")), "bold green"),
    ],
)
def test_the_verdict_has_the_color_of_the_worst_cause(of: Report, style: str) -> None:
    assert verdict_style(of) == style
