"""An error names the line of the user's code."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from inithealth.record.paged.errors import cannot_defer, definition_line, raising_line, user_line


class Seeing(nn.Module):
    def forward(self, x: torch.Tensor) -> str:
        return user_line()


def here() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_the_line_is_outside_of_torch() -> None:
    line = here() + 1
    assert user_line().endswith(f"test_errors.py:{line}")
    expected = inspect.getsourcelines(Seeing.forward)[1] + 1
    assert nn.Sequential(Seeing())(torch.zeros(1)).endswith(f"test_errors.py:{expected}")


def test_the_line_that_raised() -> None:
    line = here() + 2
    with pytest.raises(RuntimeError) as raised:
        nn.Linear(3, 3)(torch.zeros(4))
    assert raising_line(raised.tb).endswith(f"test_errors.py:{line}")


def test_the_line_of_a_definition() -> None:
    assert definition_line(here).endswith(f"test_errors.py:{here.__code__.co_firstlineno}")
    assert str(cannot_defer("a problem", line="model.py:3")) == "model.py:3: a problem"
