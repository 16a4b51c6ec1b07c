"""The parts of a finding as text."""

from __future__ import annotations

from inithealth.report.finding_text import details, headline, labeled, title
from tests.report.hostile import EXAMPLE, finding


def test_a_headline_is_the_title_and_what_was_found() -> None:
    assert title(finding()) == title(EXAMPLE.findings[0]) == "IH103 zero-weights"
    assert title(EXAMPLE.skipped[0]) == "IH301 vanishing-gradients"
    assert headline(finding()) == "IH103 zero-weights: net.0: all zero"


def test_details_are_in_reading_order_if_known() -> None:
    whole = finding(suppressed="meant")
    assert list(details(whole).items()) == [
        ("suppressed", "meant"), ("why", "zeros stay"), ("fix", "draw them"), ("at", "nets/a.py:12"),
    ]  # fmt: skip
    assert details(finding(cause="", fix="", source=None)) == {}


def test_a_suppression_with_an_empty_reason_counts() -> None:
    assert details(finding(suppressed=""))["suppressed"] == ""


def test_labels_select_details() -> None:
    assert labeled(finding(), "fix", "suppressed", "why") == ["why: zeros stay", "fix: draw them"]
    assert labeled(finding()) == []
