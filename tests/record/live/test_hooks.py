"""Hooks measure the outputs of modules without changing the training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inithealth.record.failures import Failures
from inithealth.record.layers.naming import Naming
from inithealth.record.live.hooks import ModuleHooks
from inithealth.record.live.readings import Readings
from inithealth.record.live.step_buffer import StepBuffer
from tests.record.reading import Written

X = torch.randn(5, 4)


def hooked(model: nn.Module, *, exact: bool = True, first: bool = True, compiled: tuple[str, ...] = ()) -> ModuleHooks:
    buffer = StepBuffer(Readings(None), first=first, graph_wanted=True)
    hooks = ModuleHooks(Naming(model), Failures(), buffer, exact=exact, compiled=compiled, names={})
    hooks.attach()
    return hooks


def signals(hooks: ModuleHooks) -> dict[tuple[str, str], float]:
    return {key: signal.rms for key, signal in hooks.buffer.readings.signals(lambda place: place[1]).items()}


def rms(tensor: Tensor) -> float:
    return float(tensor.detach().square().mean().sqrt())


def test_inputs_outputs_and_gradients_of_modules_with_a_weight() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    hooks = hooked(model)
    output = model(X)
    output.square().sum().backward()
    found = signals(hooks)
    assert found["input", "0"] == pytest.approx(rms(X))
    assert found["output", "2"] == pytest.approx(rms(output))
    assert found["gradient", "2"] == pytest.approx(rms(2 * output))
    assert {name for _, name in found} == {"0", "2"}
    assert list(hooks.buffer.called) == ["0", "2"]
    assert sorted(hooks.buffer.produced.values()) == ["0", "2"]


@pytest.mark.parametrize(("exact", "first", "expected"), [(True, False, 1), (False, True, 1), (False, False, 0)])
def test_inputs_are_measured_if_exact_or_in_the_first_step(exact: bool, first: bool, expected: int) -> None:
    model = nn.Linear(4, 3)
    hooks = hooked(model, exact=exact, first=first)
    model(X)
    assert len([kind for kind, _ in signals(hooks) if kind == "input"]) == expected


def test_values_measured_once_are_measured_in_the_first_step() -> None:
    model = nn.Linear(4, 3)
    first, later = hooked(model), hooked(model, first=False)
    model(X)
    assert first.buffer.output_rank[""]["width"] == 3
    assert later.buffer.output_rank == {}


def test_a_paused_or_detached_hook_measures_nothing() -> None:
    model = nn.Linear(4, 3)
    hooks = hooked(model)
    hooks.paused = True
    model(X)
    hooks.paused = False
    hooks.detach()
    model(X)
    assert signals(hooks) == {}
    assert not model._forward_hooks


def test_attaching_twice_adds_one_hook() -> None:
    model = nn.Linear(4, 3)
    hooked(model).attach()
    assert len(model._forward_hooks) == 1


def test_compiled_and_parametrizing_modules_get_no_hook() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    hooks = hooked(model, compiled=("1",))
    model(X)
    assert list(hooks.buffer.called) == ["0"]


def test_an_error_while_measuring_is_recorded_and_the_output_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("no room")

    model = nn.Linear(4, 3)
    expected = model(X)
    hooks = hooked(model)
    monkeypatch.setattr(hooks.buffer.readings, "take", broken)
    output = model(X)
    assert torch.equal(output, expected)
    output.sum().backward()
    assert hooks.failures == {"model": "RuntimeError: no room"}


@pytest.mark.parametrize(("output", "says"), [("words", "no"), (torch.empty(0, 2), "only empty")])
def test_an_output_without_numbers_is_recorded(output: Any, says: str) -> None:
    model = Written(lambda net, x: output, weight=nn.Parameter(torch.ones(2)))
    hooks = hooked(model)
    model(X)
    assert hooks.failures == {"": f"its output has {says} floating-point tensors"}


def test_the_first_non_empty_tensor_is_the_output() -> None:
    parts = Written(
        lambda net, x: {"empty": x[:0], "whole": x * net.weight}, weight=nn.Parameter(torch.full((4,), 3.0))
    )
    hooks = hooked(parts)
    parts(X)
    assert signals(hooks)["output", ""] == pytest.approx(3 * rms(X))
