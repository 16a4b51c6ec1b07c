"""What is said of parameters that the forward pass wrote."""

from __future__ import annotations

from typing import Any

import pytest

from inithealth.evidence.forward_writes import WriteLimits, amplified, first_broken, fix, why, written
from inithealth.recording import ForwardWrite, Layer, Recording
from tests.rules.recordings import layer, recording

VECTOR = {"shape": (96,), "fan_in": None, "fan_out": None}


def scaled(name: str = "norm", **more: Any) -> Layer:
    return layer(name, 0, kind="scale", weight={**VECTOR, **more.pop("weight", {})}, **more)


def of(one: Layer, **writes: ForwardWrite) -> Recording:
    return recording((one,), (), forward_writes={f"{one.module}.{name}": write for name, write in writes.items()})


def found(one: Layer, **writes: ForwardWrite) -> Any:
    assert one.weight is not None
    return written(of(one, **writes), one, one.weight)


def test_a_parameter_that_was_finite_before() -> None:
    one = scaled()
    assert found(one, weight=ForwardWrite()).name == "norm.weight"
    assert found(one, weight=ForwardWrite(non_finite=1)) is None
    assert found(one, other=ForwardWrite()) is None


def test_a_weight_is_computed_from_other_parameters_of_its_module() -> None:
    assert found(scaled(transformed=True), magnitude=ForwardWrite()).name == "norm.magnitude"
    assert found(scaled("a", transformed=True)) is None


LARGE = {"constant": (2,), "constants": 1, "channels": 96, "contrast": 100.0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"source": "layers"}, True),
        ({"source": "dead"}, False),
        ({"contrast": 40.0}, False),
        ({"contrast": None}, False),
        ({"constant": (), "constants": 0}, False),
        ({"non_finite": 1}, False),
    ],
)
def test_what_amplifies_a_channel_without_variance(change: dict[str, Any], expected: bool) -> None:
    of_one = of(scaled(), weight=ForwardWrite.model_validate({**LARGE, **change}))
    assert bool(amplified(of_one, WriteLimits())) is expected
    assert not amplified(of_one, WriteLimits(max_contrast=200.0))


def test_weights_that_are_not_finite_are_not_judged_by_their_size() -> None:
    broken = scaled(weight={"non_finite": 1})
    assert not amplified(of(broken, weight=ForwardWrite.model_validate(LARGE)), WriteLimits())


@pytest.mark.parametrize(
    ("write", "text"),
    [
        ({}, "; the stored values are finite, but it divides by a spread that is 0 for a unit without variance"),
        (
            {"constant": (2,), "constants": 1, "channels": 6},
            ", in which channel 2 of its 6 does not vary: it divides by a spread of 0",
        ),
        (
            {"constant": (2, 5), "constants": 2, "channels": 6},
            ", in which channels 2, 5 of its 6 do not vary: it divides by a spread of 0",
        ),
        (
            {"constant": (2, 5, 6), "constants": 9, "channels": 16},
            ", in which channels 2, 5, 6 and 6 more of its 16 do not vary: it divides by a spread of 0",
        ),
    ],
)
def test_the_cause_names_the_channels(write: dict[str, Any], text: str) -> None:
    known = found(scaled(), weight=ForwardWrite.model_validate(write))
    assert why(known) == f"the forward pass of norm sets weight from the batch{text}"


@pytest.mark.parametrize(("name", "shown"), [("norm", "norm"), ("0", "layer 0"), ("flow.0", "flow.0")])
def test_the_fix_is_in_the_module_not_in_its_stored_values(name: str, shown: str) -> None:
    text = fix(found(scaled(name), weight=ForwardWrite()))
    assert text.startswith(f"limit the spread that {shown} divides by, for example std.clamp(min=0.1)")
    assert text.endswith("other values in weight would be overwritten by the next forward pass")
    assert "nn.init" not in text


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        ({"broken": 1}, True),
        ({}, False),
        ({"broken": 1, "non_finite": 1}, False),
        ({"broken": 1, "broken_input": True}, False),
    ],
)
def test_the_first_that_was_broken_by_the_forward_pass_itself(write: dict[str, Any], expected: bool) -> None:
    first, later = ForwardWrite.model_validate(write), ForwardWrite(broken=2)
    known = first_broken(recording((), (), forward_writes={"a.scale": first, "b.scale": later}))
    assert known is not None
    assert (known.name, known.module) == (("a.scale", "a") if expected else ("b.scale", "b"))
    assert first_broken(recording((), (), forward_writes={})) is None


def test_a_parameter_of_the_model_itself_is_its_own_module() -> None:
    known = first_broken(recording((), (), forward_writes={"scale": ForwardWrite(broken=1)}))
    assert known is not None
    assert known.module == "scale"
    assert why(known).startswith("the forward pass of the model sets scale")
