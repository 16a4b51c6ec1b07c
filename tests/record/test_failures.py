"""Failed measurements are recorded once, and nothing is raised."""

from __future__ import annotations

import pytest

from inithealth.record.failures import Failures


def test_the_first_reason_is_kept() -> None:
    failures = Failures()
    failures.note("fc", ValueError("one"))
    failures.note("fc", ValueError("two"))
    failures.note("", KeyError("three"))
    assert failures == {"fc": "ValueError: one", "model": "KeyError: 'three'"}


def test_a_guarded_call_raises_only_what_ends_a_process() -> None:
    failures, called = Failures(), []
    failures.guard("fine", called.append, 1)
    failures.guard("broken", lambda: 1 // 0)
    assert called == [1]
    assert set(failures) == {"broken"}

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failures.guard("interrupted", interrupted)
