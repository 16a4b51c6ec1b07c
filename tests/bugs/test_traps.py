"""Healthy networks that look faulty raise no alarm, and the similar faults are found."""

from __future__ import annotations

import pytest

from inithealth import Report

from .bug import alarms
from .trap import Trap
from .traps_blocks import BLOCK_TRAPS
from .traps_vectors import VECTOR_TRAPS

TRAPS = (*VECTOR_TRAPS, *BLOCK_TRAPS)


def cases(fault: bool) -> list[object]:
    """Return (trap, seed, watched): checks with three seeds, a short training run with one, or three if slow."""
    return [
        pytest.param(
            trap, seed, watched,
            id=f"{trap.name}-{seed}-{'watch' if watched else 'check'}",
            marks=[pytest.mark.slow] if watched and seed else [],
        )
        for trap in TRAPS
        if trap.codes or not fault
        for watched in (False, True)
        if trap.watched or not (fault and watched)
        for seed in range(3)
    ]  # fmt: skip


def judged(trap: Trap, fault: bool, seed: int, watched: bool) -> Report:
    scene = trap.built(fault, seed)
    return scene.watched() if watched else scene.checked()


@pytest.mark.parametrize(("trap", "seed", "watched"), cases(fault=False))
def test_the_trap_raises_no_alarm(trap: Trap, seed: int, watched: bool) -> None:
    report = judged(trap, False, seed, watched)
    assert not alarms(report), str(report)
    assert report.measurements
    assert not report.not_measured


@pytest.mark.parametrize(("trap", "seed", "watched"), cases(fault=True))
def test_the_fault_in_the_same_place_is_found(trap: Trap, seed: int, watched: bool) -> None:
    report = judged(trap, True, seed, watched)
    found = alarms(report)
    assert len(found) == 1, str(report)
    assert found[0].code in trap.codes, str(report)
    assert trap.names(found[0].layers), str(report)
