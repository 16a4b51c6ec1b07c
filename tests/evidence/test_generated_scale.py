"""Generated weights on a path, and the factors that fix them."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.generated_scale import fix, scaled
from inithealth.recorded_graph import GeneratedWeight
from inithealth.recording import Recording
from tests.rules.recordings import measured, recording, stack, weight


def generated(layer: str, gain: float, **more: Any) -> GeneratedWeight:
    """A weight with 64 inputs; ``gain`` is relative to the expected one."""
    return GeneratedWeight.model_validate({"layer": layer, "rms": gain / 8, "fan_in": 64, "fan_out": 64, **more})


def of(*weights: GeneratedWeight, output: float = 1.0) -> Recording:
    layers = stack(3, fc1={"bias": weight("fc1.bias", shape=(96,)).model_dump()})
    return recording(layers, measured(layers, dict.fromkeys(("fc0", "fc1", "head"), output)), generated=weights)


def octaves(sign: int, *weights: GeneratedWeight, output: float = 1.0) -> float | None:
    found = scaled(of(*weights, output=output), sign)
    return None if found is None else found.octaves


def test_the_weights_on_a_path_multiply() -> None:
    assert octaves(1, generated("fc0", 4.0), generated("fc1", 4.0, upstream=0)) == pytest.approx(4.0)
    assert octaves(1, generated("fc0", 4.0), generated("fc1", 8.0)) == pytest.approx(3.0)
    assert octaves(1, generated("fc0", 4.0), generated("fc1", 0.25, upstream=0)) == pytest.approx(2.0)


def test_the_gain_of_the_activation_is_expected() -> None:
    assert octaves(1, generated("fc0", 4.0 * 2**0.5, activation="relu")) == pytest.approx(2.0, rel=1e-3)
    assert octaves(1, generated("fc0", 64.0, activation="sin")) is None


@pytest.mark.parametrize("more", [{"normed": True}, {"fan_in": 4}, {"fan_out": 2}, {"rms": 0.0}, {"layer": "other"}])
def test_weights_whose_scale_does_not_matter(more: dict[str, Any]) -> None:
    known = generated("fc0", 64.0).model_dump()
    assert octaves(1, GeneratedWeight.model_validate({**known, **more})) is None


@pytest.mark.parametrize("more", [{"last": True}, {"bypassed": True}, {"plain": False}])
def test_weights_that_may_be_small(more: dict[str, Any]) -> None:
    assert octaves(-1, generated("fc0", 1 / 64, **more)) is None
    assert octaves(-1, generated("fc0", 1 / 64)) == pytest.approx(-6.0)


def test_a_weight_that_is_added_to_the_output_is_not_judged() -> None:
    assert octaves(1, generated("fc0", 64.0, plain=False), output=8.0) == pytest.approx(6.0)
    assert octaves(1, generated("fc0", 64.0, plain=False), output=1.0) is None


def test_fixes_scale_the_weight_and_the_bias() -> None:
    found = scaled(of(generated("fc0", 4.0), generated("fc1", 1.25, upstream=0)), 1)
    assert found is not None
    assert [each.layer.name for each in found.generators] == ["fc0"]
    assert fix(found) == (
        "model.fc0.weight.data.mul_(0.25)\nmodel.fc1.weight.data.mul_(0.8)\nmodel.fc1.bias.data.mul_(0.8)"
    )


def test_one_factor_does_not_fix_weights_of_different_scales() -> None:
    found = scaled(of(generated("fc0", 64.0), generated("fc0", 4.0, upstream=0)), 1)
    assert found is not None
    assert fix(found).startswith("initialize the layers such that")
