"""A report in a notebook: a small static table, safe for any layer names."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given

from inithealth import Report, Severity
from inithealth.report.notebook import html
from tests.report.hostile import EMPTY, EXAMPLE, REPORTS
from tests.report.reports import cause, report

TAGS = {"div", "p", "b", "table", "tr", "th", "td", "pre", "details", "summary"}


class Tree(HTMLParser):
    """Collects the text, and asserts that the tags are expected ones, without scripts, and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= {"style"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_verdict_the_causes_and_the_collapsed_layers() -> None:
    words = "".join(Tree(html(report(cause("fc1", message="30x too large", fix="draw it anew")))).words)
    for part in (
        "unhealthy at step 0, 1 error",
        "IH106 weight-scale",
        "30x too large",
        "draw it anew",
        "Layers",
        "fc3",
    ):
        assert part in words


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</pre><img src=x onerror=y>", "&lt;", '"><b', "a\nb"])
def test_markup_in_names_is_escaped(name: str) -> None:
    of = report(cause(name, message=name, fix=name), model=name, notes=(name,))
    assert name.splitlines()[0] in "".join(Tree(html(of)).words)


@given(REPORTS)
def test_no_name_breaks_it(of: Report) -> None:
    Tree(html(of))


@pytest.mark.parametrize(
    ("of", "color"),
    [
        (report(), "#2e7d32"),
        (report(cause("a", severity=Severity.INFO)), "#2e7d32"),
        (report(cause("a", severity=Severity.WARNING)), "#b26a00"),
        (report(cause("a")), "#c62828"),
        (report(cause("a", suppressed="known")), "#2e7d32"),
    ],
)
def test_the_color_is_that_of_the_worst_cause(of: Report, color: str) -> None:
    first = re.search(r"color:(#\w+)", html(of))
    assert first is not None
    assert first[1] == color


def test_a_long_list_of_causes_is_truncated_with_a_note() -> None:
    many = report(*(cause(f"l{number}") for number in range(25)))
    assert html(many).count("weight-scale</td>") == 20
    assert "and 5 more: print(report)" in html(many)
    assert "more:" not in html(report(*(cause(f"l{number}") for number in range(20))))


def test_a_suppressed_cause_shows_the_reason() -> None:
    words = "".join(Tree(html(report(cause("a", suppressed="averages on purpose")))).words)
    assert "averages on purpose" in words


def test_without_causes_or_layers_there_is_no_table() -> None:
    assert "<table" not in html(EMPTY)
    assert "<details" not in html(EMPTY)
    assert "<details" in html(report())


def test_a_notebook_uses_it() -> None:
    assert EXAMPLE._repr_html_() == html(EXAMPLE)
