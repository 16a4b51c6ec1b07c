"""Weights seen neither in the graph nor by a hook are measured by a trace; otherwise no trace runs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth.record.sandbox.unseen_layers import filled
from tests.record.reading import read
from tests.record.twins import assert_shows, numbers

X = torch.randn(16, 6, generator=torch.Generator().manual_seed(5))


class Hidden(nn.Module):
    """A frozen body of functions in ``no_grad``: without a node, and without a module call."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.randn(6, 8)), nn.Parameter(torch.randn(5, 8))
        self.head = nn.Linear(5, 3)
        self.first.requires_grad_(False)
        self.second.requires_grad_(False)

    def body(self, x: Tensor) -> list[Tensor]:
        hidden = x @ self.first
        return [hidden, F.linear(hidden.relu(), self.second)]

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            signal = self.body(x)[-1]
        output: Tensor = self.head(signal)
        return output


def test_a_check_describes_layers_without_a_graph() -> None:
    model = Hidden()
    report = inithealth.check(model, X)
    layers = {layer.name: layer for layer in report.layers}
    measured = {m.layer: m for m in report.measurements}
    assert [(layers[name].kind, layers[name].called) for name in ("first", "second")] == [("linear", True)] * 2
    for name, fans, output in zip(("first", "second"), ((6, 8), (8, 5)), model.body(X), strict=True):
        weight = layers[name].weight
        assert weight is not None
        assert (weight.fan_in, weight.fan_out) == fans
        assert layers[name].wants == pytest.approx(fans[0] ** -0.5)
        assert layers[name].scheme is not None
        assert_shows(measured[name].output, numbers(output))
    assert_shows(measured["first"].input, numbers(X))
    assert not report.not_measured


def test_nothing_runs_again_if_every_layer_was_seen() -> None:
    reading = read(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)), X)
    layers, step = reading.recorder.layers, reading.step

    def never() -> None:
        raise AssertionError("a forward pass too many")

    assert filled(layers, step, never, reading.recorder.naming.parameters) == (layers, step)
