"""GitLab's Code Quality: an entry per cause, with a fingerprint."""

from __future__ import annotations

import json

from inithealth.report.formats import rendered
from tests.report.hostile import EXAMPLE, finding


def test_fingerprints_are_unique_and_do_not_depend_on_lines() -> None:
    entries = json.loads(rendered(EXAMPLE, "gitlab"))
    assert {entry["check_name"] for entry in entries} == {"zero-weights", "constant-weights"}
    moved = EXAMPLE.model_copy(update={"findings": (finding(source="nets/a.py:99"), finding(source="nets/a.py:99"))})
    prints = [entry["fingerprint"] for entry in json.loads(rendered(moved, "gitlab"))]
    assert prints[0] == entries[0]["fingerprint"]
    assert prints[0] != prints[1]
    assert entries[1]["location"] == {"path": ".", "lines": {"begin": 1}}
    library = EXAMPLE.model_copy(update={"findings": (finding(source="/usr/lib/python/nets.py:3"),)})
    assert json.loads(rendered(library, "gitlab"))[0]["location"]["path"] == "."
