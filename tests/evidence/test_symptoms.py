"""Symptoms of a wrong weight scale, by the limits of the rules that report them."""

from __future__ import annotations

import pytest

from inithealth.evidence import symptoms
from inithealth.evidence.facts import with_limits
from inithealth.evidence.limits import SharedLimits
from inithealth.recording import Loss, Recording
from tests.evidence.test_signal_path import made
from tests.rules.recordings import measured, recording, signal, stack


@pytest.mark.parametrize(
    ("of", "shows"),
    [
        (made(), False),
        (made({"fc1": 2.0**-5}), False),
        (made({"fc1": 0.03124}), True),
        (made({"fc1": 30.0}), False),
        (made({"fc1": 30.1}), True),
        (made(gradients={"fc0": 1 / 199.5}), False),
        (made(gradients={"fc0": 1 / 200.5}), True),
        (made(gradients={"fc0": 50.0}), False),
        (made(gradients={"fc0": 50.1}), True),
        (made({"fc1": 1e3}, normalized=True), False),
        (made(loss=Loss(logits_std=8.0)), False),
        (made(loss=Loss(logits_std=8.1)), True),
        (made(loss=Loss(logits_std=8.1), normalized=True), True),
    ],
)
def test_symptoms_are_what_affects_training(of: Recording, shows: bool) -> None:
    assert symptoms.has_symptom(of) is shows


def test_a_non_finite_output_is_a_symptom() -> None:
    layers = stack()
    broken = measured(layers, fc1={"output": signal(1.0, non_finite=1).model_dump()})
    assert symptoms.has_symptom(recording(layers, broken))


def test_there_is_no_symptom_without_measurements() -> None:
    bare = recording(steps=())
    assert not symptoms.has_symptom(bare)
    assert not symptoms.has_symptom_with_norms(bare)
    assert not symptoms.wide_logits(bare)


@pytest.mark.parametrize(
    ("of", "limits"),
    [
        (made({"fc1": 31.0}), symptoms.OutputLimits(high_rms=40.0)),
        (made(gradients={"fc0": 51.0}), symptoms.GrowthLimits(high_growth=60.0)),
        (made(loss=Loss(logits_std=8.1)), symptoms.LogitLimits(max_logits_std=9.0)),
        (made({"fc1": 0.03}), symptoms.FadingLimits(low_output=0.01)),
        (made(gradients={"fc0": 1 / 210}), symptoms.FadingLimits(low_gradient_ratio=1 / 300)),
    ],
)
def test_the_limits_of_the_rules_decide(of: Recording, limits: SharedLimits) -> None:
    assert symptoms.has_symptom(of)
    assert not symptoms.has_symptom(with_limits(of, [limits]))


@pytest.mark.parametrize(
    ("of", "limits"),
    [
        (made({"fc1": 100.5}, normalized=True), symptoms.OutputLimits(high_rms_normalized=130.0)),
        (made(gradients={"fc0": 100_000.5}, normalized=True), symptoms.GrowthLimits(high_growth_normalized=3e5)),
    ],
)
def test_normalization_does_not_remove_all_symptoms(of: Recording, limits: SharedLimits) -> None:
    assert symptoms.has_symptom_with_norms(of)
    assert not symptoms.has_symptom_with_norms(with_limits(of, [limits]))


@pytest.mark.parametrize(
    ("gradient", "limits"),
    [(0.25, symptoms.FadingLimits(low_gradient_ratio=0.25)), (4.0, symptoms.GrowthLimits(high_growth=4.0))],
)
def test_a_gradient_at_its_limit_is_no_symptom(gradient: float, limits: SharedLimits) -> None:
    assert not symptoms.has_symptom(with_limits(made(gradients={"fc0": gradient}), [limits]))


def test_growth_at_its_limit_is_no_symptom_with_norms() -> None:
    of = made(gradients={"fc0": 4.0}, normalized=True)
    assert not symptoms.has_symptom_with_norms(with_limits(of, [symptoms.GrowthLimits(high_growth_normalized=4.0)]))


