"""What the graph of a step shows: flow, predicted scale, directions, attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from tests.record.reading import Written, read

X = torch.randn(64, 24, generator=torch.Generator().manual_seed(3))


def net(functional: bool) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        hidden = F.linear(x, net.one.weight, net.one.bias) if functional else net.one(x)
        output: Tensor = net.two(hidden.relu())
        return output

    torch.manual_seed(4)
    return Written(forward, one=nn.Linear(24, 48), two=nn.Linear(48, 5))


@pytest.mark.parametrize("functional", [True, False])
def test_the_prediction_from_the_weights_equals_the_output(functional: bool) -> None:
    for measured in read(net(functional), X).measured.values():
        assert measured.output is not None
        assert measured.predicted == pytest.approx(measured.output.rms, rel=0.1)
        assert measured.predicted_gain == pytest.approx(measured.gain, rel=0.1)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("functional", [True, False])
def test_the_directions_of_a_layer_are_counted_only_in_the_first_step(functional: bool, exact: bool) -> None:
    model = net(functional)
    with torch.no_grad():
        model.one.weight.copy_(torch.randn(48, 1) @ torch.randn(1, 24))
    reading = read(model, X, exact=exact)
    assert reading.measured["one"].effective == pytest.approx(1.0, abs=0.05)
    assert reading.measured["one"].width > 40
    assert read(model, X, exact=exact, recorder=reading.recorder).measured["one"].effective is None


@pytest.mark.parametrize("large", [1.0, 40.0])
def test_the_layers_of_queries_and_keys_have_their_attentions_sharpness(large: float) -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        attended = F.scaled_dot_product_attention(net.query(x), net.key(x), net.value(x))
        output: Tensor = net.head(attended)
        return output

    torch.manual_seed(4)
    parts = {name: nn.Linear(24, 24) for name in ("query", "key", "value", "head")}
    nn.init.normal_(parts["query"].weight, std=large / 24**0.5)
    x = X.view(4, 16, 24)
    found = read(Written(forward, **parts), x).measured
    logits = (parts["query"](x) @ parts["key"](x).mT / 24**0.5).detach()
    spread = float(logits.var(-1, unbiased=False).mean().sqrt())
    for name in ("query", "key"):
        assert found[name].attention_std == pytest.approx(spread, rel=0.05)
        assert found[name].attention_keys == 16
        assert found[name].attention_top == pytest.approx(float(logits.softmax(-1).amax(-1).mean()), rel=0.05)
    assert found["value"].attention_std is None


def test_an_error_in_a_measurement_is_reported_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*args: object) -> None:
        raise ZeroDivisionError("mine")

    monkeypatch.setattr("inithealth.record.saved.replay.predicted", failing)
    report = inithealth.check(net(True), X)
    assert any("ZeroDivisionError" in line for line in report.not_measured)
    assert all(measured.output is not None for measured in report.measurements)
