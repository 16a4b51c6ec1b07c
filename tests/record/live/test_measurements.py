"""One measurement per layer, combined from modules, operations and weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from inithealth.record.live.measurements import Measurements
from inithealth.record.live.readings import Readings
from inithealth.record.live.step_buffer import StepBuffer
from inithealth.recording import Measurement
from tests.rules.recordings import layer

LAYERS = (layer("a", 0), layer("b", 1))


def buffer() -> StepBuffer:
    return StepBuffer(Readings(None), first=True, graph_wanted=False)


def measured(
    of: StepBuffer,
    *,
    at: dict[int, str] | None = None,
    modules: dict[str, str] | None = None,
    between: dict[str, float] | None = None,
    **more: Any,
) -> dict[str, Measurement]:
    observer: Any = SimpleNamespace(layer_at=at or {}, layer_of_module=modules or {}, between=between or {})
    known: dict[str, Any] = {"norms": {}, "repeats": {}, "loss_scale": 1.0, **more}
    return {each.layer: each for each in Measurements(LAYERS, observer).of(of, **known)}


def test_every_layer_has_one_in_the_order_of_the_operations() -> None:
    assert list(measured(buffer())) == ["a", "b"]
    assert list(measured(buffer(), at={3: "b", 5: "a"})) == ["b", "a"]


def test_a_modules_output_belongs_to_its_last_layer() -> None:
    of = buffer()
    of.readings.take("output", ("module", "block"), torch.full((4,), 3.0))
    of.readings.take("output", ("layer", "a"), torch.full((4,), 2.0))
    found = measured(of, at={0: "a", 1: "b"}, modules={"block": "b"})
    assert {name: m.output.rms for name, m in found.items() if m.output} == pytest.approx({"a": 2.0, "b": 3.0})


def test_a_module_that_is_not_in_the_graph_is_its_own_layer() -> None:
    """Unless one of its weights is in the graph: then the module contains several operations."""
    of = buffer()
    of.readings.take("output", ("module", "a"), torch.ones(4))
    of.readings.take("output", ("module", "other"), torch.ones(4))
    assert measured(of)["a"].output is not None
    assert measured(of, at={0: "a"})["a"].output is None
    assert list(measured(of)) == ["a", "b"]


def test_the_loss_scale_is_removed_only_from_the_gradient() -> None:
    of = buffer()
    for kind in ("input", "output", "gradient"):
        of.readings.take(kind, ("layer", "a"), torch.full((4,), 8.0))  # type: ignore[arg-type]
    found = measured(of, loss_scale=4.0)["a"]
    signals = (found.input, found.output, found.gradient)
    assert [signal.rms for signal in signals if signal] == pytest.approx([8.0, 8.0, 2.0])
    assert found.gradient is not None
    assert found.gradient.abs_max == 2.0


def test_norms_repeats_and_units_belong_to_the_layer() -> None:
    of = buffer()
    of.first_step_stats["a"] = {"predicted": 5.0}
    of.output_rank["block"] = {"effective": 2.0, "width": 7}
    found = measured(of, modules={"block": "a"}, norms={"a.weight": 1.5}, repeats={"b": 0.25})
    assert (found["a"].weight_gradient, found["b"].weight_gradient) == (1.5, None)
    assert (found["a"].gradient_duplicates, found["b"].gradient_duplicates) == (0.0, 0.25)
    assert (found["a"].predicted, found["a"].effective, found["a"].width) == (5.0, 2.0, 7)


def test_the_input_of_a_head_has_the_difference_between_samples() -> None:
    of = buffer()
    of.readings.take("input", ("layer", "b"), torch.ones(4))
    found = measured(of, between={"b": 0.5, "a": 0.5})
    assert found["b"].input is not None
    assert found["b"].input.between == 0.5
    assert found["a"].input is None
