"""A terminal of 80 columns as stderr, and a logger without handlers: pytest has its own on the root logger."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator, Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest

from tests.console.terminal import Terminal


@pytest.fixture(autouse=True)
def _usual_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def terminal() -> Terminal:
    """Return the object that the test finds as ``sys.stderr``."""
    return Terminal()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Replace stderr inside the test, because pytest's capture replaces it after all fixtures."""
    terminal = getattr(item, "funcargs", {}).get("terminal")
    with redirect_stderr(sys.stderr if terminal is None else terminal):
        return (yield)


@pytest.fixture
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """Return the logger ``inithealth`` as in a program that has configured no logging."""
    found = logging.getLogger("inithealth")
    monkeypatch.setattr(found, "parent", None)  # pytest adds its handler to loggers that do not propagate
    assert found.handlers == []
    yield found
    found.handlers.clear()
    found.filters.clear()
    found.setLevel(logging.NOTSET)
