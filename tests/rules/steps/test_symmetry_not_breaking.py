"""IH401: units that are still identical after the first steps, reported as a consequence."""

from __future__ import annotations

import warnings

import pytest
from torch import nn

from inithealth import Severity
from inithealth.recording import Probation
from inithealth.rules.steps.symmetry_not_breaking import SymmetryNotBreaking
from inithealth.rules.weights.constant_weights import ConstantWeights
from inithealth.rules.weights.duplicate_neurons import DuplicateNeurons
from inithealth.rules.weights.zero_weights import ZeroWeights
from tests.rules.folding import explains, found_by
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


def test_one_step_is_not_enough() -> None:
    assert "IH401" not in codes(judged(constant()))


def test_units_that_diverge_are_healthy() -> None:
    model = mlp()
    nn.init.constant_(model[2].weight, 0.02)
    assert "IH401" not in codes(trained(model))
    assert trained(mlp()).causes == ()


def test_the_option_changes_the_limit() -> None:
    trial = Probation(steps=4, settled=True, duplicates={"fc1.weight": 0.4})
    assert judge(SymmetryNotBreaking, several(probation=trial)) == []
    (found,) = judge(SymmetryNotBreaking, several(probation=trial), max_alike=0.3)
    assert (found.severity, found.layers) == (Severity.ERROR, ("fc1",))
    early = trial.model_copy(update={"settled": False})
    assert judge(SymmetryNotBreaking, several(probation=early), max_alike=0.3) == []


def settled(**duplicates: float) -> Probation:
    return Probation(steps=4, settled=True, duplicates={f"{name}.weight": share for name, share in duplicates.items()})


def test_half_of_the_units_are_sufficient() -> None:
    assert judge(SymmetryNotBreaking, several(probation=settled(fc1=0.49))) == []
    (found,) = judge(SymmetryNotBreaking, several(probation=settled(fc1=0.5)))
    assert (found.layers, found.measured, found.limit) == (("fc1",), 0.5, 0.5)


def test_the_worst_of_several_layers_is_measured_at_the_last_step() -> None:
    trial = settled(fc0=0.6, fc1=0.9, fc2=0.4, fc3=0.7)
    (found,) = judge(SymmetryNotBreaking, several(probation=trial, apart=10))
    assert (found.layers, found.measured, found.step) == (("fc0", "fc1", "fc3"), 0.9, 110)
    assert "90%" in found.message
    assert all(f"model.{name}.weight" in found.fix for name in found.layers)


def test_the_units_of_a_head_diverge_because_of_their_targets() -> None:
    assert judge(SymmetryNotBreaking, several(probation=settled(head=0.9))) == []


@pytest.mark.parametrize(("steps", "found"), [(1, 0), (2, 1)])
def test_two_steps_are_enough(steps: int, found: int) -> None:
    assert len(judge(SymmetryNotBreaking, several(probation=settled(fc1=0.9), steps=steps))) == found


def test_nothing_is_reported_without_a_probation() -> None:
    assert judge(SymmetryNotBreaking, several()) == []


def test_weights_that_started_identical_explain_it() -> None:
    for rule in (ZeroWeights, ConstantWeights, DuplicateNeurons):
        assert explains(rule, found_by(rule), SymmetryNotBreaking.code)


@pytest.mark.parametrize("frozen", [True, False])
def test_magnitudes_that_start_equal_break_no_symmetry(frozen: bool) -> None:
    """The magnitudes of weight_norm are one number a unit, and filled with ones in self-supervised heads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        net = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.utils.weight_norm(nn.Linear(64, 16, bias=False)))
    net[2].weight_g.data.fill_(1.0)
    net[2].weight_g.requires_grad_(not frozen)
    report = trained(net)
    assert report.causes == (), report.causes
