"""Layers without gradient, by what is known about the reason."""

from __future__ import annotations

from typing import Any

from inithealth.evidence.blocked import blocked, dispensable, share
from inithealth.recording import Layer, Probation, Recording, ZeroFactor
from tests.rules.recordings import layer, measured, recording, signal, stack

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


def test_the_share_of_the_matrices() -> None:
    layers = stack()
    of = recording((*layers, layer("norm", 9, kind="norm")))
    assert share(of, layers[:2]) == 0.4
    assert share(of, ()) == 0.0
    assert share(recording(()), ()) == 0.0


def test_layers_with_a_twin_that_trains_do_not_count() -> None:
    layers = tuple(layer(f"experts.{n}.fc", n) for n in range(4))
    assert share(recording(layers), layers[:3]) == 0.0
    assert share(recording(layers), layers) == 1.0


def test_another_path_is_a_skip_or_a_head_that_sees_the_samples_apart() -> None:
    layers = stack(fc1={"bypassable": True})
    seen = measured(layers, head={"input": signal(between=0.5).model_dump()})
    same = measured(layers, head={"input": signal(between=0.0).model_dump()})
    assert dispensable(recording(layers, same), layers[1:2])
    assert not dispensable(recording(layers, same), layers[2:3])
    assert dispensable(recording(layers, seen), layers[2:3])
    assert not dispensable(recording(layers, seen), layers[2:])  # the head itself