def attentive(std: float) -> Recording:
    layers = stack()
    return recording(layers, measured(layers, fc1={"attention_std": std, "attention_keys": 8}))


def test_attention_to_a_single_key_is_a_symptom_with_norms() -> None:
    assert not symptoms.has_symptom_with_norms(attentive(10.0))
    assert symptoms.has_symptom_with_norms(attentive(10.1))
    assert not symptoms.has_symptom_with_norms(with_limits(attentive(12.0), [symptoms.AttentionLimits(max_std=15.0)]))
    assert not symptoms.has_symptom_with_norms(with_limits(made(), [symptoms.AttentionLimits(max_std=0.5)]))


@pytest.mark.parametrize("kind", ["mse", "l1", "smooth_l1", "huber"])
@pytest.mark.parametrize(
    ("outputs", "inputs", "wide"),
    [
        ({"head": 8.0}, 1.0, False),
        ({"head": 8.1}, 1.0, True),
        ({"head": 8.1}, 0.25, True),  # a small input does not require a smaller output
        ({"head": 16.0}, 2.0, False),  # a large one may come with large targets
        ({"head": 16.1}, 2.0, True),
        ({"fc3": 20.0}, 1.0, False),
    ],
)
def test_outputs_of_squared_losses_are_judged_like_logits(
    kind: str, outputs: dict[str, float], inputs: float, wide: bool
) -> None:
    of = made(outputs, inputs={"batch": signal(inputs)}, loss=Loss(kind=kind))
    assert symptoms.wide_logits(of) is wide
    assert not symptoms.wide_logits(of.model_copy(update={"loss": Loss(kind="cross_entropy")}))


@pytest.mark.parametrize("output", [None, signal(20.0, non_finite=1).model_dump()])
def test_a_head_without_a_finite_output_has_no_wide_logits(output: dict[str, object] | None) -> None:
    layers = stack()
    of = recording(layers, measured(layers, head={"output": output}), loss=Loss(kind="mse"))
    assert not symptoms.wide_logits(of)


def test_unmeasured_logits_exceed_no_limit() -> None:
    bare = recording(steps=(), loss=Loss(kind="mse"))
    assert not symptoms.wide_logits(with_limits(bare, [symptoms.LogitLimits(max_logits_std=0.5)]))


def prenorm(level: float = 31.0, *, branches: int = 1, inputs: float = 1.0, **place: object) -> Recording:
    """Return a network with normalized branches, and one layer with an output of that rms."""
    changes = {"fc1": place} if place else {}
    return made({"fc1": level}, None, changes, normalized=True, branches=branches, inputs={"batch": signal(inputs)})


@pytest.mark.parametrize(
    ("of", "drowns"),
    [
        (prenorm(30.0), False),
        (prenorm(30.1), True),
        (prenorm(branches=0), False),  # nothing is added to it
        (prenorm(59.0, inputs=2.0), False),
        (prenorm(61.0, inputs=2.0), True),
        (prenorm(30.1, inputs=0.25), True),
        (prenorm(bypassable=True), False),
        (prenorm(normed=True), False),
        (prenorm(head=True), False),
        (prenorm().model_copy(update={"trunk_normalized": True}), False),
    ],
)
def test_a_trunk_that_starts_large_hides_its_branches(of: Recording, drowns: bool) -> None:
    assert symptoms.has_symptom(of) is drowns


@pytest.mark.parametrize("output", [None, signal(31.0, non_finite=1).model_dump()])
def test_a_trunk_without_a_finite_output_hides_nothing(output: dict[str, object] | None) -> None:
    layers = stack()
    assert not symptoms.has_symptom(
        recording(layers, measured(layers, fc1={"output": output}), normalized=True, branches=1)
    )


def test_no_output_hides_the_branches_if_all_are_on_branches() -> None:
    changes = {each.name: {"bypassable": True} for each in stack()}
    of = made(changes=changes, normalized=True, branches=1)
    assert not symptoms.has_symptom(with_limits(of, [symptoms.OutputLimits(high_rms=0.5)]))
