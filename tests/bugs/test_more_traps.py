"""Further healthy networks that look faulty raise no alarm, and the fault that each looks like is found."""

from __future__ import annotations

import pytest
import torch

from .bug import Scene, alarms
from .more_traps import MORE_TRAPS, Trap

NAME = pytest.mark.parametrize("trap", MORE_TRAPS, ids=lambda trap: trap.name)
SEED = pytest.mark.parametrize("seed", range(3))
WATCHED = pytest.mark.parametrize("watched", [False, True], ids=["check", "watch"])


def built(trap: Trap, fault: bool, seed: int) -> Scene:
    torch.manual_seed(seed)
    return trap.build(fault)


@NAME
@SEED
@WATCHED
def test_the_trap_raises_no_alarm(trap: Trap, seed: int, watched: bool) -> None:
    scene = built(trap, False, seed)
    report = scene.watched() if watched else scene.checked()
    assert not alarms(report), str(report)
    assert report.measurements


@NAME
@SEED
@WATCHED
def test_the_fault_in_that_very_spot_is_found(trap: Trap, seed: int, watched: bool) -> None:
    scene = built(trap, True, seed)
    report = scene.watched() if watched else scene.checked()
    found = alarms(report)
    assert len(found) == 1, str(report)
    assert found[0].code in trap.codes, str(report)
    assert set(found[0].layers) <= trap.layers, str(report)
