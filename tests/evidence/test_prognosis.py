"""Whether a network trains in spite of what a rule found: each answer with a network and a twin that differs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from inithealth import Severity
from inithealth.evidence.facts import with_limits
from inithealth.evidence.prognosis import Prognosis, is_normalized, nearly_all, prognosis
from inithealth.evidence.scale_harm import HarmLimits
from inithealth.evidence.vector_scale import Deviation
from inithealth.recording import Layer, Probation, Recording, Step
from tests.evidence.test_signal_path import EVERYWHERE, around, made
from tests.rules.recordings import layer, measured, recording, signal, stack

NORMED = {f"fc{at}": {"normed": True} for at in range(4)}
SETTLED = Probation(steps=4, settled=True)


def of_heads(*inputs: dict[str, Any], **place: Any) -> Prognosis:
    """Return the prognosis of a network with one head for each of these input signals; ``place`` is of the first."""
    heads = tuple(layer(f"head{at}", at, head=True, **(place if at == 0 else {})) for at in range(len(inputs)))
    signals = {each.name: {"input": signal(**given).model_dump()} for each, given in zip(heads, inputs, strict=True)}
    return prognosis(recording(heads, measured(heads, **signals)))


def test_it_is_computed_once_and_does_not_keep_the_recording() -> None:
    of = recording()
    found, alive = prognosis(of), weakref.ref(of)
    assert prognosis(of) is found
    gc.collect()
    gc.disable()
    try:
        del of
        assert alive() is None
    finally:
        gc.enable()


def test_nothing_is_known_without_measurements() -> None:
    bare = prognosis(recording(steps=()))
    assert (bare.largest_output, bare.gradient_passed, bare.heads) == (None, None, ())
    assert {bare.symptom, bare.symptom_with_norms, bare.input_is_lost, bare.zero_loss} == {False}
    assert bare.samples_are_alike(1.0) is None


def test_a_layer_that_no_skip_bypasses_is_needed() -> None:
    of, beside = prognosis(recording()), layer("beside", 1, bypassable=True)
    assert of.needs([beside, layer("fc", 0)])
    assert not of.needs([beside])
    assert of.severity_of_blocking([beside, layer("fc", 0)]) is Severity.ERROR
    assert of.severity_of_blocking([beside]) is of.severity_of_blocking([]) is Severity.WARNING


@pytest.mark.parametrize(
    ("changes", "lost", "trains"),
    [
        (around("fc1"), ["fc1"], True),
        ({}, ["fc1"], False),  # no skip connection bypasses it
        (around("fc1"), ["fc1", "fc2"], False),
        (EVERYWHERE, ["fc0", "fc1", "fc2", "fc3"], True),
        (EVERYWHERE, ["fc0", "fc1", "fc2", "fc3", "head"], False),  # no layer is left to train
        ({**EVERYWHERE, "head": {"weight": {"trainable": False}}}, ["fc0", "fc1", "fc2", "fc3"], False),
        ({**EVERYWHERE, "head": {"reaches_loss": False}}, ["fc0", "fc1", "fc2", "fc3"], False),
        ({**EVERYWHERE, "head": {"kind": "norm"}}, ["fc0", "fc1", "fc2", "fc3"], False),
    ],
)
def test_a_network_trains_without_layers_that_skips_bypass(
    changes: dict[str, dict[str, Any]], lost: list[str], trains: bool
) -> None:
    of = made(changes=changes)
    assert prognosis(of).trains_without([of.layer(name) for name in lost]) is trains


def test_another_path_is_a_skip_or_a_head_that_receives_different_samples() -> None:
    layers = stack(fc1={"bypassable": True})
    seen = prognosis(recording(layers, measured(layers, head={"input": signal(between=0.5).model_dump()})))
    same = prognosis(recording(layers, measured(layers, head={"input": signal(between=0.0).model_dump()})))
    assert same.trains_beside(layers[1:2])
    assert not same.trains_beside(layers[2:3])
    assert seen.trains_beside(layers[2:3])
    assert not seen.trains_beside(layers[2:])  # the head itself


def test_the_share_of_the_matrices() -> None:
    layers = stack()
    of = prognosis(recording((*layers, layer("norm", 9, kind="norm"))))
    assert of.share_of(layers[:2]) == 0.4
    assert of.share_of(()) == 0.0
    assert prognosis(recording(())).share_of(()) == 0.0


def test_layers_with_a_twin_that_trains_do_not_count() -> None:
    layers = tuple(layer(f"experts.{n}.fc", n) for n in range(4))
    of = prognosis(recording(layers))
    assert of.share_of(layers[:3]) == 0.0
    assert of.share_of(layers) == 1.0


@pytest.mark.parametrize(
    ("trial", "loss", "recovers", "severity"),
    [
        (SETTLED, 2.3, False, Severity.ERROR),
        (SETTLED, 2.3, True, Severity.WARNING),
        (SETTLED, 0.0, False, Severity.WARNING),
        (Probation(steps=1, settled=False), 2.3, False, Severity.INFO),
        (None, 2.3, False, Severity.INFO),
    ],
)
def test_layers_without_gradient_are_an_error_if_it_lasts_and_the_network_needs_them(
    trial: Probation | None, loss: float, recovers: bool, severity: Severity
) -> None:
    of = recording(probation=trial, steps=(Step(index=0, loss=loss, layers=measured(stack())),))
    assert prognosis(of).severity_without_gradient(recovers=recovers) is severity


def test_the_gradient_passes_if_more_than_the_least_share_reaches_the_first_layers() -> None:
    of = prognosis(made(gradients={"fc0": 0.25}))
    assert of.gradient_passes(0.24)
    assert not of.gradient_passes(0.25)
    assert not prognosis(recording(steps=())).gradient_passes(0.0)


@pytest.mark.parametrize(
    ("of", "lost"),
    [
        (made({"fc1": 15.0}, {"fc0": 0.25}), False),
        (made({"fc1": 15.1}), True),
        (made(gradients={"fc0": 0.24}), True),
        (recording(steps=()), True),
    ],
)
def test_the_signal_is_lost_if_the_output_or_the_gradient_is_outside_the_limits(of: Recording, lost: bool) -> None:
    assert prognosis(of).loses_signal(max_output=15.0, min_passing=0.25) is lost


@pytest.mark.parametrize(
    ("inputs", "lost"),
    [
        ([{"between": 0.5}], False),
        ([{}], False),  # not measured
        ([{"between": 0.5}, {"between": 0.0}], True),
        ([{"rms": 0.0, "between": 0.5}], True),
    ],
)
def test_the_input_is_lost_if_a_head_receives_the_same_for_all_samples(
    inputs: list[dict[str, Any]], lost: bool
) -> None:
    assert of_heads(*inputs).input_is_lost is lost


def test_the_first_head_that_receives_similar_samples() -> None:
    found = of_heads({"between": 0.5}, {"between": 0.02}, {"between": 0.01}).samples_are_alike(0.1)
    assert found is not None
    assert (found[0].name, found[1]) == ("head1", 0.02)
    assert of_heads({"between": 0.1}).samples_are_alike(0.1) is None
    assert of_heads({"between": 0.01}, feeds="gate").samples_are_alike(0.1) is None
    assert of_heads({"between": 0.0, "rms": 0.0}).samples_are_alike(0.1) is None
    assert of_heads({}).samples_are_alike(0.1) is None


def test_an_offset_remains_without_norms_or_if_the_samples_are_alike_behind_them() -> None:
    normed, bare = layer("a", 0, normed=True), layer("b", 1)
    apart, alike = of_heads({"between": 0.5}), of_heads({"between": 0.5}, {"between": 0.01})
    assert not apart.remains_despite_norms([normed], 0.1)
    assert alike.remains_despite_norms([normed], 0.1)
    assert apart.remains_despite_norms([normed, bare], 0.1)
    assert apart.remains_despite_norms([], 0.1)
    assert not of_heads({}).remains_despite_norms([normed], 0.1)  # not known


def test_only_existing_layers_can_be_normalized() -> None:
    assert is_normalized([layer("a", 0, normed=True)])
    assert not is_normalized([layer("a", 0, normed=True), layer("b", 1)])
    assert not is_normalized([])


def norms(count: int, abs_max: float, rms: float = 1.0) -> tuple[Layer, ...]:
    size = {"shape": (96,), "abs_max": abs_max, "rms": rms}
    return tuple(layer(f"n{at}", 10 + at, kind="norm", weight=size) for at in range(count))


def test_all_of_several_norms_are_zero() -> None:
    assert prognosis(recording((*stack(), *norms(2, 0.0)))).all_norms_zero
    assert not prognosis(recording((*stack(), *norms(2, 0.1)))).all_norms_zero
    assert not prognosis(recording((*stack(), *norms(1, 0.0)))).all_norms_zero


def scale(of: Recording, layers: tuple[Layer, ...], octaves: float, **more: Any) -> Severity:
    return prognosis(of).severity_of_scale(layers, Deviation(octaves, 1.5, "", **more))


def test_large_weights_are_an_error_if_the_network_has_a_symptom() -> None:
    layers = stack()
    assert scale(made({"fc1": 31.0}), layers[1:2], 3.0) is Severity.ERROR
    assert scale(made(), layers[1:2], 3.0) is Severity.WARNING


@pytest.mark.parametrize(
    ("octaves", "needed", "beside", "fails"),
    [(-5.0, 2, 0, False), (-5.1, 2, 0, True), (-5.1, 1, 5, False), (-10.1, 1, 0, True)],
)
def test_small_weights_are_an_error_if_the_layers_on_the_main_path_lose_the_signal(
    octaves: float, needed: int, beside: int, fails: bool
) -> None:
    layers = tuple(layer(f"l{at}", at, bypassable=at >= needed) for at in range(needed + beside))
    severity = Severity.ERROR if fails else Severity.WARNING
    assert scale(made({"fc1": 0.01}), layers, octaves) is severity
    assert scale(made(), layers, octaves) is Severity.WARNING  # without a symptom


def test_small_norm_weights_are_an_error_if_all_are_small_and_no_other_norm_follows() -> None:
    small = norms(2, 0.04, 0.01)
    of = recording((*stack(), *small))
    assert scale(of, small, -3.0) is Severity.ERROR
    assert scale(of, small, 3.0) is Severity.WARNING
    assert scale(of, small[:1], -3.0) is Severity.WARNING
    assert scale(recording((*stack(**NORMED), *small)), small, -3.0) is Severity.WARNING
    assert scale(recording(), (), -3.0) is Severity.WARNING  # no norms


def network(gradient: float = 1.0, **changes: dict[str, Any]) -> Recording:
    layers = stack(**changes)
    return recording(layers, measured(layers, {}, {"fc0": gradient}), normalized=bool(changes))


@pytest.mark.parametrize(("octaves", "fails"), [(4.0, False), (-4.0, False), (4.1, True), (-4.1, True)])
def test_without_norms_a_network_fails_with_too_large_and_too_small_weights(octaves: float, fails: bool) -> None:
    of, severity = network(), Severity.ERROR if fails else Severity.WARNING
    assert scale(of, of.layers[:1], octaves, whole=True) is severity
    assert scale(of, of.layers[:1], octaves) is Severity.WARNING


@pytest.mark.parametrize(("octaves", "fails"), [(5.0, False), (5.1, True), (-5.1, False), (-9.9, False)])
def test_before_norms_only_large_weights_prevent_training(octaves: float, fails: bool) -> None:
    of, severity = network(**NORMED), Severity.ERROR if fails else Severity.WARNING
    assert scale(of, of.layers[:1], octaves, whole=True) is severity


def test_a_network_with_a_symptom_fails_at_a_smaller_deviation() -> None:
    of = network(gradient=1e6)
    assert scale(of, of.layers[:1], 0.5, whole=True) is Severity.ERROR
    assert scale(of, of.layers[:1], -0.5, whole=True) is Severity.ERROR
    layers = stack(**NORMED)
    attentive = recording(layers, measured(layers, fc1={"attention_std": 36.0}), normalized=True)
    assert scale(attentive, layers[:1], 0.5, whole=True) is Severity.ERROR
    assert scale(attentive, layers[:1], 0.0, whole=True) is Severity.WARNING
    assert scale(attentive, layers[:1], -0.5, whole=True) is Severity.WARNING


@pytest.mark.parametrize(("by_gain", "fails"), [(5.1, True), (5.0, False), (2.0, False)])
def test_large_weights_of_one_std_are_judged_by_their_gain(by_gain: float, fails: bool) -> None:
    of, severity = network(**NORMED), Severity.ERROR if fails else Severity.WARNING
    assert scale(of, of.layers[:1], 6.0, whole=True, by_gain=by_gain) is severity
    assert scale(network(), of.layers[:1], -4.1, whole=True, by_gain=-by_gain) is Severity.ERROR


@pytest.mark.parametrize(("between", "fails"), [(1e-4, True), (6e-4, False)])
def test_with_norms_small_weights_fail_if_the_samples_hardly_differ(between: float, fails: bool) -> None:
    """Norms amplify what small weights pass on, and the biases with it."""
    layers, severity = (*stack(), *norms(1, 1.0)), Severity.ERROR if fails else Severity.WARNING
    of = recording(layers, measured(layers, head={"input": signal(between=between).model_dump()}), normalized=True)
    assert scale(of, layers[:1], -2.0, whole=True) is scale(of, layers[:1], -6.0, whole=True) is severity
    assert scale(of, layers[:1], 2.0, whole=True) is Severity.WARNING
    before_norms = (*stack(**NORMED), *norms(1, 1.0))
    of = recording(before_norms, measured(before_norms, head={"input": signal(between=between).model_dump()}))
    assert scale(of, before_norms[:1], -6.0, whole=True) is Severity.WARNING


def test_a_first_step_that_changes_the_weights_by_a_large_factor_is_an_error() -> None:
    assert scale(made(), stack()[:1], -2.0, unstable=True) is Severity.ERROR
    assert scale(made(), stack()[:1], -2.0) is Severity.WARNING


def test_the_limits_of_the_settings_decide() -> None:
    of = network()
    assert scale(with_limits(of, [HarmLimits(max_octaves_of_whole=6.0)]), of.layers[:1], 5.0, whole=True) == "warning"
    assert scale(of, of.layers[:1], 5.0, whole=True) == "error"


@pytest.mark.parametrize(
    ("affected", "checked", "whole"), [(3, 3, True), (2, 2, False), (4, 5, True), (7, 9, False), (0, 0, False)]
)
def test_a_network_is_affected_as_a_whole_by_a_share_and_a_number_of_layers(
    affected: int, checked: int, whole: bool
) -> None:
    assert nearly_all(affected, checked, share=0.8, fewest=3) is whole
