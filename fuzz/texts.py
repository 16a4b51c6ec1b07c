"""What the fuzzed loaders have to hold: a file is read, or rejected with one line; a report prints in every format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

from inithealth import Report
from inithealth.page.document import document
from inithealth.report.compare.changes import changes
from inithealth.report.compare.changes_text import changes_json, changes_table
from inithealth.report.formats import FORMATS, rendered
from inithealth.report.init_function import init_function
from inithealth.tensorboard.alert_table import alerts
from inithealth.tensorboard.events import text_event

_COMMAND = re.compile(r"(?m)^[^\S\n]*::|##\w*\[")
# Escape sequences, other control characters, half surrogate pairs, and what changes the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def read_or_rejected(reader: Callable[[], Any], kind: type[Exception] = ValueError) -> Any:
    """Return what was read; None if it was rejected with one printable line."""
    try:
        return reader()
    except kind as error:
        said = str(error)
    assert said, "no reason"
    assert not _CONTROL.search(said), said
    assert "\n" not in said, said
    return None


def prints(report: Report) -> None:
    """Assert that a report prints everywhere, and that no line is a command."""
    for name, text in _texts(report):
        assert not _CONTROL.search(text), name
        command = _COMMAND.search(text)
        assert command is None or (name == "github" and command[0] == "::"), (name, command)
    for name in ("json", "gitlab", "sarif"):
        json.loads(rendered(report, name))
    ET.fromstring(rendered(report, "junit"))
    compile(init_function(report), "fix", "exec")
    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    assert not _CONTROL.search(alerts(report, 0))
    text_event("alerts", alerts(report, 0))
    repr(report)


def _texts(report: Report) -> Iterator[tuple[str, str]]:
    for name in FORMATS:
        yield name, rendered(report, name)
    yield "full", report.table(full=True)
    yield "summary", report.summary()
    yield "function", init_function(report)
    both = changes(report, Report(model="Net"))
    yield "changes", changes_table(both)
    yield "changes as JSON", changes_json(both)


def is_document(found: dict[str, Any]) -> None:
    """Assert that a document of a run is a sentence, or has the fields and types that the page expects."""
    if "message" in found:
        return
    for name, value in document({}, {}, [], []).items():
        assert value is None or type(found[name]) is type(value), name
