"""What the first optimizer steps show about zeros and identical units."""

from __future__ import annotations

import pytest

from inithealth import Severity
from inithealth.evidence.trial import Trial
from inithealth.recording import Probation
from tests.rules.recordings import layer

FC = layer("fc", 0)


def trial(*, settled: bool = True, **found: object) -> Trial:
    return Trial(Probation.model_validate({"steps": 4, "settled": settled, **found}))


@pytest.mark.parametrize(
    ("of", "settled", "running", "steps"),
    [(Trial(None), False, False, 0), (trial(settled=False), False, True, 4), (trial(), True, False, 4)],
)
def test_a_trial_is_running_until_it_is_settled(of: Trial, settled: bool, running: bool, steps: int) -> None:
    assert (of.settled, of.running, of.steps) == (settled, running, steps)


def test_a_weight_that_never_received_a_gradient_is_zero_throughout() -> None:
    assert trial(asleep=["fc.weight"], zero_units={"fc.weight": 0.25}).zero_share(FC) == 1.0
    assert trial(asleep=["other.weight"], zero_units={"fc.weight": 0.25}).zero_share(FC) == 0.25
    assert trial().zero_share(FC) == Trial(None).zero_share(FC) == 0.0


def test_units_are_identical_until_steps_make_them_diverge() -> None:
    assert trial(duplicates={"fc.weight": 0.75}).identical_share(FC) == 0.75
    assert trial(duplicates={"other.weight": 0.75}).identical_share(FC) == 0.0
    assert Trial(None).identical_share(FC) == 1.0


@pytest.mark.parametrize(
    ("of", "severity"),
    [(trial(), Severity.ERROR), (trial(settled=False), Severity.INFO), (Trial(None), Severity.INFO)],
)
def test_a_state_that_training_may_resolve_is_info_until_it_is_settled(of: Trial, severity: Severity) -> None:
    assert of.severity(Severity.ERROR) is severity
