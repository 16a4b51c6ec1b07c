"""The state of all generators of the process is compared and restored."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from inithealth.record.sandbox.random_state import RandomState

DRAWS: list[Callable[[], Any]] = [lambda: torch.rand(1), random.random, np.random.rand, lambda: np.random.randn()]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_draw_is_noticed_and_undone(draw: Callable[[], Any]) -> None:
    state = RandomState()
    assert state.current
    first = draw()
    assert not state.current
    state.restore()
    assert state.current
    assert draw() == first


def test_one_generator_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(state: Any) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(torch, "set_rng_state", broken)
    state, number = RandomState(), random.getstate()
    random.random()
    with pytest.raises(ValueError, match="broken"):
        state.restore()
    assert random.getstate() == number
