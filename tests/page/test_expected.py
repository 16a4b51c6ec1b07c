"""What is expected of each layer at the first step."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.page.expected import first_step
from inithealth.recording import Layer, Recording, Step
from tests.rules.recordings import layer, measured, signal, stack

FOUND = {"fc3": {"weight-scale"}}
TARGET = math.sqrt(2)  # gain that keeps the rms through a ReLU


def recorded(layers: tuple[Layer, ...], gains: dict[str, float] | None = None, **more: Any) -> Recording:
    """Return a chain in which each layer has its gain, by default the target; the input has rms 1."""
    forward, backward = {}, {}
    level = 1.0
    for each in layers:
        level *= (gains or {}).get(each.name, TARGET) / TARGET
        forward[each.name] = level
    down = 1.0
    for each in reversed(layers):
        backward[each.name] = down
        down *= (gains or {}).get(each.name, TARGET) / TARGET
    inputs = {
        each.name: {"input": signal(forward[each.name] / (gains or {}).get(each.name, TARGET))} for each in layers
    }
    measurements = measured(layers, forward, backward, **inputs)
    known = {
        "model": "MLP",
        "layers": layers,
        "steps": (Step(index=0, layers=measurements),),
        "inputs": {"x": signal()},
    }
    return Recording.model_validate({**known, **more})


def test_a_network_with_the_target_gains_is_as_expected() -> None:
    found = first_step(recorded(stack(8)), {}).off
    assert all(off == pytest.approx(0.0, abs=1e-3) for quantity in found.values() for off in quantity.values())


def test_the_gain_shows_the_cause_and_the_levels_that_depend_on_it_are_symptoms() -> None:
    found = first_step(recorded(stack(8), {"fc3": TARGET / 16}), FOUND).off
    assert {name for name, off in found["gain"].items() if abs(off) > 1} == {"fc3"}
    assert found["gain"]["fc3"] == pytest.approx(-4.0, abs=1e-3)
    assert [name for name, off in found["forward"].items() if off < -1] == ["fc3", "fc4", "fc5", "fc6", "head"]
    assert [name for name, off in found["gradient"].items() if off < -1] == ["fc0", "fc1", "fc2"]


def test_a_normalization_ends_the_symptoms() -> None:
    layers = list(stack(8))
    layers[4] = layer("fc4", 4, kind="norm")
    found = first_step(recorded(tuple(layers), {"fc3": TARGET * 16}), FOUND).off["forward"]
    assert found["fc3"] == pytest.approx(4.0, abs=1e-3)
    assert max(abs(found[name]) for name in ("fc5", "fc6", "head")) < 1


def test_a_level_beyond_the_limits_of_the_rules_is_off_whatever_the_gains_are() -> None:
    """Twelve gains that are each a little too small, as PyTorch's default."""
    names = [f"fc{number}" for number in range(12)]
    found = first_step(recorded(stack(13), dict.fromkeys(names, TARGET / 2)), {}).off
    assert found["forward"]["fc3"] == 0.0
    assert found["forward"]["fc11"] == pytest.approx(-12 + 5)
    assert found["gradient"]["fc0"] == pytest.approx(-11 + math.log2(200))


def test_the_sources_are_in_words() -> None:
    assert first_step(recorded(stack(3)), {}).sources == {
        "forward": "the input's rms 1",
        "gradient": "the last layer's",
    }
    without = first_step(recorded(stack(3), inputs={}), {}).sources
    assert without["forward"].startswith("the embedding's")


def test_what_was_not_measured_has_no_deviation() -> None:
    layers = stack(2)
    recording = Recording(model="MLP", layers=layers, steps=(Step(index=0),))
    assert first_step(recording, {}).off == {"forward": {}, "gradient": {}, "gain": {}}
