"""The layers of one model."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from inithealth.record.failures import Failures
from inithealth.record.layers import inventory
from inithealth.record.layers.inventory import Inventory
from tests.record.reading import flow_behind

X = torch.randn(5, 4)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def found(model: nn.Module, *, flow: bool = True, called: tuple[str, ...] = ("0", "2")) -> Inventory:
    own = Inventory(model, Failures())
    own.find(flow_behind(model, model(X)) if flow else None, called)
    return own


def test_no_layer_is_known_before_the_first_step() -> None:
    assert Inventory(net(), Failures()).layers == ()


@pytest.mark.parametrize("flow", [True, False])
def test_layers_are_found_with_and_without_a_graph(flow: bool) -> None:
    layers = found(net(), flow=flow).layers
    assert [layer.name for layer in layers] == ["0", "2"]
    assert [layer.feeds for layer in layers] == (["activation", "loss"] if flow else ["unknown", "unknown"])


def test_weights_are_described_if_the_flow_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    real = inventory.outlines

    def broken(naming: object, flow: object, called: object) -> object:
        if flow is not None:
            raise RuntimeError("odd graph")
        return real(naming, flow, called)  # type: ignore[arg-type]

    monkeypatch.setattr(inventory, "outlines", broken)
    own = found(net())
    assert [layer.name for layer in own.layers] == ["0", "2"]
    assert own._failures["flow"] == "RuntimeError: odd graph"


class Lines(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.fc(x)
        return y


def test_layers_have_the_line_that_creates_them() -> None:
    (layer,) = found(Lines(), called=("fc",)).layers
    assert layer.source is not None
    assert "test_inventory.py:" in layer.source


def test_known_layers_are_kept() -> None:
    own = found(net())
    before = own.layers
    own.describe(before)
    assert own.layers is before


def test_a_layer_whose_weight_has_a_gradient_reaches_the_loss() -> None:
    own = found(net(), flow=False)
    own.layers = tuple(layer.model_copy(update={"reaches_loss": False}) for layer in own.layers)
    own.show_reached({"0.weight": torch.ones(3, 4), "2.weight": None})
    assert [layer.reaches_loss for layer in own.layers] == [True, False]
    assert [what for what in own._failures if what == "0"] == ["0"]


def test_writes_to_a_recomputed_weight_are_found() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch advises its parametrization
        model = nn.utils.weight_norm(nn.Linear(40, 30))
    assert Inventory(model, Failures()).lost_writes == {}
    model.weight.data.normal_(0.0, 0.01)
    assert list(Inventory(model, Failures()).lost_writes) == ["weight_v"]
