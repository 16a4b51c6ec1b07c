"""A report in a notebook: the page in a frame, or a static table; safe for any layer names."""

from __future__ import annotations

import json
import random
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given

from inithealth import Report, Severity
from inithealth.page.step_values import STATISTICS, columns, packed
from inithealth.recorded_run import Flow, StepValues
from inithealth.report.notebook import html
from tests.report.hostile import EMPTY, EXAMPLE, REPORTS
from tests.report.reports import cause, report
from tests.rules.recordings import stack

TAGS = {"iframe", "div", "p", "b", "table", "tr", "th", "td", "pre", "details", "summary"}


class Tree(HTMLParser):
    """Collects the text, and asserts that the tags are expected ones, without scripts, and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.frames: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= {"style", *(("title", "sandbox", "srcdoc") if tag == "iframe" else ())}
        if tag == "iframe":
            assert "allow-same-origin" not in (dict(attrs)["sandbox"] or "")
            self.frames.append(dict(attrs)["srcdoc"] or "")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def many_layers(number: int) -> Report:
    """Return a report of so many layers that a notebook gets the table."""
    return report(cause("fc1", message="30x too large", fix="draw it anew"), layers=stack(number))


def test_the_verdict_and_the_page_in_a_frame() -> None:
    tree = Tree(html(report(cause("fc1"))))
    assert "unhealthy at step 0, 1 error" in "".join(tree.words)
    [frame] = tree.frames
    assert frame.startswith("<!doctype html>")
    assert "Content-Security-Policy" in frame


def test_a_saved_notebook_has_less_than_300_kb_a_report() -> None:
    steps, layers = 50, 200
    numbers = random.Random(0)
    rows = [packed({name: [numbers.random() for _ in range(layers)] for name in STATISTICS}) for _ in range(steps)]
    history = StepValues(steps=tuple(range(steps)), values=columns(rows))
    text = html(report(cause("fc1"), layers=stack(layers), flow=Flow(), history=history))
    assert "<iframe" in text
    assert len(json.dumps(text)) < 300_000


def test_a_network_that_is_too_large_has_a_table() -> None:
    text = html(many_layers(4000))
    words = "".join(Tree(text).words)
    for part in ("unhealthy at step 0, 1 error", "IH106 weight-scale", "30x too large", "draw it anew", "Layers"):
        assert part in words
    assert len(json.dumps(text)) < 300_000


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
    many = report(*(cause(f"l{number}") for number in range(25)), layers=())
    assert html(many).count("weight-scale</td>") == 20
    assert "and 5 more: print(report)" in html(many)
    assert "more:" not in html(report(*(cause(f"l{number}") for number in range(20)), layers=()))


def test_a_suppressed_cause_shows_the_reason() -> None:
    words = "".join(Tree(html(report(cause("a", suppressed="averages on purpose"), layers=()))).words)
    assert "averages on purpose" in words


def test_without_causes_or_layers_there_is_no_table() -> None:
    assert "<table" not in html(EMPTY)
    assert "<details" not in html(EMPTY)


def test_a_notebook_uses_it() -> None:
    assert EXAMPLE._repr_html_() == html(EXAMPLE)
