"""IH401: units that are still identical after the first steps, reported as a consequence."""

from __future__ import annotations

import pytest
from torch import nn

from inithealth import Severity
from inithealth.recording import Probation
from inithealth.rules.steps.symmetry_not_breaking import SymmetryNotBreaking
from tests.rules.nets import codes, finding, judged, mlp, zeroed
from tests.rules.recordings import judge
from tests.rules.runs import several, trained


def constant() -> nn.Module:
    model = mlp()
    for layer in model[::2]:
        nn.init.constant_(layer.weight, 0.02)
    return model


def test_units_that_stay_identical_are_a_consequence_of_constant_weights() -> None:
    report = trained(constant())
    assert [cause.code for cause in report.causes] == ["IH104"]
    found = finding(report, "IH401")
    assert (found.role, found.layers) == ("consequence", ("0", "2", "4", "6"))
    assert "98% of the units are still identical after 4 steps" in found.message
    assert (found.measured, found.limit) == (pytest.approx(63 / 64), 0.5)


def test_zero_weights_that_become_copies_are_a_cause_too() -> None:
    report = trained(zeroed(mlp(activation=nn.Sigmoid)))
    assert "IH401" in codes(report)
    assert [cause.code for cause in report.causes] == ["IH103"]


def test_one_step_is_no_run() -> None:
    assert "IH401" not in codes(judged(constant()))


def test_units_that_diverge_are_healthy() -> None:
    model = mlp()
    nn.init.constant_(model[2].weight, 0.02)
    assert "IH401" not in codes(trained(model))
    assert trained(mlp()).causes == ()


def test_the_option_moves_the_limit() -> None:
    trial = Probation(steps=4, settled=True, duplicates={"fc1.weight": 0.4})
    assert judge(SymmetryNotBreaking, several(probation=trial)) == []
    (found,) = judge(SymmetryNotBreaking, several(probation=trial), max_alike=0.3)
    assert (found.severity, found.layers) == (Severity.ERROR, ("fc1",))
    early = trial.model_copy(update={"settled": False})
    assert judge(SymmetryNotBreaking, several(probation=early), max_alike=0.3) == []
