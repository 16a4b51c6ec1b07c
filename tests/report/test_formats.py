"""Every format contains the content of a report, for any names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from inithealth import Report
from inithealth.report.formats import FORMATS, rendered
from tests.report.hostile import EMPTY, EXAMPLE, REPORTS

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"
WRITE_SCHEMA = (
    "import json, inithealth; print(json.dumps(inithealth.Report.model_json_schema(mode='serialization'), indent=2))"
)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_renders_an_empty_report(name: str) -> None:
    rendered(EMPTY, name)


@pytest.mark.parametrize("name", ["table", "concise", "markdown", "github", "gitlab", "junit", "sarif", "json"])
def test_each_format_names_the_causes(name: str) -> None:
    text = rendered(EXAMPLE, name).replace("\\", "")
    assert "IH103" in text
    assert "all zero" in text
    assert ("IH105" in text) is (name != "gitlab")  # GitLab's format does not support suppression


@given(REPORTS)
def test_no_name_breaks_a_format(report: Report) -> None:
    for name in FORMATS:
        if name != "json":  # invalid text, such as half a surrogate pair, cannot be encoded as JSON at all
            text = rendered(report, name)
            assert not re.search("[\x00-\x08\x0e-\x1f\x7f]", text if name != "table" else ""), name
    json.loads(rendered(report, "gitlab"))
    json.loads(rendered(report, "sarif"))
    assert [case.tag for case in ET.fromstring(rendered(report, "junit"))] == ["testsuite"]
    for line in rendered(report, "github").splitlines():
        assert re.match(r"::(error|warning|notice) [^\r\n]*?::", line), line
    assert "<script" not in rendered(report, "markdown").split("```")[0]


def test_the_schema_of_the_json_is_published() -> None:
    wanted = json.dumps(Report.model_json_schema(mode="serialization"), indent=2)
    assert SCHEMA.read_text(encoding="utf-8").strip() == wanted, f"python -c {WRITE_SCHEMA!r} > {SCHEMA}"
    done = subprocess.run([sys.executable, "-c", WRITE_SCHEMA], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == wanted
