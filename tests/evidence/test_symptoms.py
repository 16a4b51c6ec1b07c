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
        (made({"fc1": 0.04}), False),
        (made({"fc1": 0.03}), True),
        (made({"fc1": 29.0}), False),
        (made({"fc1": 31.0}), True),
        (made(gradients={"fc0": 1 / 190}), False),
        (made(gradients={"fc0": 1 / 210}), True),
        (made(gradients={"fc0": 49.0}), False),
        (made(gradients={"fc0": 51.0}), True),
        (made({"fc1": 1e3}, normalized=True), False),
        (made(loss=Loss(logits_std=7.9)), False),
        (made(loss=Loss(logits_std=8.1)), True),
        (made(loss=Loss(logits_std=8.1), normalized=True), True),
    ],
)
def test_a_symptom_is_what_training_would_feel(of: Recording, shows: bool) -> None:
    assert symptoms.has_symptom(of) is shows


def test_an_output_that_is_not_finite_is_a_symptom() -> None:
    layers = stack()
    broken = measured(layers, fc1={"output": signal(1.0, non_finite=1).model_dump()})
    assert symptoms.has_symptom(recording(layers, broken))


def test_nothing_measured_is_no_symptom() -> None:
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
        (made({"fc1": 120.0}, normalized=True), symptoms.OutputLimits(high_rms_normalized=130.0)),
        (made(gradients={"fc0": 2e5}, normalized=True), symptoms.GrowthLimits(high_growth_normalized=3e5)),
    ],
)
def test_normalization_does_not_take_all_that_follows_away(of: Recording, limits: SharedLimits) -> None:
    assert symptoms.has_symptom_with_norms(of)
    assert not symptoms.has_symptom_with_norms(with_limits(of, [limits]))


def test_attention_that_chooses_one_key_is_a_strain() -> None:
    layers = stack()
    of = recording(layers, measured(layers, fc1={"attention_std": 12.0, "attention_keys": 8}))
    assert symptoms.has_symptom_with_norms(of)
    assert not symptoms.has_symptom_with_norms(with_limits(of, [symptoms.AttentionLimits(max_std=15.0)]))
