"""``inithealth report`` and ``diff``: saved reports in any format, and the differences between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inithealth import Report
from inithealth.cli.main import FORMATS
from inithealth.report import formats
from tests.cli.conftest import Run


@pytest.fixture
def saved(run: Run) -> dict[str, str]:
    """Save reports of the healthy and the broken network."""
    for name in ("healthy", "alike", "broken"):
        run("check", f"mine.nets:{name}", "--output-format", f"json={name}.json")
    return {name: f"{name}.json" for name in ("healthy", "alike", "broken")}


@pytest.mark.parametrize("name", FORMATS)
def test_a_saved_report_equals_that_of_the_check(name: str, run: Run, saved: dict[str, str]) -> None:
    checked = run("check", "mine.nets:broken", "--output-format", name)
    again = run("report", saved["broken"], "--output-format", name)
    assert (again.status, again.out) == (checked.status, checked.out)
    assert again.status == 1


def test_the_choices_are_the_available_formats() -> None:
    assert formats.FORMATS == FORMATS


def test_fail_on_can_be_changed_later(run: Run, saved: dict[str, str]) -> None:
    assert run("report", saved["alike"]).status == 0
    assert run("report", saved["alike"], "--fail-on", "warning").status == 1
    assert run("report", saved["broken"], "--fail-on", "never").status == 0
    assert run("report", saved["broken"], "--exit-zero").status == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is not a report made by"),
        (b"{", "is not a report made by"),
        (b"\xff\xfe\x00", "is not a report made by"),
        (b"[" * 100_000, "is not a report made by"),
        (b'{"model": "Net", "format": 2}', "format: Input should be 1"),
        (b'{"model": "Net", "more": 1}', "more: Extra inputs"),
    ],
)
@pytest.mark.parametrize("command", [("report",), ("diff", "healthy.json")])
def test_a_file_that_is_not_a_report_is_rejected(
    command: tuple[str, ...], text: bytes | None, says: str, run: Run, saved: dict[str, str], folder: Path
) -> None:
    if text is not None:
        (folder / "bad.json").write_bytes(text)
    done = run(*command, "bad.json")
    assert done.status == 2
    assert done.error.startswith("bad.json ")
    assert says in done.error


def test_a_worse_report_exits_with_1(run: Run, saved: dict[str, str]) -> None:
    done = run("diff", saved["healthy"], saved["broken"])
    assert done.status == 1
    assert done.out.startswith("WORSE verdict IH101 middle: not found -> error: ")
    assert run("diff", saved["healthy"], saved["broken"], "--exit-zero").status == 0
    back = run("diff", saved["broken"], saved["healthy"])
    assert back.status == 0
    assert "verdict IH101 middle: error: " in back.out


def test_the_same_report_has_no_difference(run: Run, saved: dict[str, str]) -> None:
    done = run("diff", saved["alike"], saved["alike"])
    assert (done.status, done.out) == (0, "nothing changed\n")


def test_a_difference_as_json(run: Run, saved: dict[str, str]) -> None:
    found = json.loads(run("diff", saved["healthy"], saved["alike"], "--output-format", "json").out)
    assert {(each["what"], each["layer"]) for each in found} >= {("scheme", "middle"), ("std", "middle")}


def test_verbose_shows_a_row_for_each_layer(run: Run, saved: dict[str, str], folder: Path) -> None:
    report = Report.from_json((folder / "healthy.json").read_text())
    many = [layer.model_copy(update={"name": f"blocks.{n}.fc"}) for n in range(40) for layer in report.layers[:1]]
    (folder / "many.json").write_text(report.model_copy(update={"layers": tuple(many)}).to_json())
    assert "blocks.*.fc (40)" in run("report", "many.json").out
    assert "blocks.17.fc" in run("report", "many.json", "--verbose").out
    assert run("report", "many.json", "--verbose", "--output-format", "table=out.txt").out == ""
    assert "blocks.17.fc" in (folder / "out.txt").read_text()
    assert run("report", "many.json", "--verbose", "--output-format", "json").out == f"{report_text(folder)}\n"


def report_text(folder: Path) -> str:
    return Report.from_json((folder / "many.json").read_text()).to_json()
