"""What looks suspicious raises no alarm; a fault in that very spot does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from inithealth import Report, Severity
from tests.bugs import nets_traps as nets
from tests.rules.nets import judged


@dataclass(frozen=True)
class Trap:
    """``build(False)`` is the healthy network, ``build(True)`` the one with the fault."""

    build: Callable[[bool], nets.Built]
    codes: tuple[str, ...]  # any of which names the fault
    culprits: str  # pattern of the modules that may be named first

    def report(self, faulty: bool, seed: int) -> Report:
        torch.manual_seed(seed)
        return judged(*self.build(faulty))


TRAPS: tuple[Trap, ...] = (
    Trap(nets.zero_gamma, ("IH103",), r"5\.last"),
    Trap(nets.bias_before_batch_norm, ("IH204",), r"3"),
    Trap(nets.constants_by_right, ("IH104", "IH105"), r"4"),
    Trap(nets.half_of_the_outputs_zero, ("IH204",), r"2"),
    Trap(nets.attention_output, ("IH106",), r"2\.attention\.out_proj"),
    Trap(nets.wide_pictures_narrow_end, ("IH106",), r"4"),
    Trap(nets.frozen_backbone, ("IH106",), r"4"),
    Trap(nets.idle_experts, ("IH304",), r"1\.experts\.\d+\.[02]"),
)
every_trap = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.build.__name__)


@every_trap
@pytest.mark.parametrize("seed", range(3))
def test_what_looks_suspicious_raises_no_alarm(trap: Trap, seed: int) -> None:
    report = trap.report(faulty=False, seed=seed)
    assert report.measurements
    assert not [cause for cause in report.causes if cause.severity > Severity.INFO], str(report)


@every_trap
@pytest.mark.parametrize("seed", range(3))
def test_a_fault_in_that_spot_is_found(trap: Trap, seed: int) -> None:
    report = trap.report(faulty=True, seed=seed)
    alarms = [cause for cause in report.causes if cause.severity > Severity.INFO]
    assert len(alarms) == 1, str(report)
    assert alarms[0].code in trap.codes, str(report)
    assert re.fullmatch(trap.culprits, alarms[0].layers[0]), str(report)
