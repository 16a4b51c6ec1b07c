"""The alert table, rendered by TensorBoard's own Markdown."""

from __future__ import annotations

import re
import warnings

import pytest

from inithealth.findings import Finding, Report, Severity, Skipped
from inithealth.tensorboard.alert_table import MOST_ROWS, alerts
from tests.tensorboard.recordings import report, weight_scale


def rendered(judged: Report) -> str:
    markdown = alerts(judged, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from TensorBoard's copy of html5lib
        from tensorboard.plugin_util import markdown_to_safe_html

        return str(markdown_to_safe_html(markdown))


def rows(html: str) -> list[list[str]]:
    """Return the text of the table's cells, row by row, without the header."""
    body = re.search(r"<tbody>(.*)</tbody>", html, re.DOTALL)
    assert body
    return [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)]


def follows(code: str, cause: Finding, *layers: str) -> Finding:
    return Finding(
        code=code,
        rule="vanishing-activations",
        severity=Severity.ERROR,
        role="consequence",
        explained_by=cause.key,
        layers=layers,
        message="rms falls",
    )


@pytest.mark.parametrize(
    ("judged", "word"),
    [
        (report(), "healthy"),
        (report(weight_scale("a")), "unhealthy, 1 error"),
        (report(weight_scale("a"), weight_scale("b")), "unhealthy, 2 errors"),
        (report(weight_scale("a", severity=Severity.WARNING)), "healthy, 1 warning"),
        (report(weight_scale("a", severity=Severity.WARNING), fail_on="warning"), "unhealthy, 1 warning"),
        (report(weight_scale("a", severity=Severity.INFO)), "healthy, 1 info"),
    ],
)
def test_the_verdict_counts_causes(judged: Report, word: str) -> None:
    assert f"<strong>{word}</strong>" in rendered(judged)


def test_a_healthy_report_has_no_table() -> None:
    assert "<table>" not in rendered(report())


def test_consequences_are_folded_under_their_cause() -> None:
    cause = weight_scale("layers.5", "layers.6")
    judged = report(cause, follows("IH201", cause, "layers.6", "layers.7"), follows("IH301", cause, "layers.0"))
    [row] = rows(rendered(judged))
    severity, place, problem, fix = row
    assert (severity, place) == ("E", "layers.5<br>and 1 more<br>IH106 weight-scale")
    assert problem.split("<br>") == [
        "weight gain 0.1 is 10x below its peers'",
        "explains 2 findings (IH201, IH301) in 2 other layers",
        "model.py:42",
    ]
    assert fix == "nn.init.kaiming_normal_(weight)"


def test_a_consequence_without_its_cause_is_shown() -> None:
    orphan = follows("IH201", weight_scale("gone"), "layers.1")
    assert [row[1] for row in rows(rendered(report(orphan)))] == ["layers.1<br>IH201 vanishing-activations"]


@pytest.mark.parametrize(
    "name", ["a|b", "__init__", "*x*", "`code`", "<script>alert(1)</script>", "[link](javascript:x)", "a\\|b", "&lt;"]
)
def test_markup_in_names_is_shown_literally(name: str) -> None:
    judged = report(weight_scale(name).model_copy(update={"message": name, "fix": name}))
    [row] = rows(rendered(judged))
    shown = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert row == [
        "E",
        f"{shown}<br>IH106 weight-scale",
        f"{shown}<br>model.py:42",
        shown,
    ]


def test_lines_of_a_fix_stay_in_their_cell() -> None:
    [row] = rows(rendered(report(weight_scale("a").model_copy(update={"fix": "first\nsecond"}))))
    assert row[3] == "first<br>second"


def test_a_finding_without_layer_or_fix_fills_its_cells() -> None:
    [row] = rows(rendered(report(weight_scale().model_copy(update={"fix": ""}))))
    assert (row[1], row[3]) == ("IH106 weight-scale", "-")


def test_a_long_list_is_truncated_with_a_note() -> None:
    html = rendered(report(*(weight_scale(f"layers.{number}") for number in range(MOST_ROWS + 7))))
    assert len(rows(html)) == MOST_ROWS
    assert "7 more causes are not shown." in html


def test_rules_not_judged_are_reported() -> None:
    skipped = (Skipped(code="IH208", rule="loss-at-init", reason="the loss is unknown"),)
    html = rendered(report(skipped=skipped, not_measured=("lstm: packed",), notes=("optimizer: SGD",)))
    for words in ("IH208 loss-at-init: the loss is unknown", "lstm: packed", "optimizer: SGD"):
        assert f"<li>{words}</li>" in html
