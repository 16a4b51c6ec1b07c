"""The healthy ranges of sizes."""

from __future__ import annotations

import math

import pytest

from inithealth.page.expected import first_step
from inithealth.page.healthy_ranges import healthy_ranges, outside, usual_gains
from inithealth.recording import Loss, Recording, Step
from tests.page.test_expected import TARGET, recorded
from tests.rules.recordings import layer, measured, signal, stack
from tests.tensorboard.recordings import changed

ELSEWHERE = {"head": {"loss-at-init"}}


def off(recording: Recording, quantity: str, name: str, found: dict[str, set[str]] | None = None) -> float:
    """Return by how many octaves a layer is off at the first step."""
    return first_step(recording, found or {}).off[quantity][name]


def test_a_range_is_left_by_octaves() -> None:
    assert [outside(level, (-1.0, 2.0)) for level in (-3.0, 0.0, 2.0, 2.5)] == [-2.0, 0.0, 0.0, 0.5]


@pytest.mark.parametrize("gain", [1 / math.sqrt(3), 1.0, TARGET, 0.02 * math.sqrt(96)])
def test_the_gain_of_a_common_initialization_is_healthy_unless_a_rule_found_something(gain: float) -> None:
    """PyTorch's default, LeCun's, He's, and 0.02: all are in use in networks with ReLU that train."""
    recording = recorded(stack(4), {"fc1": gain})
    assert off(recording, "gain", "fc1") == pytest.approx(0.0, abs=1e-6)
    found = off(recording, "gain", "fc1", {"fc1": {"vanishing-activations"}})
    assert found == pytest.approx(math.log2(gain / TARGET), abs=1e-3)


def test_a_gain_beyond_all_common_initializations_is_off() -> None:
    """The color begins (1 octave) at the limit of weight-scale, 3 octaves beyond He's gain."""
    for gain, octaves in ((4.0, 0.0), (2.0**3.5, 1.0), (64.0, 3.5)):
        assert off(recorded(stack(4), {"fc1": gain}), "gain", "fc1") == pytest.approx(octaves, abs=1e-3)
    assert off(recorded(stack(4), {"fc1": 2.0**-9}), "gain", "fc1") < -2


def test_where_a_rule_found_something_elsewhere_the_gains_of_common_initializations_are_the_range() -> None:
    assert off(recorded(stack(4), {"fc1": 16.0}), "gain", "fc1", ELSEWHERE) == pytest.approx(4 - 0.5, abs=1e-3)


def test_the_gain_of_a_head_is_free_unless_a_rule_found_something_in_it() -> None:
    """The last layer of SIREN has a 30th of the usual gain; others start at zero."""
    for gain in (1 / 64, 1.0, 64.0):
        assert off(recorded(stack(4), {"head": gain}), "gain", "head") == 0.0
    assert off(recorded(stack(4), {"head": 64.0}), "gain", "head", {"head": {"weight-scale"}}) > 2


def test_a_gain_that_is_free_is_compared_with_common_initializations() -> None:
    """The output of the last layer of a residual branch may be divided by the root of the number of branches."""
    usual = stack(3, fc1={"ends_branch": True, "bypassable": True, "feeds": "residual", "activation": None})
    for factor, is_off in ((1.0, False), (1 / 8, False), (16.0, True)):
        assert (off(recorded(usual, {"fc1": factor}, branches=16), "gain", "fc1", ELSEWHERE) > 2) is is_off, factor
    for found, is_off in ((ELSEWHERE, False), ({"fc1": {"weight-scale"}}, True)):  # a branch may end near zero
        assert (off(recorded(usual, {"fc1": 1e-6}, branches=16), "gain", "fc1", found) < -2) is is_off


def test_the_usual_bias_of_a_layer_with_a_tiny_input_is_not_its_gain() -> None:
    with_bias = {"bias": {**layer("b", 0).model_dump()["weight"], "name": "b", "rms": 0.05, "shape": (96,)}}
    layers = stack(3, fc1=with_bias)
    measurements = measured(layers, {"fc1": 0.05}, fc1={"input": signal(1e-7)})
    recording = Recording(
        model="MLP", layers=layers, steps=(Step(index=0, layers=measurements),), inputs={"x": signal()}
    )
    assert off(recording, "gain", "fc1") == 0.0


@pytest.mark.parametrize(
    ("rms", "tied", "found", "octaves"),
    [
        (1.0, False, False, 0.0),
        (16.0, False, False, 3.0),
        (0.02, True, True, 0.0),
        (1.0, True, False, 0.0),  # T5 divides the input of its tied head: the rules find nothing
        (1.0, True, True, 2.7),
    ],
)
def test_an_embedding_may_have_the_std_of_one_unless_a_rule_found_that_it_is_tied(
    rms: float, tied: bool, found: bool, octaves: float
) -> None:
    changes = {"rms": rms, "tied_to": ("head.weight",) if tied else ()}
    layers = (layer("emb", 0, kind="embedding", activation=None, weight=changes), *stack(3)[1:])
    recording = Recording(
        model="GPT", layers=layers, steps=(Step(index=0, layers=measured(layers, {"emb": rms})),), normalized=True
    )
    rules = {"emb": {"weight-scale"}} if found else {}
    assert off(recording, "forward", "emb", rules) == pytest.approx(octaves, abs=0.05)


@pytest.mark.parametrize(("found", "octaves"), [(False, 1.3), (True, 3.3)])
def test_a_norm_is_compared_with_one_where_a_rule_found_something(found: bool, octaves: float) -> None:
    """A weight of 10; the rule reports those beyond 4."""
    layers = (*stack(3)[:1], layer("norm", 1, kind="norm", activation=None), *stack(3)[2:])
    recording = Recording(
        model="Llama", layers=layers, steps=(Step(index=0, layers=measured(layers, {"norm": 10.0})),), normalized=True
    )
    rules = {"norm": {"weight-scale"}} if found else {}
    assert off(recording, "forward", "norm", rules) == pytest.approx(octaves, abs=0.05)


def test_gradients_are_compared_with_the_last_layers_and_free_around_skips() -> None:
    recording = recorded(stack(4, fc1={"bypassable": True}))
    ranges = healthy_ranges(recording, {}, usual_gains(recording, {}))["gradient"]
    assert ranges["fc0"] == pytest.approx((-math.log2(200), math.log2(50)))
    assert ranges["fc1"] == pytest.approx((-math.inf, math.log2(50)))
    normalized = recorded(stack(4), normalized=True)
    assert healthy_ranges(normalized, {}, usual_gains(normalized, {}))["gradient"]["fc0"] == (-13.0, 13.0)


@pytest.mark.parametrize(
    ("kind", "rms", "octaves"), [("cross_entropy", None, 5.1), ("mse", 300.0, 0.2), ("mse", None, 0)]
)
def test_predictions_may_be_as_large_as_their_targets(kind: str, rms: float | None, octaves: float) -> None:
    """A head whose output is 1,000. When training is watched, the targets are not measured."""
    loss = Loss(kind=kind, target_rms=rms, heads=("head",))
    recording = recorded(stack(3), loss=loss, losses=(loss,))
    recording = changed(recording, "head", output=signal(1024.0))
    assert off(recording, "forward", "head") == pytest.approx(octaves, abs=0.05)
