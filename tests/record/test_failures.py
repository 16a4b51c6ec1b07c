"""Failed measurements are recorded once, and nothing is raised."""

from __future__ import annotations

import pytest
import torch

from inithealth.record.failures import Failures, described
from inithealth.record.statistics.sample import sample


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


def test_the_advice_of_a_library_is_left_out() -> None:
    weight = torch.ones(2, requires_grad=True)
    output = weight.exp()
    output += 1
    with pytest.raises(RuntimeError) as raised:
        output.sum().backward()
    words = described(raised.value)
    assert words.startswith("RuntimeError: one of the variables needed for gradient computation has been modified")
    assert "Hint" not in words
    assert len(words) < 230


def test_an_error_of_this_package_is_called_one() -> None:
    with pytest.raises(AttributeError) as raised:
        sample(None, 4)  # type: ignore[arg-type]
    assert described(raised.value).startswith("an error in inithealth, please report it: AttributeError: ")
    with pytest.raises(ZeroDivisionError) as other:
        1 // 0  # noqa: B018
    assert described(other.value).startswith("ZeroDivisionError: ")
