"""Layers without gradient, by what is known about the reason."""

from __future__ import annotations

from typing import Any

from inithealth.evidence.blocked import blocked
from inithealth.recording import Layer, Probation, Recording, ZeroFactor
from tests.rules.recordings import measured, recording, signal, stack

ZEROS = ZeroFactor(names=("scale",), text="buffer", parameters=("fc1.weight", "fc2.weight"))


def tried(*asleep: str, layers: tuple[Layer, ...] | None = None, **more: Any) -> Recording:
    layers = stack() if layers is None else layers
    trial = Probation(steps=4, settled=True, asleep=tuple(f"{name}.weight" for name in asleep))
    measurements = more.pop("measurements", measured(layers))
    return recording(layers, measurements, probation=trial, **more)


def names(layers: tuple[Layer, ...]) -> list[str]:
    return [each.name for each in layers]


def test_nothing_without_a_probation_or_a_zero_gradient() -> None:
    assert blocked(recording()) == blocked(tried())
    assert blocked(tried(zero_factors=(ZEROS,))).factors == ()


def test_stopped_idle_and_blocked_by_zeros_are_told_apart() -> None:
    found = blocked(tried("fc0", "fc1", "fc3", idle=("fc1", "fc3"), zero_factors=(ZEROS,)))
    assert [names(part) for part in (found.stopped, found.idle, found.by_zeros)] == [["fc0"], ["fc3"], ["fc1"]]
    assert found.factors == (ZEROS,)


def test_an_input_of_zeros_is_expected_unless_a_constant_made_it() -> None:
    layers = stack()
    zeros = measured(layers, fc1={"input": signal(0.0).model_dump()}, fc3={"input": signal(0.0).model_dump()})
    found = blocked(tried("fc1", "fc3", measurements=zeros, zero_factors=(ZEROS,), idle=("fc3",)))
    assert [names(part) for part in (found.stopped, found.idle, found.by_zeros)] == [[], [], ["fc1"]]
