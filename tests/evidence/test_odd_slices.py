"""Single experts of a stack that are initialized unlike the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from inithealth.evidence.odd_slices import OddSlices, SliceLimits, odd_slices
from inithealth.recording import Recording
from tests.rules.recordings import layer, recording

USUAL = 0.1


def stack(*others: float, count: int = 8, **more: Any) -> Recording:
    rms = (*others, *[USUAL] * (count - len(others)))
    weight = {"slice_rms": rms, "shape": (count, 8, 8), **more.pop("weight", {})}
    return recording((layer("experts", 0, kind="bmm", weight=weight, **more),), ())


def found(of: Recording, **limits: Any) -> list[OddSlices]:
    return list(odd_slices(of, SliceLimits(**limits)))


@pytest.mark.parametrize("rms", [0.0, USUAL / 2.9, USUAL * 2.9])
def test_one_expert_of_many(rms: float) -> None:
    (odd,) = found(stack(rms))
    assert (odd.places, odd.rms, odd.usual) == ((0,), rms, USUAL)
    assert odd.fix == "nn.init.normal_(model.experts.weight.data[0], std=0.1)"


@pytest.mark.parametrize("rms", [USUAL / 2.7, USUAL, USUAL * 2.7, float("nan")])
def test_experts_of_one_scale(rms: float) -> None:
    assert found(stack(rms)) == []


@pytest.mark.parametrize(("others", "amount"), [(2, 1), (3, 0)])
def test_many_of_another_scale_are_intentional(others: int, amount: int) -> None:
    assert len(found(stack(*[1.0] * others))) == amount


def test_matrices_of_a_few_elements_differ_by_chance() -> None:
    assert found(stack(0.02, weight={"shape": (8, 1, 2)})) == []
    assert found(stack(0.02, weight={"shape": (8, 2, 4)})) != []


@pytest.mark.parametrize(
    "more", [{"reaches_loss": False}, {"weight": {"trainable": False}}, {"weight": {"slice_rms": ()}}]
)
def test_what_is_not_compared(more: dict[str, Any]) -> None:
    assert found(stack(0.0, **more)) == []


def test_all_at_zero() -> None:
    assert found(stack(*[0.0] * 8)) == []


def test_the_fix_draws_the_missed_ones() -> None:
    model = nn.ParameterDict({"weight": nn.Parameter(torch.full((8, 8, 8), USUAL))})
    model["weight"].data[:2] = 0.0
    exec("\n".join(each.fix for each in found(stack(0.0, 0.0))), {"model": nn.ModuleDict({"experts": model}), "nn": nn})
    assert float(model["weight"].detach()[:2].std()) == pytest.approx(USUAL, rel=0.3)
    assert bool((model["weight"][2:] == USUAL).all())
