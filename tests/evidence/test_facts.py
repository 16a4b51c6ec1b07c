"""Facts are computed once per recording, with the limits from the settings, and not shared between recordings."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest

from inithealth import Finding, Settings
from inithealth.evidence.facts import fact, limits_of, with_limits
from inithealth.evidence.trained import TrainedLimits, trained_layers
from inithealth.judge.diagnose import diagnose
from inithealth.recording import Layer, Loss, Recording, Scheme, Step
from inithealth.rules.weights.pretrained_weights import PretrainedWeights
from tests.rules.recordings import measured, recording, residual, stack

EDGE = {"spectral_edge": 1.8}
RAISED = {"pretrained-weights": {"max_random_edge": 2.0}}


def body(**changes: Any) -> tuple[Layer, ...]:
    """Return four trained layers and a head."""
    return stack(**{**{f"fc{number}": {"weight": EDGE} for number in range(4)}, **changes})


def test_a_fact_is_computed_once() -> None:
    counted: list[Recording] = []

    @fact
    def amount(of: Recording) -> int:
        counted.append(of)
        return len(of.layers)

    of = recording()
    assert [amount(of), amount(of)] == [5, 5]
    assert len(counted) == 1


def test_a_copy_keeps_the_limits_and_computes_again() -> None:
    of = with_limits(recording(body()), [TrainedLimits(max_random_edge=1.5)])
    assert len(trained_layers(of)) == 4
    fresh = of.model_copy(update={"layers": stack()})
    assert trained_layers(fresh) == frozenset()
    assert limits_of(fresh, TrainedLimits).max_random_edge == 1.5
    assert len(trained_layers(of)) == 4


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda of: pickle.loads(pickle.dumps(of))])
def test_copied_and_pickled_recordings_are_equal_and_keep_the_limits(twin: Any) -> None:
    of = with_limits(recording(body()), [TrainedLimits(max_random_edge=2.0)])
    assert trained_layers(of) == frozenset()
    other = twin(of)
    assert other == of == recording(body())
    assert trained_layers(other) == frozenset()
    assert limits_of(other, TrainedLimits).max_random_edge == 2.0


def test_facts_are_not_serialized() -> None:
    of = recording(body())
    before = of.model_dump_json()
    trained_layers(of)
    assert of.model_dump_json() == before


def test_the_last_limits_are_used_and_equal_ones_make_no_copy() -> None:
    plain, rule = recording(body()), PretrainedWeights(max_random_edge=2.0)
    of = with_limits(plain, [rule])
    assert with_limits(of, [rule]) is of
    assert trained_layers(of) == frozenset()
    assert len(trained_layers(with_limits(of, [TrainedLimits()]))) == 4
    assert len(trained_layers(plain)) == 4


def test_facts_do_not_keep_a_recording_alive() -> None:
    of = recording(body())
    trained_layers(of)
    gc.disable()
    try:
        gone = weakref.ref(of)
        del of
        assert gone() is None
    finally:
        gc.enable()


def _scale() -> Recording:
    wide = Loss(kind="cross_entropy", classes=10, logits_std=20.0)
    return recording(body(fc1={"weight": {**EDGE, "rms": 5.0}}), loss=wide)


def _alike() -> Recording:
    return recording(body(fc1={"weight": {**EDGE, "row_cosine": 0.4}}))


def _garbage() -> Recording:
    """Return tiny values as produced by long training, which no initialization draws."""
    return recording(body(fc1={"weight": {**EDGE, "tiny_share": 0.013}}))


def _missed() -> Recording:
    default, normal = Scheme(name="torch_default", text="torch"), Scheme(name="normal", text="normal(0.02)")
    schemes = {f"fc{number}": {"weight": EDGE, "scheme": normal if number else default} for number in range(4)}
    return recording(stack(**schemes))


def _known() -> Recording:
    layers = body()
    steps = (Step(index=0, loss=0.1, layers=measured(layers)),)
    return recording(layers, steps=steps, loss=Loss(kind="cross_entropy", classes=10, logits_std=1.0))


def _by_depth() -> Recording:
    """Return branches whose inner layers are scaled by depth instead of their ends."""
    layers = residual(12, enter={"weight": EDGE}, leave={"weight": EDGE})
    gates = [
        layer.model_copy(update={"name": f"{layer.name}.{role}", "module": f"{layer.name}.{role}", "feeds": "gate"})
        for layer in layers
        if layer.name.endswith("enter")
        for role in ("gate", "up")
    ]
    scaled = [
        gate.model_copy(update={"weight": gate.weight.model_copy(update={"rms": 0.02 / 24**0.5})})
        if gate.weight and gate.name.endswith("gate")
        else gate
        for gate in gates
    ]
    return recording((*layers, *scaled), branches=24)


ACTING = {
    "weight-scale": _scale,
    "correlated-outputs": _alike,
    "uninitialised-weights": _garbage,
    "uninitialised-weights (missed)": _missed,
    "loss-at-init": _known,
    "unscaled-residual": _by_depth,
}


def judged(of: Recording, rule: str, **settings: Any) -> list[Finding]:
    options = {"correlated-outputs": {"max_cosine": 0.3}, **settings.pop("rules", {})}
    report = diagnose(of, Settings(select=(rule,), rules=options, **settings))
    return [finding.model_copy(update={"role": "cause", "explained_by": None}) for finding in report.findings]


@pytest.mark.parametrize("name", ACTING)
def test_the_limit_of_trained_layers_affects_every_rule_that_skips_them(name: str) -> None:
    of, rule = ACTING[name](), name.partition(" ")[0]
    assert judged(of, rule) != judged(of, rule, rules=RAISED)


@pytest.mark.parametrize("layers", ["fc1", "fc2"])
def test_a_shared_limit_of_some_layers_affects_their_findings(layers: str) -> None:
    overrides = [{"layers": layers, "rules": RAISED}]
    assert bool(judged(_scale(), "weight-scale", overrides=overrides)) is (layers == "fc1")


def test_overrides_of_one_layer_are_combined() -> None:
    """The later one sets another option, so the earlier option is kept."""
    of = recording(body(fc1={"weight": {**EDGE, "row_cosine": 0.4}}))
    cosine = {"correlated-outputs": {"max_cosine": 0.35}}
    overrides = [{"layers": "fc*", "rules": RAISED}, {"layers": "fc1", "rules": cosine}]
    (found,) = judged(of, "correlated-outputs", rules={"correlated-outputs": {"max_cosine": 0.6}}, overrides=overrides)
    assert (found.layers, found.limit) == (("fc1",), 0.35)
