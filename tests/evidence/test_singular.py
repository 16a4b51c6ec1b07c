"""The text on the operation that produces the first NaN."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inithealth.evidence import singular
from inithealth.recording import Recording, Singularity, Step
from tests.rules.recordings import measured, recording, stack


def broken(loss: float = math.nan, index: int = 0, dead: float = 0.0, **more: Any) -> Recording:
    layers = stack()
    step = Step(index=index, loss=loss, layers=measured(layers, fc1={"dead_share": dead}))
    known = Singularity(**{"operation": "a division by zero", "layers": ("fc1",), **more})
    return recording(layers, steps=(step,), singularity=known)


def test_only_the_first_step_counts_and_only_if_it_is_not_finite() -> None:
    assert singular.at_start(broken()) is not None
    for of in (broken(loss=2.3), broken(index=3), recording()):
        assert singular.at_start(of) is None
        assert (singular.sources(of), singular.operation(of), singular.description(of), singular.fix(of)) == (
            [], "", "", "",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "a division by zero after fc1"),
        ({"layers": ()}, "a division by zero"),
        ({"share": 0.25}, "a division by zero after fc1 (25.0% of the values)"),
        ({"share": 1e-9}, "a division by zero after fc1 (0.1% of the values)"),
        ({"layers": (), "constant": "std"}, "a division by zero, because std is exactly zero"),
        ({"dead": 1.0}, "a division by zero after fc1: all units there are dead"),
    ],
)
def test_the_description(more: dict[str, Any], text: str) -> None:
    assert singular.description(broken(**more)) == text


def test_the_fix() -> None:
    assert singular.fix(broken()).startswith("add an epsilon to the division after fc1")
    assert singular.fix(broken(operation="the logarithm of zero or less")).startswith("add an epsilon to the logarithm")
    assert singular.fix(broken(layers=())) == ""
    assert singular.fix(broken(constant="std")).splitlines()[1:] == ["nn.init.ones_(model.std)"]


def test_layers_that_are_not_known_are_left_out() -> None:
    assert [each.name for each in singular.sources(broken(layers=("fc2", "gone", "fc0")))] == ["fc2", "fc0"]
