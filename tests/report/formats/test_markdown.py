"""Truncated Markdown is valid, and code stays inside its block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given

from inithealth import Report
from inithealth.report.formats import rendered
from inithealth.report.formats.markdown import render as markdown
from tests.report.hostile import REPORTS, finding
from tests.report.source.sources import report_of, repository, written

__all__ = ["repository"]  # a fixture

FENCE = re.compile(r"^(`{3,})(python|diff)?$")


def outside_code(text: str) -> list[str]:
    """Return the lines that are not code. Fails if a code block is not closed."""
    lines, fence = [], ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if not fence and mark and mark[2]:
            fence = mark[1]
        elif fence and mark and not mark[2] and len(mark[1]) >= len(fence):
            fence = ""
        elif not fence:
            lines.append(line)
    assert not fence
    return lines


@given(REPORTS)
def test_names_are_not_interpreted_as_markup(report: Report) -> None:
    lines = outside_code(markdown(report))
    tags = {tag for line in lines for tag in re.findall("<[^>]*>?", line)}
    assert tags <= {"<details>", "<summary>", "</summary>", "</details>"}
    assert all(re.sub(r"\\.", "", line).count("|") == 6 for line in lines if line.startswith("|"))


@pytest.mark.parametrize("long", ["fix", "message"])
def test_truncation_leaves_no_block_open(long: str) -> None:
    """Otherwise, text that a later step appends to the summary would be code."""
    causes = [finding(layers=(f"l{number}",), **{long: "x\n" * 500}) for number in range(2000)]
    report = Report(model="Net", findings=tuple(causes))
    text = markdown(report)
    lines = outside_code(text)
    assert len(text.encode()) <= 2**20
    assert "(truncated: the JSON report is complete)" in lines
    assert sum(line == "<details>" for line in lines) == sum(line == "</details>" for line in lines)
    assert any(line.startswith("### ") for line in lines)


def test_markup_is_shown_as_text() -> None:
    odd = finding(layers=("<script>",), message="a|b <script> `x`", source=None, fix="```\nx")
    text = rendered(Report(model="Net", findings=(odd,)), "markdown")
    assert "<script>" not in text
    assert "a\\|b &lt;script&gt; \\`x\\`" in text
    assert "````python\n```\nx\n````" in text


HOSTILE = '''
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(16, 64)
            nn.init.zeros_(self.fc1.weight)
            self.head = nn.Linear(64, 4)
        def forward(self, x):
            """```
            ::error::no ##[error]no
            """
            return self.head(torch.relu(self.fc1(x)))
'''


def test_a_fix_whose_place_is_known_is_a_diff(repository: Path) -> None:
    report = report_of(written(repository, HOSTILE), verify=True)
    text = markdown(report)
    assert "````diff\n--- a/model.py\n+++ b/model.py\n" in text
    assert '\n+        nn.init.kaiming_normal_(self.fc1.weight, nonlinearity="relu")\n' in text
    assert "```python" not in text
    assert not any(re.match(r"\s*::", line) for line in text.splitlines())
    assert "##[" not in text
    assert not any("nn.init" in line for line in outside_code(text))


def test_a_fix_without_a_place_is_code(repository: Path) -> None:
    path = written(repository, HOSTILE)
    report = report_of(path)
    path.unlink()
    assert "```diff" not in markdown(report)
    assert "```python\n" in markdown(report)


def test_the_test_of_a_fix_is_below_it() -> None:
    tested = finding(fix="f()", verified="clears", verification="the fix clears `it`")
    text = rendered(Report(model="Net", findings=(tested,)), "markdown")
    assert "```python\nf()\n```\n\nTest: the fix clears \\`it\\`" in text


def test_the_length_is_limited_to_what_github_shows() -> None:
    many = tuple(finding(layers=(f"l{number}",), fix="x" * 1000) for number in range(2000))
    text = rendered(Report(model="Net", findings=many), "markdown")
    assert len(text.encode()) <= 2**20
    assert text.endswith("(truncated: the JSON report is complete)")
