"""The environment switch: 1 adds the callback, 0 disables it."""

from __future__ import annotations

import pytest

from inithealth import environment


@pytest.mark.parametrize(
    ("value", "meant"),
    [("1", True), ("true", True), (" ON ", True), ("0", False), ("No", False), ("", None), ("maybe", None)],
)
def test_the_values_of_the_environment_variable(
    value: str, meant: bool | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INITHEALTH", value)
    assert environment.switch() is meant
    assert ("INITHEALTH=maybe is ignored" in caplog.text) == (value == "maybe")
