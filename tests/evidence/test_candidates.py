"""Which other fixes are tried if that of a finding does not clear it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import inithealth
from inithealth.evidence.candidates import Candidate, Measured, alternatives
from inithealth.operations import Fill, Initialize, Operation, Scale
from tests.rules.nets import cross_entropy, mlp, vectors

RESCALED = "rescaling by the measured gain, as LSUV does"


def measured(model: nn.Module, found: dict[str, set[str]] | None = None) -> Measured:
    report = inithealth.check(model, vectors(), loss=cross_entropy)
    return Measured(report.layers, {each.layer: each for each in report.measurements}, found or {})


def by_name(operations: Sequence[Operation], network: Measured) -> dict[str, Candidate]:
    return {each.name: each for each in alternatives(operations, network)}


def zero(*names: str) -> list[Operation]:
    return [Fill(parameter=name, value=0.0) for name in names]


class Peers(nn.Module):
    """Five layers of one role with a std of 0.15."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(5))
        for block in self.blocks:
            nn.init.normal_(block.weight, std=0.15)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.tanh(block(x))
        return self.head(x)


def test_the_peers_without_a_finding_give_the_scale() -> None:
    model = Peers()
    nn.init.normal_(model.blocks[2].weight, std=3.0)
    found = by_name(zero("blocks.2.weight"), measured(model, {"blocks.2": {"weight-scale"}}))
    (operation,) = found["the scale of its peers"].fix.operations
    assert isinstance(operation, Initialize)
    assert operation.numbers == (pytest.approx(0.15, rel=0.05),)


def test_a_layer_without_peers_has_no_scale_of_them() -> None:
    network = measured(mlp())
    (layer, *_) = network.layers
    assert "the scale of its peers" not in by_name(
        zero(layer.parameter), network._replace(found={each.name: {"weight-scale"} for each in network.layers})
    )


def test_a_layer_is_rescaled_by_its_measured_gain() -> None:
    model = Peers()
    nn.init.normal_(model.blocks[2].weight, std=3.0)
    network = measured(model)
    (operation,) = by_name(zero("blocks.2.weight"), network)[
        "rescaling by the measured gain, as LSUV does"
    ].fix.operations
    assert isinstance(operation, Scale)
    seen = network.measurements["blocks.2"]
    assert seen.output is not None
    assert seen.input is not None
    expected = 5 / 3 * seen.input.rms / seen.output.rms
    assert operation.factor == pytest.approx(expected, rel=0.15)


def test_a_zero_weight_cannot_be_rescaled() -> None:
    model = Peers()
    nn.init.zeros_(model.blocks[2].weight)
    nn.init.zeros_(model.blocks[2].bias)
    assert RESCALED not in by_name(zero("blocks.2.weight"), measured(model))


class Residual(nn.Module):
    """Four residual branches of two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.last = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for first, last in zip(self.first, self.last, strict=True):
            x = x + last(torch.relu(first(x)))
        return self.head(x)


def test_the_ends_of_branches_are_smaller() -> None:
    found = by_name(zero("first.1.weight", "last.1.weight"), measured(Residual()))
    first, last = found["a common scheme"].fix.operations
    assert isinstance(first, Initialize)
    assert isinstance(last, Initialize)
    assert (first.numbers, last.numbers) == ((0.02,), (0.01,))
    first, last = found["the gain of its activation"].fix.operations
    assert isinstance(last, Initialize)
    assert (first.initializer, last.initializer) == ("kaiming_normal", "normal")  # type: ignore[union-attr]
    assert last.numbers == (pytest.approx(0.5 / math.sqrt(32), rel=0.01),)


def test_other_operations_stay() -> None:
    bias = Fill(parameter="2.bias", value=0.0)
    found = alternatives([*zero("2.weight"), bias], measured(mlp()))
    assert len(found) >= 3
    assert all(bias in each.fix.operations for each in found)


def test_operations_on_other_parameters_have_no_alternatives() -> None:
    assert alternatives(zero("2.bias"), measured(mlp())) == []
