"""The causes of a subset of the accuracy benchmark are as expected: severity, rule and layer.

After an intended change, run ``python -m benchmarks.judging.regression --write`` and review the diff.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.judging.regression import EXPECTED, Causes, chosen, reported_causes

ENTRIES = chosen()
EXPECTED_CAUSES: dict[str, Causes] = json.loads(EXPECTED.read_text(encoding="utf-8"))


def test_the_subset_has_the_expected_size() -> None:
    parts = [entry.part for entry in ENTRIES.values()]
    assert parts.count("healthy") >= 40
    assert parts.count("faults") >= 60
    assert EXPECTED_CAUSES.keys() == ENTRIES.keys()


def test_no_healthy_network_is_expected_to_have_an_error() -> None:
    healthy = {key: causes for key, causes in EXPECTED_CAUSES.items() if ENTRIES[key].part == "healthy"}
    assert not {key for key, causes in healthy.items() if any(severity == "error" for severity, *_ in causes)}


@pytest.mark.parametrize("key", ENTRIES)
def test_the_verdict_is_as_expected(key: str) -> None:
    assert reported_causes(ENTRIES[key]) == EXPECTED_CAUSES[key]
