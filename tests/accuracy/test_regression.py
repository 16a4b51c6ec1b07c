"""What is said of a slice of the accuracy benchmark is what is expected, to the severity, the rule and the layer.

After a change that is meant: ``python -m benchmarks.judging.regression --write``, and read the difference.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.judging.regression import EXPECTED, Causes, chosen, said

ENTRIES = chosen()
WANTED: dict[str, Causes] = json.loads(EXPECTED.read_text(encoding="utf-8"))


def test_the_slice_is_as_large_as_it_is_said_to_be() -> None:
    parts = [entry.part for entry in ENTRIES.values()]
    assert parts.count("healthy") >= 40
    assert parts.count("faults") >= 60
    assert WANTED.keys() == ENTRIES.keys()


def test_no_healthy_network_is_expected_to_raise_an_error() -> None:
    healthy = {key: causes for key, causes in WANTED.items() if ENTRIES[key].part == "healthy"}
    assert not {key for key, causes in healthy.items() if any(severity == "error" for severity, *_ in causes)}


@pytest.mark.parametrize("key", ENTRIES)
def test_the_verdict_is_as_expected(key: str) -> None:
    assert said(ENTRIES[key]) == WANTED[key]
