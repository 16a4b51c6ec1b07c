"""Warnings and log records of one thread are silenced, and the filters stay those of the process."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest

from inithealth.record.quiet import quiet

LOGGER = logging.getLogger("tests.quiet")


def both() -> None:
    warnings.warn("mine", UserWarning, stacklevel=1)
    LOGGER.warning("mine")


def test_this_thread_is_silent_in_the_context_only(caplog: pytest.LogCaptureFixture) -> None:
    before = list(warnings.filters)
    with quiet(LOGGER):
        both()
    assert caplog.text == ""
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="mine"):
        both()
    assert "mine" in caplog.text


def test_other_threads_are_not(caplog: pytest.LogCaptureFixture) -> None:
    shown: list[BaseException] = []

    def other() -> None:
        try:
            both()
        except UserWarning as warning:  # an error in these tests
            shown.append(warning)
            LOGGER.warning("mine")

    thread = threading.Thread(target=other)
    with quiet(LOGGER):
        thread.start()
        thread.join()
    assert len(shown) == 1
    assert "mine" in caplog.text


def test_a_copy_of_the_filters_that_is_restored_later_silences_nothing() -> None:
    with quiet():
        copied = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.filters[:] = copied  # type: ignore[index]
        with pytest.raises(UserWarning, match="mine"):
            both()
